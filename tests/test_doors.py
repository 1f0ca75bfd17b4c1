"""Which room may import what: the trust boundaries of the house as a table, held by reading every file's imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
ROOMS = ("server", "client", "common")

MAY_ENTER = {"server": ("server", "common"), "client": ("client", "common"), "common": ("common",)}
"""Room: the rooms that it may import."""

KEPT_IN = {
    "flwr": (
        "server/app.py",
        "server/transport.py",
        "client/app.py",
        "common/protocol/flower_records.py",
        "common/protocol/flower_objects.py",
        "server/host/superlink_control.py",
        "server/host/superlink.py",
        "client/gateway/fleet_api.py",
        "common/simulation/inline.py",
        "common/simulation/ray.py",
    ),
    "pydicom": (
        "client/dicom/*",
        "client/deidentify/*",
        "client/intake/*",
        "common/simulation/phantoms/write.py",
    ),
    "nibabel": ("client/readers/nifti.py", "client/ingest/convert_nifti.py"),
    "PIL": (
        "client/readers/raster.py",
        "client/ingest/convert_raster.py",
        "common/simulation/phantoms/write.py",
    ),
    "numba": ("server/aggregation/weighted_sum.py", "server/aggregation/kernels.py"),
    "ray": ("common/simulation/ray.py",),
    "torch": (
        "client/*",
        "common/tasks/*",
        "common/models/*",
        "common/transforms/*",
        "common/sample.py",
        "common/networks.py",
        "common/cli/rehearsal.py",
        "common/cli/main.py",
        "common/simulation/run.py",
        "server/evaluate.py",
    ),
    "monai": ("client/*", "common/tasks/*", "common/models/*", "common/transforms/*"),
    "grpc": ("client/*",),
    "socket": (
        "client/gateway/connection.py",
        "client/gateway/diagnosis.py",
        "client/view/processes.py",
        "client/view/http_server.py",
        "server/host/notify.py",
        "server/host/supervisor.py",
    ),
    "common.simulation": ("client/virtual_site.py", "common/cli/main.py", "common/simulation/*"),
    "client.virtual_site": ("client/app.py",),
    "pickle": (),
    "random": (),
}
"""Library, or module of the house: the only files that may import it (``*`` also matches ``/``)."""

BY_NAME = {
    "common/cli/main.py": ("server", "client"),
    "common/study/plugins.py": ("",),
    "common/cli/study_commands.py": ("client",),
    "client/readers/_registry.py": ("client",),
    "common/simulation/run.py": ("server", "client", "common", "torch", ""),
}
"""The files that may import by a name in a text, and the first words of those names ("": a name made up while running)."""


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """``(line, dotted name)`` of every import; for ``from a import b`` that is ``a.b``; relative ones start with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                (node.lineno, "." * node.level + f"{node.module or ''}.{alias.name}")
                for alias in node.names
            )


