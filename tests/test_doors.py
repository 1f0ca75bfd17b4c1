"""Which folder may import what: the trust boundaries of the house as a table.

Held by reading every file's imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
SIDES = ("server", "client", "common")

STUDY = (
    "common/*.py",
    "common/sentences",
    "common/study",
    "common/targets",
    "common/tasks",
    "common/models",
    "common/transforms",
)
"""What a study names and what it is made of."""

DOORS: dict[str, tuple[str, ...]] = {
    # the hospital
    "client": (
        "client/policy",
        "client/worker",
        "common/*.py",
        "common/sentences",
        "common/protocol",
        "common/secagg/primitives.py",
        "common/storage",
        "common/study",
        "common/trust",
    ),
    "client/virtual_site.py": (
        "client/*.py",
        "client/policy",
        "common/*.py",
        "common/sentences",
        "common/protocol",
        "common/simulation",
        "common/study",
        "common/trust",
    ),
    "client/audit": (
        "client/*.py",
        "common/*.py",
        "common/sentences",
        "common/storage",
        "common/trust",
    ),
    "client/commands": (
        "client",
        "common/*.py",
        "common/sentences",
        "common/cli",
        "common/storage",
        "common/study",
        "common/trust",
    ),
    "client/commands/arguments": ("common/cli",),
    "client/dataset": ("client/readers", "client/targets", *STUDY),
    "client/deidentify": (
        "client/readers/dicom",
        "common/*.py",
        "common/sentences",
        "common/secagg",
        "common/storage",
    ),
    "client/gateway": (
        "client/site_settings.py",
        "client/isolation",
        "common/errors.py",
        "common/plain_text.py",
        "common/sentences",
        "common/environment.py",
        "common/update.py",
        "common/protocol",
        "common/study",
    ),
    "client/ingest": (
        "client/dataset",
        "client/deidentify",
        "client/readers",
        "common/*.py",
        "common/sentences",
        "common/storage",
        "common/study",
    ),
    "client/ingest/readiness": (
        "client/dataset",
        "client/deidentify",
        "client/ingest",
        "client/readers",
        "client/targets",
        "client/training",
        "common/*.py",
        "common/sentences",
        "common/checks.py",
        "common/study",
        "common/tasks",
    ),
    "client/isolation": (
        "client/*.py",
        "common/*.py",
        "common/sentences",
        "common/storage",
        "common/trust",
    ),
    "client/policy": (
        "client/*.py",
        "common/*.py",
        "common/sentences",
        "common/storage",
        "common/study",
        "common/trust",
    ),
    "client/readers": ("common/*.py", "common/sentences", "common/study"),
    "client/readers/dicom": ("client/readers", "common/*.py", "common/sentences"),
    "client/secagg": (
        "client/*.py",
        "client/audit",
        "common/*.py",
        "common/sentences",
        "common/privacy",
        "common/protocol",
        "common/secagg",
        "common/storage",
        "common/study",
    ),
    "client/targets": ("client/dataset", "client/readers", *STUDY),
    "client/training": (
        "client/*.py",
        "client/dataset",
        "common/storage",
        "common/strategies",
        *STUDY,
    ),
    "client/view": (
        "client/*.py",
        "client/audit",
        "client/policy",
        "common/*.py",
        "common/sentences",
        "common/storage",
        "common/study",
    ),
    "client/worker": (
        "client/*.py",
        "client/audit",
        "client/dataset",
        "client/isolation",
        "client/policy",
        "client/secagg",
        "client/training",
        "common/privacy",
        "common/protocol",
        "common/secagg",
        "common/storage",
        "common/trust",
        *STUDY,
    ),
    # what both sides agree on
    "common": STUDY,
    "common/cli": ("common/simulation", "common/trust", *STUDY),
    "common/models": ("common/*.py", "common/sentences", "common/study", "common/tasks"),
    "common/privacy": (
        "common/*.py",
        "common/sentences",
        "common/protocol",
        "common/secagg",
        "common/study",
    ),
    "common/protocol": ("common/*.py", "common/sentences", "common/secagg", "common/study"),
    "common/secagg": ("common/errors.py", "common/sentences", "common/update.py"),
    "common/simulation": (
        "common/*.py",
        "common/sentences",
        "common/storage",
        "common/study",
        "common/trust",
    ),
    "common/simulation/phantoms": ("common/*.py", "common/storage"),
    "common/storage": ("common/*.py", "common/sentences"),
    "common/strategies": ("common/*.py", "common/sentences", "common/study"),
    "common/sentences": (),
    "common/study": ("common/errors.py", "common/sentences"),
    "common/targets": ("common/*.py", "common/sentences", "common/study"),
    "common/tasks": ("common/*.py", "common/sentences", "common/study", "common/targets"),
    "common/transforms": ("common/*.py", "common/sentences", "common/study", "common/targets"),
    "common/trust": (
        "common/*.py",
        "common/sentences",
        "common/secagg/primitives.py",
        "common/study",
    ),
    # the coordinator
    "server": (
        "server/aggregation",
        "server/report",
        "common/*.py",
        "common/sentences",
        "common/privacy",
        "common/protocol",
        "common/secagg",
        "common/storage",
        "common/strategies",
        "common/study",
        "common/trust",
    ),
    "server/aggregation": (
        "server/participants.py",
        "server/transport.py",
        "common/*.py",
        "common/sentences",
        "common/privacy",
        "common/protocol",
        "common/secagg",
        "common/study",
        "common/trust",
    ),
    "server/commands": (
        "server",
        "common/*.py",
        "common/sentences",
        "common/cli",
        "common/storage",
        "common/study",
        "common/trust",
    ),
    "server/host": (
        "server/*.py",
        "common/*.py",
        "common/sentences",
        "common/protocol",
        "common/storage",
        "common/study",
        "common/trust",
    ),
    "server/report": (
        "server/checkpoint.py",
        "server/evaluate.py",
        "server/participants.py",
        "server/round_record.py",
        "common/*.py",
        "common/sentences",
        "common/protocol",
        "common/secagg",
        "common/storage",
        "common/study",
    ),
    "server/report/drawing": ("server/report/wording.py", "common/*.py"),
}
"""Folders and files that a folder may import besides itself.

