"""Letters through the inner wall, and everything that can happen to either side on the way.

Real sockets; the worker is a process where it must die.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from client.isolation import framing, ipc
from client.isolation.ipc import IpcError, WorkerClient
from tests.patience import patient, until

HOUSE = Path(__file__).resolve().parents[3]
WORKER = """
import os, sys, threading, time
from pathlib import Path
from client.isolation import ipc
def answer(text, vector):
    if text == "die":
        os.kill(os.getpid(), 9)
    return text.upper(), vector
try:
    ipc.serve(Path(sys.argv[1]), answer, threading.Event(), print)
except ipc.IpcError as error:
    sys.exit(error.public)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: that of a socket may have 107 bytes."""
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


@contextmanager
def serving(
    socket: Path, answer: Any, log: Callable[[str], None] = lambda _: None
) -> Iterator[WorkerClient]:
    """A worker in a thread of this process."""
    stop = threading.Event()
    thread = threading.Thread(target=ipc.serve, args=(socket, answer, stop, log))
    thread.start()
    try:
        gateway = WorkerClient(socket)
        until(gateway.healthy)
        yield gateway
    finally:
        stop.set()
        thread.join()


def spawn(socket: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(socket)], cwd=HOUSE, text=True, stderr=subprocess.PIPE
    )


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def echo(text: str, vector: Any) -> tuple[str, Any]:
    return text[::-1], vector


@pytest.mark.parametrize("size", [0, 1, framing.FRAME, 5 * framing.FRAME + 3])
def test_text_and_vector_go_there_and_back(folder: Path, size: int) -> None:
    sent = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
    with serving(folder / "s", echo) as gateway:
        text, vector = gateway.ask("abc", sent)
        assert text == "cba" and vector is not None and np.array_equal(np.asarray(vector), sent)
        assert gateway.ask("ä", None) == ("ä", None)


def test_a_failing_answer_says_nothing_to_the_gateway_and_the_worker_lives_on(folder: Path) -> None:
    def answer(text: str, vector: Any) -> tuple[str, Any]:
        if text == "fail":
            raise ValueError("patient Miller")
        return "well", None

    log: list[str] = []
    with serving(folder / "s", answer, log.append) as gateway:
        with pytest.raises(IpcError) as caught:
            gateway.ask("fail", None)
        assert gateway.ask("again", None) == ("well", None)
    assert caught.value.public == "The hospital's worker failed; its own log says why."
    assert "Miller" not in caught.value.local and "Miller" in "".join(log)


@pytest.mark.parametrize(
    "answer",
    [
        lambda t, v: None,
        lambda t, v: (1, None),
        lambda t, v: ("x", "text"),
        lambda t, v: ("x" * (framing.LARGEST_TEXT + 1), None),
    ],
)
def test_an_answer_that_is_none_is_a_failure(folder: Path, answer: Any) -> None:
    with (
        serving(folder / "s", answer) as gateway,
        pytest.raises(IpcError, match="its own log says why"),
    ):
        gateway.ask("x", None)


def test_a_text_that_is_too_long_does_not_leave(folder: Path) -> None:
    with (
        serving(folder / "s", echo) as gateway,
        pytest.raises(IpcError, match="longer than the hospital's processes pass on"),
    ):
        gateway.ask("x" * (framing.LARGEST_TEXT + 1), None)


def raw(socket: Path, pieces: list[bytes]) -> list[bytes]:
    """What a gateway of somebody else's making might send."""
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"unix:{socket}", options=options) as channel:
        return list(channel.stream_stream("/consilium.Worker/Answer")(iter(pieces)))


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"Vabcd"],
        [b"Hx", b"N\4" + bytes(7), b"Vabcde"],
        [b"Hx", b"N\4" + bytes(7), b"Vabc"],
        [b"Hx", b"N" + b"\xff" * 8],
        [b"H" + bytes(framing.LARGEST_TEXT + 1)],
        [b"H\xff"],
    ],
)
def test_a_broken_envelope_never_reaches_the_answer_and_the_worker_lives_on(
    folder: Path, pieces: list[bytes]
) -> None:
    asked: list[str] = []

    def answer(text: str, vector: Any) -> tuple[str, Any]:
        asked.append(text)
        return text, vector

    with serving(folder / "s", answer) as gateway:
        with pytest.raises(grpc.RpcError) as caught:
            raw(folder / "s", pieces)
        assert caught.value.code() in (
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
        )
        assert raw(folder / "s", [b"Hok"]) == [
            b"Hok"
        ]  # the control: the same way in, a whole envelope
        assert gateway.ask("y", None) == ("y", None)
    assert asked == ["ok", "y"]