def by_name(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """``(line, name)`` of every import through a function; the name is empty where it is not written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            if called in ("import_module", "__import__", "run_path", "run_module", "exec_module"):
                yield node.lineno, beginning(node.args[0]) if node.args else ""


def beginning(node: ast.expr) -> str:
    """What is written out of a text, from its first letter on: ``"a.b"`` and ``f"a.{x}"`` both begin with a."""
    if isinstance(node, ast.JoinedStr):
        return beginning(node.values[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def violations(house: Path) -> Iterator[str]:
    """One sentence for each import that the table forbids."""
    for room in ROOMS:
        for path in sorted((house / room).rglob("*.py")):
            file = path.relative_to(house).as_posix()
            tree = ast.parse(path.read_text("utf-8"))
            for line, name in imports(tree):
                reason = forbidden(room, file, name)
                if reason:
                    yield f"{file}:{line} imports {name}: {reason}"
            for line, name in by_name(tree):
                if file not in BY_NAME or name.split(".")[0] not in BY_NAME[file]:
                    yield f"{file}:{line} imports {name or 'a name made up while running'} through a function"


def forbidden(room: str, file: str, name: str) -> str:
    """Why this file may not import this name; empty if it may."""
    top = name.split(".", maxsplit=1)[0]
    if name.startswith("."):
        return "relative imports hide the room"
    if name.endswith(".*"):
        return "import * hides what is used"
    if top in (*ROOMS, "tests", "deploy") and top not in MAY_ENTER[room]:
        return f"{room} does not enter {top}"
    for kept, files in KEPT_IN.items():
        if f"{name}.".startswith(f"{kept}.") and not any(
            fnmatch(file, pattern) for pattern in files
        ):
            return f"{kept} is kept in {', '.join(files) or 'no file'}"
    return ""


def test_every_import_is_allowed() -> None:
    assert list(violations(HOUSE)) == []


def test_there_is_something_to_read() -> None:
    """The test above is not green because it looked in the wrong place."""
    files = {room: list((HOUSE / room).rglob("*.py")) for room in ROOMS}
    assert all(files.values())
    read = {
        name.split(".")[0]
        for room in ROOMS
        for path in files[room]
        for _, name in imports(ast.parse(path.read_text("utf-8")))
    }
    assert {"common", "server", "client", "torch", "flwr"} <= read


def test_the_table_names_files_that_exist() -> None:
    """A renamed file must take its entry along."""
    listed = {pattern for patterns in KEPT_IN.values() for pattern in patterns} | set(BY_NAME)
    assert sorted(pattern for pattern in listed if not any(HOUSE.glob(pattern))) == []


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("server/x.py", "import client.site", "server does not enter client"),
        ("server/x.py", "from client import site", "server does not enter client"),
        ("client/ingest/x.py", "from server.rounds import run", "client does not enter server"),
        ("common/x.py", "import server", "common does not enter server"),
        (
            "common/tasks/x.py",
            "def f():\n    from client.dataset.loader import load",
            "common does not enter client",
        ),
        ("common/x.py", "from tests import test_doors", "common does not enter tests"),
        ("server/rounds.py", "from flwr.app import Message", "flwr is kept in server/app.py"),
        ("client/training/local_training.py", "import flwr", "flwr is kept in"),
        ("common/simulation/inline.py", "import pydicom", "pydicom is kept in client/dicom/*"),
        ("server/x.py", "import nibabel as nib", "nibabel is kept in client/readers/nifti.py"),
        ("common/x.py", "from PIL import Image", "PIL is kept in"),
        ("server/rounds.py", "import torch", "torch is kept in"),
        ("common/protocol/flower_records.py", "from torch import Tensor", "torch is kept in"),
        ("server/report/report.py", "if True:\n    import torch.nn as nn", "torch is kept in"),
        ("client/x.py", "import numba", "numba is kept in server/aggregation/weighted_sum.py"),
        ("common/x.py", "import socket", "socket is kept in client/gateway/connection.py"),
        (
            "client/site.py",
            "from common.simulation import consortium",
            "common.simulation is kept in client/virtual_site.py",
        ),
        (
            "server/x.py",
            "import common.simulation.run",
            "common.simulation is kept in client/virtual_site.py",
        ),
        (
            "client/worker/process.py",
            "from client import virtual_site",
            "client.virtual_site is kept in client/app.py",
        ),
        ("client/x.py", "import pickle", "pickle is kept in no file"),
        ("common/x.py", "from random import random", "random is kept in no file"),
        ("server/x.py", "from . import rounds", "relative imports hide the room"),
        ("server/x.py", "from .rounds import run", "relative imports hide the room"),
        ("common/x.py", "from common.errors import *", "import * hides what is used"),
        (
            "server/x.py",
            "import importlib\nimportlib.import_module('client.site')",
            "imports client.site through a function",
        ),
        (
            "common/x.py",
            "from importlib import import_module\nimport_module(name)",
            "made up while running through a function",
        ),
        (
            "client/readers/_registry.py",
            "import importlib\nimportlib.import_module(f'server.{name}')",
            "imports server. through a function",
        ),
        ("client/x.py", "__import__('server')", "imports server through a function"),
    ],
)
def test_a_planted_violation_is_caught(tmp_path: Path, file: str, line: str, words: str) -> None:
    plant(tmp_path, file, line)
    [found] = violations(tmp_path)
    assert words in found
    assert found.startswith(f"{file}:")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (
            "server/app.py",
            "from flwr.app import Context\nfrom server import rounds\nfrom common import study",
        ),
        (
            "client/readers/dicom/opening.py",
            "import pydicom\nimport torch\nfrom client.readers import Scan",
        ),
        (
            "common/tasks/segmentation.py",
            "import torch\nfrom monai.losses import DiceLoss\nfrom common.sample import Batch",
        ),
        (
            "common/simulation/run.py",
            "import importlib\nimportlib.import_module('client.worker.worker')",
        ),
        ("common/x.py", "import json, flwrx\nfrom torchlike import a"),
        ("client/app.py", "from client import virtual_site\nfrom client.virtual_sites import a"),
        ("common/simulation/run.py", "from common import simulations"),
    ],
)
def test_an_allowed_import_is_not_caught(tmp_path: Path, file: str, line: str) -> None:
    plant(tmp_path, file, line)
    assert list(violations(tmp_path)) == []


def plant(house: Path, file: str, text: str) -> None:
    (house / file).parent.mkdir(parents=True)
    (house / file).write_text(text + "\n", "utf-8")