A row holds for what lies below it, unless that has a row of its own.
"""

_OTHER_MACHINES = ("socket", "ssl", "http", "urllib.request", "httpx", "grpc", "flwr")

OUT_OF_REACH: dict[str, tuple[str, ...]] = {
    "client/gateway": (
        "client/worker",
        "client/dataset",
        "client/readers",
        "client/training",
        "client/secagg",
        "client/ingest",
        "client/deidentify",
        "torch",
        "monai",
        "pydicom",
        "nibabel",
        "PIL",
        "grpc_tools",
        "numba",
    ),
    "client/worker": (
        "client/gateway",
        "httpx",
        "requests",
        "urllib.request",
        "http",
        "ssl",
        "server",
    ),
    "client/dataset": (
        "client/gateway",
        "client/worker",
        "client/isolation",
        "common/protocol",
        "httpx",
        "http",
        "grpc",
        "subprocess",
    ),
    "client/readers": (
        "client/gateway",
        "client/worker",
        "common/protocol",
        "httpx",
        "http",
        "grpc",
        "subprocess",
    ),
    "client/deidentify": (
        "client/gateway",
        "client/worker",
        "common/protocol",
        "httpx",
        "http",
        "grpc",
        "subprocess",
    ),
    "client/training": (
        "client/gateway",
        "client/worker",
        "client/secagg",
        "httpx",
        "http",
        "grpc",
        "subprocess",
    ),
    "client/view": (
        "client/gateway",
        "client/worker",
        "client/dataset",
        "client/readers",
        "torch",
        "httpx",
        "grpc",
    ),
    "client/policy": _OTHER_MACHINES,
    "client/ingest": _OTHER_MACHINES,
    "client/audit": _OTHER_MACHINES,
    "common/sentences": (*_OTHER_MACHINES, "os", "pathlib", "client", "server"),
    "common/protocol": ("socket", "httpx", "http", "torch", "client", "server"),
    "common/secagg": (
        "torch",
        "flwr",
        "socket",
        "os",
        "pathlib",
        "time",
        "datetime",
        "secrets",
        "client",
        "server",
    ),
    "server": ("client", "pydicom", "nibabel", "PIL"),
}
"""Folder: what none of its files reaches, not even through other files that it imports."""

NETWORK = (
    "aiohttp",
    "asyncio",
    "ftplib",
    "imaplib",
    "multiprocessing.connection",
    "nntplib",
    "poplib",
    "requests",
    "smtplib",
    "telnetlib",
    "urllib3",
    "websockets",
    "xmlrpc",
)
"""Ways to another machine that nothing here takes."""

KEPT_IN: dict[str, tuple[str, ...]] = {
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
        "client/readers/dicom/*",
        "client/deidentify/*",
        "client/ingest/*",
        "common/simulation/phantoms/ct_image.py",
    ),
    "nibabel": ("client/readers/nifti.py", "client/ingest/convert_nifti.py"),
    "PIL": (
        "client/readers/raster.py",
        "client/ingest/convert_raster.py",
        "common/simulation/phantoms/write.py",
    ),
    "numba": ("server/aggregation/*",),
    "ray": ("common/simulation/ray.py",),
    "torch": (
        "client/dataset/*",
        "client/targets/*",
        "client/training/*",
        "client/ingest/readiness/*",
        "client/commands/site_doctor.py",
        "common/tasks/*",
        "common/models/*",
        "common/transforms/*",
        "common/targets/*",
        "common/sample.py",
        "common/networks.py",
        "common/cli/rehearsal.py",
        "common/cli/run_commands.py",
        "common/simulation/run.py",
        "server/evaluate.py",
    ),
    "monai": ("common/tasks/*", "common/models/*"),
    "grpc": ("client/isolation/ipc.py",),
    "httpx": (
        "client/gateway/*",
        "client/commands/enrol.py",
        "client/commands/site_doctor.py",
        "server/host/superlink_control.py",
        "server/host/superlink.py",
        "server/host/superlink_retry.py",
    ),
    "cryptography": (
        "common/trust/*",
        "common/secagg/primitives.py",
        "client/identity.py",
        "client/audit/proofs.py",
        "client/gateway/fleet_api.py",
    ),
    "subprocess": (
        "client/commands/*",
        "server/commands/server_doctor.py",
        "server/host/proxy.py",
        "server/host/superlink_process.py",
        "server/host/supervisor.py",
    ),
    "socketserver": ("common/http_server.py",),
    "http.server": ("common/http_server.py",),
    "http.client": ("server/host/notify.py",),
    "ssl": ("client/gateway/connection.py", "client/gateway/diagnosis.py"),
    "urllib.request": ("client/gateway/diagnosis.py",),
    **dict.fromkeys(NETWORK, ()),
    "ctypes": (
        "client/isolation/kernel.py",
        "client/isolation/landlock.py",
        "client/isolation/seccomp.py",
        "common/storage/atomic_folder.py",
    ),
    "fcntl": ("common/storage/files.py", "client/isolation/ipc.py", "server/host/enrolment.py"),
    "socket": (
        "client/gateway/connection.py",
        "client/gateway/diagnosis.py",
        "client/view/processes.py",
        "client/view/page_server.py",
        "server/host/notify.py",
        "server/host/supervisor.py",
    ),
    "common.simulation": (
        "client/virtual_site.py",
        "common/cli/run_commands.py",
        "common/simulation/*",
    ),
    "client.virtual_site": ("client/app.py",),
    "pickle": (),
    "random": (),
}
"""Library, or module of the house: the only files that may import it (``*`` also matches ``/``)."""

BY_NAME = {
    "common/cli/main.py": ("server", "client"),
    "common/cli/arguments.py": ("",),
    "common/study/plugins.py": ("",),
    "common/cli/study_commands.py": ("client",),
    "client/readers/_registry.py": ("client",),
    "common/simulation/run.py": ("server", "client", "common", "torch", ""),
}
"""The files that may import by a name in a text, and the first words of those names.

