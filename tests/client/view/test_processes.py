"""Worker and gateway, as they look from outside."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.view import processes
from client.view.processes import GONE, RUNNING, UNKNOWN, Process
from tests.client.view import scene


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for a socket's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_processes_by_socket_and_command(short: Path) -> None:
    hospital, proc = scene.home(short / "home"), short / "proc"
    scene.process(proc, 1, "init")
    words = ("python", "-c", "x", "site", "start", "--home", hospital.path, "--only")
    assert [p.state for p in processes.look(hospital, proc)] == [GONE, GONE]
    scene.process(proc, 21, *words, "gateway")
    scene.process(proc, 22, *words, "worker")
    scene.process(
        proc, 23, "python", "site", "start", "--home", short / "another", "--only", "worker"
    )
    scene.process(proc, 24, "site", "start", "--home", hospital.path)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(hospital.socket))
        assert processes.look(hospital, proc)[0] == Process("worker", GONE, 22)
        door.listen()
        assert processes.look(hospital, proc) == (
            Process("worker", RUNNING, 22),
            Process("gateway", RUNNING, 21),
        )


def test_a_worker_in_another_container(short: Path) -> None:
    """The socket answers and no process is seen: the gateway is unknown as well."""
    hospital = scene.home(short / "home")
    scene.process(short / "proc", 1, "init")
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(hospital.socket))
        door.listen()
        assert [p.state for p in processes.look(hospital, short / "proc")] == [RUNNING, UNKNOWN]


def test_where_others_processes_are_hidden(short: Path) -> None:
    """proc(5), hidepid: the worker's user does not see whether the gateway's has a process."""
    hospital, proc = scene.home(short / "home"), short / "proc"
    scene.process(
        proc, 22, "consilium", "site", "start", f"--home={hospital.path}", "--only=worker"
    )
    assert processes.look(hospital, proc)[1].state == UNKNOWN
    scene.process(proc, 1, "init")
    assert processes.look(hospital, proc)[1].state == GONE
