"""The worker as a real process in its sandbox.

It answers studies and can be stopped at any moment.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from client.isolation import landlock
from client.isolation.ipc import IpcError, WorkerClient
from common import networks
from common.protocol import envelopes
from common.protocol.envelopes import Envelope, Question, Reply
from common.study import study as studies
from tests import small
from tests.patience import patient, until

HOUSE = Path(__file__).resolve().parents[3]
WORKER = """
import errno, os, signal, socket, sys, threading, time
from pathlib import Path
from client.worker import process
from client.policy.policy import OPEN
from client.virtual_site import VirtualSite
home, data, how = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
def tells(text, vector):
    if text == "slow":
        (home / "logs" / "worker" / "slow").touch()
        threading.Event().wait()
    if text == "kept":
        scratch, cache = (Path(os.environ[name]) for name in ("TMPDIR", "NUMBA_CACHE_DIR"))
        for folder in (home / "worker" / "state", scratch, cache.parent):
            (folder / "x").write_text("x")
    if text == "out":
        text = ""
        for made in (socket.socket, lambda: socket.socket(socket.AF_UNIX)):
            try:
                made()
            except OSError as error:
                text += errno.errorcode[error.errno]
        link = home / "run" / "link"
        try:
            link.symlink_to(home)
        except OSError as error:
            text += errno.errorcode[error.errno]
    if text == "data":
        (data / "x").write_text("x")
    return text, vector
rest = {"resident": True, "keeps_record": False, "counts_days": False}
site = VirtualSite("north", (data,), home / "worker" / "state", "cpu", policy=OPEN, **rest)
log = lambda text: print(text, flush=True)
handler = None if how == "hospital" else tells
process.run(site, home, home / "run" / "worker.sock", log, True, stop, handler, threads=3)
print([name for name in ("flwr", "httpx", "ray") if name in sys.modules])
"""
pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel offers no Landlock")


@pytest.fixture
def home() -> Iterator[Path]:
    """A short path: that of a socket may have 107 bytes."""
    path = Path(tempfile.mkdtemp())
    for name in ("run", "logs", "logs/worker"):
        (path / name).mkdir(mode=0o700)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small.hospital(tmp_path / "data")


@pytest.fixture
def started(
    home: Path, data: Path, request: pytest.FixtureRequest
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WORKER, str(home), str(data), request.param]
    process = subprocess.Popen(
        command,
        cwd=HOUSE,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    yield process
    if process.poll() is None:
        process.kill()
        process.communicate()


HOSPITAL, OWN = (
    pytest.mark.parametrize("started", [handler], indirect=True) for handler in ("hospital", "own")
)


def ended(process: subprocess.Popen[str]) -> list[str]:
    process.send_signal(signal.SIGTERM)
    output = process.communicate()[0].splitlines()
    assert process.returncode == 0, output
    return output


@HOSPITAL
def test_a_whole_study_is_answered_inside_the_sandbox(
    started: subprocess.Popen[str], home: Path, data: Path, tmp_path: Path
) -> None:
    study = studies.read(small.study(tmp_path / "study.toml"))
    table = study.to_table()
    start = networks.build(study)
    layout = networks.layout(start).digest
    weights = networks.pack(start)
    gateway = WorkerClient(home / "run" / "worker.sock", patience=patient(60))

    def ask(question: Question) -> Reply:
        envelope = envelopes.write_question(question)
        reply = envelopes.read_reply(
            Envelope.received(*gateway.ask(envelope.text, envelope.vector))
        )
        assert reply.fault == "", (home / "worker" / "state" / "site.log").read_text()
        return reply

    assert ask(Question("join", table)).values["train"] > 0
    update = ask(Question("train", table, 1, layout, weights))
    assert (
        update.delta is not None
        and update.delta.size == weights.size
        and np.abs(update.delta).max() > 0
    )
    scored = ask(Question("evaluate", table, 1, layout, weights, {"part": "test"})).values
    assert "dice" in str(scored) and scored["compute"]["threads"] == 3
    log = ended(started)
    assert log[0].startswith("wall: no network") and log[1].startswith("wall: only files named")
    assert log[-2:] == ["worker stopped", "[]"] and not (home / "run" / "worker.sock").exists()


@HOSPITAL
def test_a_hostile_envelope_is_answered_with_a_fault(
    started: subprocess.Popen[str], home: Path
) -> None:
    gateway = WorkerClient(home / "run" / "worker.sock", patience=patient(60))
    for text, vector in (
        ("no json", None),
        ("{}", None),
        ('{"version":1,"kind":"train"}', b"abc"),
        ("{}", b""),
    ):
        assert envelopes.read_reply(Envelope.received(*gateway.ask(text, vector))).fault
    ended(started)


@OWN
def test_while_it_answers_it_opens_no_socket_and_links_nothing_in_the_socket_s_folder(
    started: subprocess.Popen[str], home: Path
) -> None:
    gateway = WorkerClient(home / "run" / "worker.sock", patience=patient(60))
    assert gateway.ask("out", None)[0] == "EACCES" * 3
    assert gateway.ask("again", None) == ("again", None)
    assert "wall: no new sockets: seccomp refuses socket, bind and listen" in ended(started)


@OWN
def test_it_keeps_files_in_its_own_folders_only(started: subprocess.Popen[str], home: Path) -> None:
    gateway = WorkerClient(home / "run" / "worker.sock", patience=patient(60))
    assert gateway.ask("kept", None) == ("kept", None)
    with pytest.raises(IpcError):
        gateway.ask("data", None)
    assert "PermissionError" in "".join(ended(started))


@OWN
def test_it_is_stopped_in_the_middle_of_an_answer(
    started: subprocess.Popen[str], home: Path
) -> None:
    sentences: list[str] = []

    def ask() -> None:
        try:
            WorkerClient(home / "run" / "worker.sock", patience=patient(60)).ask("slow", None)
        except IpcError as error:
            sentences.append(error.public)

    asking = threading.Thread(target=ask)
    asking.start()
    until((home / "logs" / "worker" / "slow").exists)
    assert ended(started)[-1] == "worker stops in the middle of an answer, which is abandoned"
    asking.join()
    assert (
        "stopped during the answer" in sentences[0] and not (home / "run" / "worker.sock").exists()
    )


@OWN
def test_what_a_killed_worker_left_in_its_temporary_folder_is_removed(
    started: subprocess.Popen[str], home: Path, data: Path
) -> None:
    gateway = WorkerClient(home / "run" / "worker.sock", patience=patient(60))
    gateway.ask("kept", None)
    started.kill()
    started.wait()
    assert (home / "worker" / "tmp" / "x").exists()
    command = [sys.executable, "-c", WORKER, str(home), str(data), "own"]
    with subprocess.Popen(command, cwd=HOUSE, text=True, stdout=subprocess.PIPE) as again:
        assert gateway.ask("x", None) == ("x", None)
        assert (
            not (home / "worker" / "tmp" / "x").exists()
            and (home / "worker" / "state" / "x").exists()
        )
        ended(again)