"" stands for a name made up while running.
"""


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """``(line, dotted name)`` of every import.

    For ``from a import b`` that is ``a.b``; relative ones start with a dot.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                (node.lineno, "." * node.level + f"{node.module or ''}.{alias.name}")
                for alias in node.names
            )


def by_name(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """``(line, name)`` of every import through a function.

    The name is empty where it is not written out.
    """
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
    """What is written out of a text, from its first letter on.

    ``"a.b"`` and ``f"a.{x}"`` both begin with a.
    """
    if isinstance(node, ast.JoinedStr):
        return beginning(node.values[0])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def violations(house: Path) -> Iterator[str]:
    """One sentence for each import that the table forbids."""
    for side in SIDES:
        for path in sorted((house / side).rglob("*.py")):
            file = path.relative_to(house).as_posix()
            tree = ast.parse(path.read_text("utf-8"))
            for line, name in imports(tree):
                reason = forbidden(side, file, name)
                if reason:
                    yield f"{file}:{line} imports {name}: {reason}"
            for line, name in by_name(tree):
                if file not in BY_NAME or name.split(".")[0] not in BY_NAME[file]:
                    target = name or "a name made up while running"
                    yield f"{file}:{line} imports {target} through a function"


def forbidden(side: str, file: str, name: str) -> str:
    """Why this file may not import this name; empty if it may."""
    top = name.split(".", maxsplit=1)[0]
    if name.startswith("."):
        return "relative imports hide the folder"
    if name.endswith(".*"):
        return "import * hides what is used"
    if top in (*SIDES, "tests", "deploy") and (reason := not_entered(file, name.replace(".", "/"))):
        return reason
    for kept, files in KEPT_IN.items():
        if f"{name}.".startswith(f"{kept}.") and not any(
            fnmatch(file, pattern) for pattern in files
        ):
            return f"{kept} is kept in {', '.join(files) or 'no file'}"
    return ""


def not_entered(file: str, target: str) -> str:
    """Why a file may not import what lies at ``target``; empty if it may.

    A target is ``folder/module/name`` or less.
    """
    folder = row(file)
    if within(target, folder) or any(within(target, door) for door in DOORS[folder]):
        return ""
    return f"{folder} does not enter {target}"


def row(file: str) -> str:
    """The row for a file: its own, else that of the innermost folder around it."""
    parts = file.split("/")
    return next(f for n in range(len(parts), 0, -1) if (f := "/".join(parts[:n])) in DOORS)


def within(target: str, door: str) -> bool:
    """Whether a door leads to a target.

    A door is a folder, a file, or the files of a folder: ``folder/*.py``.
    """
    if not door.endswith(".py"):
        return target == door or (target.startswith(f"{door}/") and not nested(target, door))
    folder, module = door.rsplit("/", 1)
    first = target.removeprefix(f"{folder}/").split("/")[0]
    if not target.startswith(f"{folder}/"):
        return target == folder
    return (module == "*.py" and f"{folder}/{first}" not in folders()) or first == module[:-3]


def nested(target: str, door: str) -> bool:
    """Whether a target lies in a folder with a row of its own that its side's row does not mean.

    The sides are client and server.
    """
    return door not in DOORS and any(
        target.startswith(f"{f}/") for f in DOORS if f.startswith(f"{door}/")
    )


@cache
def folders() -> frozenset[str]:
    """Every folder of the house."""
    return frozenset(
        path.relative_to(HOUSE).as_posix()
        for side in SIDES
        for path in (HOUSE / side).rglob("*")
        if path.is_dir()
    )


def reached(house: Path, start: str) -> dict[str, str]:
    """What the files of a folder import, also through other files.

    From a file or a library to the file through which it came.
    """
    waiting = [path.relative_to(house).as_posix() for path in sorted((house / start).rglob("*.py"))]
    seen = dict.fromkeys(waiting, start)
    while waiting:
        file = waiting.pop()
        for _, name in imports(ast.parse((house / file).read_text("utf-8"))):
            for target in targets(house, name):
                if target not in seen:
                    seen[target] = file
                    if target.endswith(".py"):
                        waiting.append(target)
    return seen


def targets(house: Path, name: str) -> Iterator[str]:
    """The files that an import loads, or the library's name.

    That is a module and the ``__init__`` of the folders above it.
    """
    parts = name.split(".")
    if parts[0] not in SIDES:
        yield from (".".join(parts[: n + 1]) for n in range(len(parts)))
        return
    for n in range(1, len(parts) + 1):
        stem = "/".join(parts[:n])
        yield from (f for f in (f"{stem}.py", f"{stem}/__init__.py") if (house / f).is_file())


ONE_DOOR = {
    "write_reply": ("client/worker/outbox.py", "common/protocol/envelopes.py"),
    "write_refusal": (
        "client/worker/outbox.py",
        "client/gateway/relay.py",
        "common/protocol/envelopes.py",
    ),
}
"""What makes an answer of a hospital: the only files that may name it."""


def other_doors(house: Path) -> Iterator[str]:
    """Every place besides :data:`ONE_DOOR` that names what makes an answer."""
    for side in ("client", "common"):
        for path in sorted((house / side).rglob("*.py")):
            file = path.relative_to(house).as_posix()
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = {getattr(node, field, None) for field in ("id", "attr", "name")}
                for name in names & ONE_DOOR.keys():
                    if file not in ONE_DOOR[name]:
                        yield f"{file} makes an answer with {name}"


def test_answers_are_made_at_one_door() -> None:
    assert list(other_doors(HOUSE)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from common.protocol import envelopes\nenvelopes.write_reply(1)",
        "from common.protocol.envelopes import write_reply",
        "from common.protocol import envelopes as e\nf = e.write_refusal",
    ],
)
def test_another_door_is_caught(tmp_path: Path, text: str) -> None:
    plant(tmp_path, "client/worker/handler.py", text)
    assert len(list(other_doors(tmp_path))) == 1


