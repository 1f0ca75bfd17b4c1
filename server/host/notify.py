"""Notifications: there is a question for a waiting hospital, or an answer for the coordinator.

Without them, each hospital would have to ask the SuperLink several times a second, and every
question would come late by half that pause. A notification is one number that grows each time, and
nothing else; whoever misses one asks at the old, slow pace.

    GET /v1/bell?after=N      a hospital waits until the number of questions exceeds N, 25 seconds
    at most
    POST /v1/bell             a hospital has answered
    GET /answers?after=N      the coordinator's process waits for an answer (not reachable through
    the proxy)
    POST /questions           the coordinator's process has asked
"""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from common import http_server
from server.host.proxy_configuration import SERIAL, SOURCE

LONGEST = 25.0
_WAITS = {"/v1/bell": "questions", "/answers": "answers"}
_COUNTED = {"/v1/bell": "answers", "/questions": "questions"}


class Notifier:
    """Two counters that can be waited for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._counts = {"questions": 0, "answers": 0}

    def notify(self, name: str) -> None:
        """Count one up and wake who waits."""
        with self._changed:
            self._counts[name] += 1
            self._changed.notify_all()

    def wait(self, name: str, after: int, seconds: float) -> int:
        """The count, as soon as it differs from ``after``.

        A restarted server counts from 0 again.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._counts[name] != after, seconds)
            return self._counts[name]


@contextmanager
def serve(
    notifier: Notifier, path: Path, seen: Callable[[str, str], None] = lambda serial, address: None
) -> Iterator[None]:
    """Serve notifications on a Unix socket.

    Args:
        seen: told of each hospital that waits: its certificate's number, and from where it calls.
    """
    path.unlink(missing_ok=True)
    with http_server.serving_alone(_Server(path, notifier, seen), "notifications"):
        yield


class NotifyClient:
    """The coordinator's process; that nobody notifies only costs time.

    Args:
        path: the socket of :func:`serve`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._after = -1

    def announce(self) -> None:
        """Tell the hospitals that there is a question."""
        self._call("POST", "/questions", 5.0)

    def wait(self, seconds: float) -> None:
        """Until an answer came, or so many seconds."""
        count = self._call(
            "GET", f"/answers?after={self._after}&seconds={seconds:.3f}", seconds + 5.0
        )
        if count is None:
            threading.Event().wait(seconds)
        else:
            self._after = int(count)

    def _call(self, method: str, target: str, seconds: float) -> bytes | None:
        connection = _UnixConnection(self._path, seconds)
        try:
            connection.request(method, target, headers={"Content-Length": "0"})
            response = connection.getresponse()
            content = response.read(32)
            return content if response.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        import socket  # noqa: PLC0415  # a Unix socket, which http.client does not open by itself

        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class _Server(http_server.UnixServer):
    request_queue_size = 1024
    at_once = 4096  # a thousand hospitals wait, and notify

    def __init__(self, path: Path, notifier: Notifier, seen: Callable[[str, str], None]) -> None:
        self.notifier = notifier
        self.seen = seen
        super().__init__(path, _Handler)


class _Handler(http_server.Handler):
    server: _Server
    timeout = 2 * LONGEST

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        """Wait."""
        target = urlsplit(self.path)
        query = parse_qs(target.query)
        try:
            after = int(query.get("after", ["-1"])[0])
            seconds = float(query.get("seconds", [LONGEST])[0])
        except ValueError:
            self.send_error(400)
            return
        if target.path not in _WAITS or not 0 <= seconds <= LONGEST:
            self.send_error(404)
            return
        self.server.seen(self.headers.get(SERIAL, ""), self.headers.get(SOURCE, ""))
        self.reply(
            200, str(self.server.notifier.wait(_WAITS[target.path], after, seconds)).encode()
        )

    def do_POST(self) -> None:  # noqa: N802 - named by the base class
        """Count one up."""
        name = _COUNTED.get(self.path)
        if name is None or self.headers.get("Content-Length", "0") != "0":
            self.send_error(404)
            return
        self.server.notifier.notify(name)
        self.reply(200)
