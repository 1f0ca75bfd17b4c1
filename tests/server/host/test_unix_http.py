"""A service on a Unix socket: for this user only, and gone with its context."""

from __future__ import annotations

import http.client
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common import http_server
from server.host import unix_http
from tests.patience import patient


class Handler(http_server.Handler):
    """Says who it is."""

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        """The one answer."""
        self.reply(200, b"here")


@pytest.fixture
def path() -> Iterator[Path]:
    """A short path: that of a socket may have 107 bytes."""
    folder = Path(tempfile.mkdtemp())
    yield folder / "service.sock"
    shutil.rmtree(folder)


def get(path: Path) -> tuple[int, bytes]:
    """Status and body of one request."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patient(20))
        connection.connect(str(path))
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def test_it_answers_while_the_context_lasts(path: Path) -> None:
    with unix_http.serving(unix_http.UnixServer(path, Handler), "service"):
        assert get(path) == (200, b"here")
    with pytest.raises(ConnectionRefusedError):
        get(path)


def test_only_this_user_may_connect(path: Path) -> None:
    with unix_http.serving(unix_http.UnixServer(path, Handler), "service"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_socket_in_use_is_not_taken_over(path: Path) -> None:
    with unix_http.serving(unix_http.UnixServer(path, Handler), "service"):
        with pytest.raises(OSError, match="in use"):
            unix_http.UnixServer(path, Handler)
        assert get(path) == (200, b"here")