def test_secure_sums_draw_nothing() -> None:
    """Secrets come in as arguments; numpy, which is imported for arithmetic, could draw too."""
    drawing = [
        f"{path.name}:{node.lineno}"
        for path in (HOUSE / "common/secagg").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("random", "urandom", "default_rng")
    ]
    assert drawing == []


@pytest.mark.parametrize(("folder", "hidden"), OUT_OF_REACH.items())
def test_what_a_folder_must_not_reach_it_does_not_reach(
    folder: str, hidden: tuple[str, ...]
) -> None:
    files = reached(HOUSE, folder)
    bad = {
        target: through
        for target, through in files.items()
        if any(target == name or target.startswith(f"{name}/") for name in hidden)
    }
    assert bad == {}


def test_reach_goes_through_other_files(tmp_path: Path) -> None:
    plant(tmp_path, "client/gateway/relay.py", "from client import helper")
    (tmp_path / "client/helper.py").write_text("def f():\n    from torch import nn\n")
    files = reached(tmp_path, "client/gateway")
    assert files["torch"] == "client/helper.py"
    assert files["client/helper.py"] == "client/gateway/relay.py"


def test_every_folder_has_a_row_and_a_promise() -> None:
    with_code = {f for f in folders() if any((HOUSE / f).glob("*.py"))}
    assert with_code - set(DOORS) == set()
    for folder in sorted(with_code):
        promise = ast.get_docstring(ast.parse((HOUSE / folder / "__init__.py").read_text("utf-8")))
        assert promise, folder
        assert len(promise.splitlines()[0]) > 30, folder