def test_a_broken_answer_is_refused_by_the_gateway(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(folder / "s", echo) as gateway:
        monkeypatch.setattr(
            framing, "cut", lambda text, vector: iter([b"Hx", b"N\4" + bytes(7), b"Vab"])
        )
        with pytest.raises(IpcError, match=r"broken message|broken answer"):
            gateway.ask("x", None)


def test_a_worker_killed_in_mid_answer_is_noticed_and_its_successor_found(folder: Path) -> None:
    socket = folder / "s"
    first = spawn(socket)
    gateway = WorkerClient(socket, patience=patient(60))
    try:
        assert gateway.ask("a", b"1234")[0] == "A"
        with pytest.raises(IpcError, match="stopped during the answer"):
            gateway.ask("die", None)
        assert first.wait() == -signal.SIGKILL and socket.is_socket()  # left behind
        second = spawn(socket)
        try:
            assert gateway.ask("b", None) == (
                "B",
                None,
            )  # waits for it, and the stale file is taken over
        finally:
            end(second)
    finally:
        end(first)


def test_a_second_worker_is_refused_in_one_sentence_and_the_first_stays(folder: Path) -> None:
    with serving(folder / "s", echo) as gateway:
        second = spawn(folder / "s")
        assert (
            "Another worker already listens" in second.communicate()[1] and second.returncode == 1
        )
        assert gateway.ask("ab", None) == ("ba", None)


def test_two_gateways_are_served_one_after_the_other_by_one_thread(folder: Path) -> None:
    inside = [0]
    most = [0]
    threads = set()
    waiting: list[str] = []
    got: list[tuple[str, Any]] = []

    def ask(text: str) -> None:
        waiting.append(text)
        got.append(WorkerClient(folder / "s").ask(text, None))

    def answer(text: str, vector: Any) -> tuple[str, Any]:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        threads.add(threading.get_ident())
        until(lambda: len(waiting) == 6)  # nobody is answered before all have asked
        inside[0] -= 1
        return text, vector

    with serving(folder / "s", answer):
        asking = [threading.Thread(target=ask, args=(str(i),)) for i in range(6)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
    assert sorted(text for text, _ in got) == list("012345") and most == [1] and len(threads) == 1


def test_a_deadline_ends_the_waiting_and_the_worker_takes_the_next_letter(folder: Path) -> None:
    go = threading.Event()

    def answer(text: str, vector: Any) -> tuple[str, Any]:
        if text == "slow":
            go.wait(patient(60))
        return text, vector

    with serving(folder / "s", answer) as gateway:
        with pytest.raises(IpcError, match=r"not answered within 0\.3 s"):
            gateway.ask("slow", None, 0.3)
        assert gateway.healthy()  # busy is not dead
        go.set()
        assert gateway.ask("next", None) == ("next", None)


def test_nobody_there(folder: Path) -> None:
    with pytest.raises(IpcError, match="folder of the worker's socket is missing"):
        WorkerClient(folder / "none" / "s").ask("x", None)
    with pytest.raises(IpcError, match="is not running") as caught:
        WorkerClient(folder / "s", patience=0.2).ask("x", None)
    assert str(folder) not in caught.value.public and str(folder) in caught.value.local
    (folder / "s").write_text("no socket")
    with pytest.raises(IpcError, match="is not running"):
        WorkerClient(folder / "s", patience=0.2).ask("x", None)
    assert not WorkerClient(folder / "s").healthy()


def test_where_no_worker_can_listen(folder: Path) -> None:
    def refused(socket: Path, words: str) -> None:
        with pytest.raises(IpcError, match=words):
            ipc.serve(socket, echo, threading.Event(), lambda _: None)

    refused(folder / "none" / "s", "is missing; make it first")
    refused(folder / ("x" * 108), "at most 107 are allowed")
    (folder / "d").mkdir()
    refused(folder / "d", "cannot be made")


def test_before_the_first_question_is_taken_the_socket_listens(folder: Path) -> None:
    """What has its turn in between can close the way to more sockets."""
    answered: list[str] = []

    def bound() -> None:
        with socket.socket(socket.AF_UNIX) as early:
            early.connect(str(folder / "s"))
        answered.append("bound")
        raise IpcError("worker.no_socket", "it was to end here")

    with pytest.raises(IpcError, match="cannot be made"):
        ipc.serve(folder / "s", echo, threading.Event(), lambda _: None, bound)
    assert answered == ["bound"] and not (folder / "s").exists()


@pytest.mark.parametrize(("folder_mode", "mode"), [(0o700, 0o600), (0o750, 0o660), (0o2770, 0o660)])
def test_the_socket_is_open_to_whom_its_folder_is(
    folder: Path, folder_mode: int, mode: int
) -> None:
    (folder / "run").mkdir()
    (folder / "run").chmod(folder_mode)
    with serving(folder / "run" / "s", echo):
        assert stat.S_IMODE((folder / "run" / "s").stat().st_mode) == mode
        assert stat.S_IMODE((folder / "run" / "s.lock").stat().st_mode) == 0o600
    assert not (folder / "run" / "s").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_folder_of_somebody_else_s_holds_no_socket(folder: Path) -> None:
    os.chown(folder, 65534, -1)
    with pytest.raises(IpcError, match="socket cannot be made") as caught:
        ipc.serve(folder / "s", echo, threading.Event(), lambda _: None)
    assert "belongs to user 65534" in caught.value.local and not (folder / "s").exists()


def test_a_link_in_the_socket_s_place_is_not_followed(folder: Path) -> None:
    with serving(folder / "s", echo) as gateway:
        (folder / "link").symlink_to("s")
        with pytest.raises(IpcError, match="is not running") as caught:
            WorkerClient(folder / "link").ask("x", None)
        assert "is a link" in caught.value.local
        assert gateway.ask("ab", None) == ("ba", None)  # the control: by its own name


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder to any group")
def test_the_socket_belongs_to_its_folder_s_group(folder: Path) -> None:
    (folder / "run").mkdir(mode=0o750)
    os.chown(folder / "run", -1, 65534)
    with serving(folder / "run" / "s", echo):
        assert (folder / "run" / "s").stat().st_gid == 65534


def test_the_gateway_s_half_needs_no_torch_and_no_flower() -> None:
    code = (
        "import client.isolation.ipc, sys; print([n for n in ('torch', 'monai', 'flwr', "
        "'httpx') if n in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=HOUSE, capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_a_worker_told_to_stop_does_not_wait_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipc, "GRACE", 0.2)
    stop = threading.Event()
    go = threading.Event()
    sentences = list[str]()

    def answer(text: str, vector: Any) -> tuple[str, Any]:
        stop.set()
        go.wait(patient(60))
        return text, vector

    def ask() -> None:
        try:
            WorkerClient(folder / "s").ask("x", None)
        except IpcError as error:
            sentences.append(error.public)

    asking = threading.Thread(target=ask)
    asking.start()
    ipc.serve(folder / "s", answer, stop, lambda _: None)
    asking.join()
    assert (
        not go.is_set()
        and not (folder / "s").exists()
        and "stopped during the answer" in sentences[0]
    )
    go.set()
