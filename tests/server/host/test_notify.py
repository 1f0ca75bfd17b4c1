"""The bell over its real socket.

Who waits is woken, who has no bell only waits, and what else is asked is refused.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.host import notify
from server.host.notify import Notifier, NotifyClient
from tests.patience import patient


@pytest.fixture
def path() -> Iterator[Path]:
    """A short path: that of a socket may have 107 bytes."""
    folder = Path(tempfile.mkdtemp())
    yield folder / "bell.sock"
    shutil.rmtree(folder)


def answer_to(path: Path, line: str, headers: str = "") -> tuple[int, bytes]:
    """Status and body of one raw request."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patient(20))
        connection.connect(str(path))
        connection.sendall(f"{line} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def test_a_notification_wakes_who_waits() -> None:
    notifier, woken = Notifier(), threading.Event()

    def waits() -> None:
        assert notifier.wait("answers", 0, 60.0) == 1
        woken.set()

    thread = threading.Thread(target=waits)
    thread.start()
    notifier.notify("questions")  # the other count wakes nobody
    assert not woken.wait(0.05)
    notifier.notify("answers")
    thread.join(patient(30))
    assert woken.is_set()


def test_a_notification_that_was_missed_is_told_at_once_and_nothing_new_after_the_wait() -> None:
    notifier = Notifier()
    for _ in range(3):
        notifier.notify("questions")
    assert notifier.wait("questions", 1, 60.0) == 3
    assert notifier.wait("questions", 3, 0.01) == 3


def test_a_restarted_server_counts_anew_and_keeps_nobody_waiting(path: Path) -> None:
    for count in (3, 0):
        notifier = Notifier()
        with notify.serve(notifier, path):
            for _ in range(count):
                notifier.notify("questions")
            assert answer_to(path, "GET /v1/bell?after=7&seconds=20") == (200, str(count).encode())


def test_hospital_and_coordinator_wake_each_other(path: Path) -> None:
    answers: list[tuple[int, bytes]] = []
    with notify.serve(Notifier(), path):
        assert path.stat().st_mode & 0o777 == 0o600
        hospital = threading.Thread(
            target=lambda: answers.append(answer_to(path, "GET /v1/bell?after=0&seconds=20"))
        )
        hospital.start()
        client = NotifyClient(path)
        client.wait(5.0)  # the first one only learns the count
        client.announce()
        hospital.join(patient(30))
        assert answers == [(200, b"1")]
        assert answer_to(path, "POST /v1/bell") == (200, b"")
        count_before = client._after
        client.wait(0.0)
        assert client._after == count_before + 1  # it was not missed: it is told without any wait


def test_without_notifications_the_coordinator_only_waits(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float | None] = []
    monkeypatch.setattr(threading.Event, "wait", lambda _, seconds=None: waited.append(seconds))
    client = NotifyClient(path)
    client.announce()
    assert waited == []
    client.wait(0.25)
    assert waited == [0.25]


@pytest.mark.parametrize(
    ("line", "headers", "status"),
    [
        ("GET /v1/bell?after=x", "", 400),
        ("GET /v1/bell?seconds=long", "", 400),
        ("GET /v1/bell?seconds=26", "", 404),
        ("GET /v1/bell?seconds=-1", "", 404),
        ("GET /v1/bell?seconds=nan", "", 404),
        ("GET /questions", "", 404),
        ("GET /", "", 404),
        ("POST /answers", "", 404),
        ("POST /v1/bell?x=1", "", 404),
        ("POST /v1/bell", "Content-Length: 4\r\n", 404),
        ("DELETE /v1/bell", "", 501),
    ],
)
def test_bad_requests_are_refused_and_notify_nobody(
    path: Path, line: str, headers: str, status: int
) -> None:
    notifier = Notifier()
    with notify.serve(notifier, path):
        assert answer_to(path, line, headers)[0] == status
        assert notifier.wait("answers", 1, 0.0) == 0 == notifier.wait("questions", 1, 0.0)
        assert answer_to(path, "GET /answers?after=1&seconds=0") == (200, b"0")