def test_every_import_is_allowed() -> None:
    assert list(violations(HOUSE)) == []


def test_there_is_something_to_read() -> None:
    """The test above is not green because it looked in the wrong place."""
    files = {side: list((HOUSE / side).rglob("*.py")) for side in SIDES}
    assert all(files.values())
    read = {
        name.split(".")[0]
        for side in SIDES
        for path in files[side]
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
        (
            "client/gateway/x.py",
            "from client.worker import handler",
            "client/gateway does not enter client/worker",
        ),
        (
            "client/worker/x.py",
            "from client.gateway import relay",
            "client/worker does not enter client/gateway",
        ),
        ("client/gateway/x.py", "import torch", "torch is kept in"),
        ("client/worker/x.py", "import httpx", "httpx is kept in"),
        ("server/x.py", "from client import site", "server does not enter client"),
        (
            "client/ingest/x.py",
            "from server.rounds import run",
            "client/ingest does not enter server",
        ),
        ("common/x.py", "import server", "common does not enter server"),
        (
            "common/tasks/x.py",
            "def f():\n    from client.dataset.loader import load",
            "common/tasks does not enter client",
        ),
        ("common/x.py", "from tests import test_doors", "common does not enter tests"),
        ("server/rounds.py", "from flwr.app import Message", "flwr is kept in server/app.py"),
        ("client/training/local_training.py", "import flwr", "flwr is kept in"),
        (
            "common/simulation/inline.py",
            "import pydicom",
            "pydicom is kept in client/readers/dicom/*",
        ),
        ("server/x.py", "import nibabel as nib", "nibabel is kept in client/readers/nifti.py"),
        ("common/x.py", "from PIL import Image", "PIL is kept in"),
        ("server/rounds.py", "import torch", "torch is kept in"),
        ("common/protocol/flower_records.py", "from torch import Tensor", "torch is kept in"),
        ("server/report/report.py", "if True:\n    import torch.nn as nn", "torch is kept in"),
        ("client/x.py", "import numba", "numba is kept in server/aggregation/*"),
        ("common/x.py", "import socket", "socket is kept in client/gateway/connection.py"),
        (
            "client/site.py",
            "from common.simulation import consortium",
            "client does not enter common/simulation",
        ),
        (
            "server/x.py",
            "import common.simulation.run",
            "server does not enter common/simulation",
        ),
        (
            "client/worker/process.py",
            "from client import virtual_site",
            "client.virtual_site is kept in client/app.py",
        ),
        ("client/x.py", "import pickle", "pickle is kept in no file"),
        ("common/x.py", "from random import random", "random is kept in no file"),
        ("server/x.py", "from . import rounds", "relative imports hide the folder"),
        ("server/x.py", "from .rounds import run", "relative imports hide the folder"),
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
    [sentence] = violations(tmp_path)
    assert words in sentence
    assert sentence.startswith(f"{file}:")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (
            "server/app.py",
            "from flwr.app import Context\nfrom server import rounds\nfrom common import study",
        ),
        (
            "client/readers/dicom/opening.py",
            "import pydicom\nfrom client.readers import Scan",
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
