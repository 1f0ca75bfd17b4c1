"""The process of a run at a real SuperLink, which stops the run, or is killed.

An end with a name, told from a person's word to stop.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.study import toml
from server.commands.provision import provision
from server.host import superlink_process
from server.host.server_home import ServerHome
from server.host.superlink import Address, Queue
from server.host.superlink_control import RunState
from server.host.superlink_retry import PATIENCE as LINK_PATIENCE
from server.host.superlink_retry import RunOverError
from tests import small
from tests.patience import until
from tests.ports import free_ports

HOUSE = Path(__file__).resolve().parents[3]
PATIENCE = 3.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HOUSE), "OMP_NUM_THREADS": "1"}


@dataclass
class Scene:
    """A SuperLink of our own and the coordinator's folder that it belongs to."""

    home: ServerHome
    link: subprocess.Popen[bytes]

    @property
    def address(self) -> Address:
        return Address(self.home.superlink, self.home.authority)

    def secret(self) -> bytes:
        return (self.home.path / "superexec.secret").read_bytes().strip()

    def state(self, run_id: int) -> RunState:
        with self.home.control() as control:
            return control.runs()[run_id]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("link")
    port, link_port = free_ports(2)
    table = {
        "name": "trial",
        "address": "localhost",
        "port": port,
        "link_port": link_port,
        "sites": ["north"],
    }
    (folder / "c.toml").write_text(toml.dumps(table))
    provision(folder / "c.toml", folder / "home", datetime.now(UTC))
    home = ServerHome.open(folder / "home")
    for part in (home.runs, home.run, home.logs):
        part.mkdir()
    with superlink_process.running(home, threading.Event(), LINK_PATIENCE) as link:
        yield Scene(home, link)


@dataclass
class Running:
    """The process of a run that waits for its hospitals."""

    run_id: int
    folder: Path
    process: subprocess.Popen[bytes]

    def ended(self) -> tuple[int, list[str]]:
        """Exit code, and every line that it wrote."""
        until(lambda: self.process.poll() is not None, "the run's process does not end", 120)
        return self.process.returncode, self.output().splitlines()

    def output(self) -> str:
        return (self.folder / "log").read_text("utf-8")


@contextmanager
def running(scene: Scene, name: str) -> Iterator[Running]:
    """Submit a run and become its ServerApp, as the server host does it."""
    folder = scene.home.runs / name
    folder.mkdir()
    study = small.study(folder / "submitted.toml")
    request = {
        "study": str(study),
        "out": str(folder),
        "engine": "deployed",
        "run": name,
        "expected": 1,
    }
    (folder / "order.json").write_text(json.dumps(request))
    with scene.home.control() as control:
        run_id = control.submit(name)
    queue = Queue(scene.address, scene.secret())
    token = until(queue.take, "the run does not come").token
    queue.close()
    link = {
        "superlink": scene.home.superlink,
        "authority": str(scene.home.authority),
        "token": token,
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.host.run_process"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            cwd=HOUSE,
        )
    assert process.stdin is not None
    process.stdin.write(
        json.dumps({**link, "home": str(scene.home.path), "patience": PATIENCE}).encode()
    )
    process.stdin.close()
    run = Running(run_id, folder, process)
    try:
        until(
            lambda: "0 of 1" in run.output() or process.poll() is not None,
            "the run does not wait for hospitals",
            120,
        )
        assert process.poll() is None, run.output()
        yield run
    finally:
        process.kill()
        process.wait()


def test_another_secret_is_refused_in_one_sentence(scene: Scene) -> None:
    queue = Queue(scene.address, b"0" * 64)
    with pytest.raises(RunOverError, match=r"does not accept the secret in superexec\.secret"):
        queue.take()
    queue.close()


def test_a_person_s_word_ends_the_run_as_stopped(scene: Scene) -> None:
    with running(scene, "first") as run:
        assert (run.folder / "pid").read_text().strip() == str(run.process.pid)
        run.process.send_signal(signal.SIGTERM)
        code, lines = run.ended()
    assert code == 1 and "Traceback" not in "".join(lines)
    state = scene.state(run.run_id)
    assert (state.status, state.outcome, state.details) == (
        "finished",
        "stopped",
        "stopped by the coordinator",
    )


def test_ctrl_c_and_the_server_s_own_word_after_it_are_one_stop(scene: Scene) -> None:
    """At a terminal both reach the run; the second one comes while it writes down how it ended."""
    with running(scene, "terminal") as run:
        for number in (signal.SIGINT, *[signal.SIGTERM] * 3):
            run.process.send_signal(number)
        code, lines = run.ended()
    assert code == 1 and not (run.folder / "pid").exists()
    assert "Traceback" not in "".join(lines) and "KeyboardInterrupt" not in "".join(lines)
    assert scene.state(run.run_id).outcome == "stopped"


def test_a_run_that_was_stopped_at_the_superlink_says_so(scene: Scene) -> None:
    with running(scene, "second") as run:
        with scene.home.control() as control:
            assert control.stop(run.run_id)
        code, lines = run.ended()
    assert code == 1 and not (run.folder / "pid").exists()
    assert lines[-1].startswith(
        "RunOverError: The SuperLink takes no more of this run: it was stopped there"
    )
    assert "Traceback" not in "".join(lines) and "KeyboardInterrupt" not in "".join(lines)


def test_a_killed_superlink_ends_the_run_after_its_patience(scene: Scene) -> None:
    """The last test of this SuperLink."""
    with running(scene, "third") as run:
        scene.link.kill()
        scene.link.wait()
        code, lines = run.ended()
    assert code == 1 and not (run.folder / "pid").exists()
    assert lines[-1].startswith("SilentError: The SuperLink has not answered for ")
    assert "Traceback" not in "".join(lines) and "KeyboardInterrupt" not in "".join(lines)
    queue = Queue(scene.address, scene.secret())
    assert (
        queue.take() is None
    )  # the server host looks again, and sees that the SuperLink has ended
    queue.close()
