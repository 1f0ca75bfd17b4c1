"""A busy hospital and its page's server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from client.home import SiteHome
from client.view import page_server
from client.view.page_server import PageServer
from tests.client.view import scene


@pytest.fixture
def hospital(tmp_path: Path) -> SiteHome:
    return scene.busy(tmp_path / "home")


@pytest.fixture
def server(hospital: SiteHome) -> Iterator[PageServer]:
    with page_server.open_view(hospital, "127.0.0.1", 0) as there:
        yield there
