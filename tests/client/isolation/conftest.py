"""What a sandbox is to close: a port of this machine, and folders of each kind."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def places() -> Iterator[Path]:
    """A folder for each kind; open to everybody, so that only the wall can refuse."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    for name in ("open", "kept", "closed", "named"):
        deep = top / name / "deep"
        deep.mkdir(parents=True)
        for file in ("file", "old1", "old2"):
            (deep / file).write_text(name)
            (deep / file).chmod(0o666)
        deep.chmod(0o777)
        deep.parent.chmod(0o777)
    yield top
    shutil.rmtree(top)
