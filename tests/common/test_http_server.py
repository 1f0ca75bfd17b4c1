"""The base of the small services over a real socket: limits hold, errors have one form."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common import http_server
from common.http_server import Handler, Server, UnixServer, serving, serving_alone
from tests.patience import patient, until


class Echo(Handler):
    """Gives back what it gets; a request for ``/wait`` is answered when the test says so."""

    largest_body = 100
    longest_target = 50
    timeout = 20
    always = (("X-Always", "yes"),)
    go_on = threading.Event()

    def do_GET(self) -> None:  # noqa: N802 - named by the base class
        if self.path == "/wait":
            self.go_on.wait(20)
        self.reply(200, self.path.encode(), "text/plain", X_Own="1")

    def do_HEAD(self) -> None:  # noqa: N802 - named by the base class
        self.do_GET()

    def do_POST(self) -> None:  # noqa: N802 - named by the base class
        content = self.body()
        if content is not None:
            self.reply(200, content)


class Two(Server):
    """At most two at once."""

    at_once = 2
    allow_reuse_address = True


@pytest.fixture
def server() -> Iterator[Two]:
    Echo.go_on = threading.Event()
    with Two(("127.0.0.1", 0), Echo) as made, serving(made, "echo"):
        yield made
        Echo.go_on.set()


def say(server: Two, raw: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one raw request, read to the end of the connection."""
    with socket.create_connection(server.server_address[:2], 20) as wire:  # type: ignore[arg-type]
        wire.sendall(raw)
        wire.shutdown(socket.SHUT_WR)
        content = b"".join(iter(lambda: wire.recv(4096), b""))
    head, _, body = content.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in rest), body


def test_an_answer_is_whole_and_names_no_program(server: Two) -> None:
    status, headers, body = say(server, b"GET /x HTTP/1.1\r\n\r\n")
    assert (status, body) == (200, b"/x")
    assert headers == {
        "x-always": "yes",
        "x-own": "1",
        "content-type": "text/plain",
        "content-length": "2",
    }


def test_head_has_the_headers_alone(server: Two) -> None:
    status, headers, body = say(server, b"HEAD /x HTTP/1.1\r\n\r\n")
    assert (status, headers["content-length"], body) == (200, "2", b"")


def test_one_connection_serves_several_requests(server: Two) -> None:
    address: Any = server.server_address
    wire = http.client.HTTPConnection(*address[:2], timeout=20)
    for body in (b"a", b"b" * 100):
        wire.request("POST", "/", body)
        assert wire.getresponse().read() == body
    wire.close()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 411),
        (b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n" + b"x" * 101, 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab", 400),
        (b"GET /" + b"a" * 50 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"DELETE / HTTP/1.1\r\n\r\n", 501),
        (b"nonsense\r\n\r\n", 400),
    ],
)
def test_every_error_has_one_form_and_ends_the_connection(
    server: Two, raw: bytes, status: int
) -> None:
    answer, headers, body = say(server, raw)
    assert answer == status and list(json.loads(body)) == ["error"]
    assert (
        headers["connection"] == "close"
        and headers["content-type"] == "application/json"
        and "server" not in headers
    )


def test_a_sender_that_is_refused_gets_its_answer(server: Two) -> None:
    """More is sent than any buffer holds.

    Were it not read on, the sender would see a broken pipe.
    """
    with socket.create_connection(server.server_address[:2], 20) as wire:  # type: ignore[arg-type]
        wire.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (16 << 20))
        wire.sendall(bytes(16 << 20))
        assert wire.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_a_refused_sender_that_stalls_is_let_go(
    server: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that sends a byte now and then, which is no silence."""
    monkeypatch.setattr(http_server, "_LONGEST_READ_ON", 0.3)
    address: Any = server.server_address
    with socket.create_connection(address[:2], patient(20)) as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (16 << 20))
        wire.settimeout(0.05)
        content = b""

        def ended() -> bool:
            nonlocal content
            try:
                wire.send(b"x")
                content += (block := wire.recv(4096))
                return not block
            except TimeoutError:
                return False
            except OSError:
                return True

        until(ended, "the connection is not ended")
    assert content.startswith(b"HTTP/1.1 413 ")


def test_more_connections_than_places_end_at_once_and_places_are_given_back(server: Two) -> None:
    address: Any = server.server_address
    waiting = [socket.create_connection(address[:2], 20) for _ in range(2)]
    for wire in waiting:
        wire.sendall(b"GET /wait HTTP/1.1\r\nConnection: close\r\n\r\n")
    with socket.create_connection(server.server_address[:2], 20) as late:  # type: ignore[arg-type]
        assert late.recv(1) == b""
    Echo.go_on.set()
    for wire in waiting:
        assert b" 200 " in wire.makefile("rb").read()
        wire.close()
    for _ in range(1000):  # a place is free a moment after its connection has ended
        try:
            assert say(server, b"GET /x HTTP/1.1\r\n\r\n")[0] == 200
            return
        except (ConnectionError, IndexError, ValueError):
            continue
    pytest.fail("no place was given back")


def test_after_the_block_nobody_answers() -> None:
    with Two(("127.0.0.1", 0), Echo) as made:
        address = made.server_address[:2]
        with serving(made, "a thread of this test"):
            assert any(thread.name == "a thread of this test" for thread in threading.enumerate())
        assert not any(thread.name == "a thread of this test" for thread in threading.enumerate())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 20)  # type: ignore[arg-type]


class Here(Handler):
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


def test_a_unix_socket_answers_while_the_context_lasts(path: Path) -> None:
    with serving_alone(UnixServer(path, Here), "service"):
        assert get(path) == (200, b"here")
    with pytest.raises(ConnectionRefusedError):
        get(path)


def test_only_this_user_may_connect(path: Path) -> None:
    with serving_alone(UnixServer(path, Here), "service"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_socket_in_use_is_not_taken_over(path: Path) -> None:
    with serving_alone(UnixServer(path, Here), "service"):
        with pytest.raises(OSError, match="in use"):
            UnixServer(path, Here)
        assert get(path) == (200, b"here")
