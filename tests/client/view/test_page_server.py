"""The page's server, spoken to as a browser and as an attacker would."""

from __future__ import annotations

import http.client
import json
import re
import socket
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from client.home import SiteHome
from client.policy import stop
from client.view import page_server
from client.view.page_server import PageServer
from common.errors import InputError
from tests.client.view import scene
from tests.patience import patient


def ask(
    server: PageServer, method: str, path: str, body: bytes | str | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    """One request; headers are written with _ for -, an empty one is left out."""
    wire = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=patient(20))
    sent = {
        "Host": server.origin.removeprefix("http://"),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    wire.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    content = body.encode() if isinstance(body, str) else body
    if content is not None and "Content-Length" not in sent and "Transfer-Encoding" not in sent:
        sent["Content-Length"] = str(len(content))
    for name, value in sent.items():
        if value:
            wire.putheader(name, value)
    wire.endheaders(content)
    answer = wire.getresponse()
    answer = (
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        answer.read().decode(),
    )
    wire.close()
    return answer


def cookie(server: PageServer) -> str:
    """What a browser that was given the address has afterwards."""
    status, headers, _ = ask(server, "GET", server.address.removeprefix(server.origin))
    assert status == 303 and headers["location"] == server.base
    assert re.fullmatch(
        rf"consilium_view=\S+; Path={server.base}; HttpOnly; SameSite=Strict", headers["set-cookie"]
    )
    return headers["set-cookie"].partition(";")[0]


def press(server: PageServer, what: str = "stop", **change: str) -> tuple[int, dict[str, str], str]:
    """Press a button as the page does, but for ``change``.

    Fields of the form are in lower case, headers with a capital.
    """
    fields = {"csrf": server.csrf, "reason": "service"} | {
        k: v for k, v in change.items() if k[0].islower()
    }
    headers = {
        "Cookie": cookie(server),
        "Origin": server.origin,
        "Sec_Fetch_Site": "same-origin",
        "Content_Type": "application/x-www-form-urlencoded",
    } | {k: v for k, v in change.items() if k[0].isupper()}
    return ask(server, "POST", f"{server.base}{what}", urlencode(fields), **headers)


def test_the_key_opens_the_page(server: PageServer) -> None:
    status, headers, text = ask(server, "GET", server.base, Cookie=cookie(server))
    assert status == 200 and "<h1>north</h1>" in text and "run-7" in text
    assert not {"server", "date", "set-cookie", "access-control-allow-origin"} & headers.keys()
    assert headers["cache-control"] == "no-store" and headers["x-content-type-options"] == "nosniff"
    assert (
        headers["content-security-policy"].startswith("default-src 'none'; ")
        and "unsafe" not in headers["content-security-policy"]
    )
    assert server.csrf in text and server._key not in text and server.ticket not in text


def test_the_cookie_stands_among_others(server: PageServer) -> None:
    status, _, _ = ask(
        server, "GET", server.base, Cookie=f'other={{"a": 1}}; x="; {cookie(server)}; y=\xe9'
    )
    assert status == 200


def test_the_data_of_the_page(server: PageServer) -> None:
    status, headers, text = ask(server, "GET", f"{server.base}status.json", Cookie=cookie(server))
    data = json.loads(text)
    assert (status, headers["content-type"], data["site"], data["spent"]["rounds"]) == (
        200,
        "application/json",
        "north",
        3,
    )
    _, _, again = ask(server, "GET", f"{server.base}status.json", Cookie=cookie(server))
    assert json.loads(again)["mark"] == data["mark"]
    press(server)
    _, _, after = ask(server, "GET", f"{server.base}status.json", Cookie=cookie(server))
    assert json.loads(after)["mark"] != data["mark"] and json.loads(after)["state"] == "stopped"


@pytest.mark.parametrize("key", ["", "x", "k" * 43, "%ff%00", "a&key=b&c=d&e=f"])
def test_another_key_opens_nothing(server: PageServer, key: str) -> None:
    for path in (
        f"/?key={key}",
        "/",
        server.base,
        f"{server.base}status.json",
        "/favicon.ico",
        "/../etc/passwd",
    ):
        status, headers, text = ask(server, "GET", path)
        assert status == 403 and "set-cookie" not in headers and "north" not in text


@pytest.mark.parametrize(
    "sent",
    ["", "consilium_view=", "consilium_view=x", "consilium_view", "=;;=", "consilium_view=\xff"],
)
def test_another_cookie_opens_nothing(server: PageServer, sent: str) -> None:
    assert ask(server, "GET", server.base, Cookie=sent)[0] == 403
    assert press(server, Cookie=sent)[0] == 403


def test_the_cookie_opens_this_view_only(server: PageServer, hospital: SiteHome) -> None:
    with page_server.open_view(hospital, "127.0.0.1", 0) as another:
        assert ask(another, "GET", another.base, Cookie=cookie(server))[0] == 403
        assert len({server.base, another.base, server.csrf, another.csrf}) == 4


@pytest.mark.parametrize(
    "path", ["x", "status.json/", "?a", "../", "stop", "resume", "status.json?x"]
)
def test_there_are_two_pages(server: PageServer, path: str) -> None:
    assert ask(server, "GET", server.base + path, Cookie=cookie(server))[0] == 404


HOSTS = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1",
    "127.0.0.1:1",
    "10.0.0.1:{port}",
    "localhost.evil.example:{port}",
]


@pytest.mark.parametrize(
    "host", [*HOSTS, "", "a b", "[::1", "127.0.0.1:{port}@evil", "127.0.0.1:99999", "\xff:{port}"]
)
def test_a_name_that_suddenly_means_this_machine(server: PageServer, host: str) -> None:
    """DNS rebinding: the browser sends the attacker's name as Host."""
    name = host.format(port=server.server_address[1])
    for path in (server.address.removeprefix(server.origin), server.base):
        status, headers, text = ask(server, "GET", path, Host=name, Cookie=cookie(server))
        assert status == 421 and "set-cookie" not in headers and "north" not in text
    assert press(server, Host=name)[0] == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "127.0.0.2"])
def test_names_of_this_machine(server: PageServer, host: str) -> None:
    assert server.knows(f"{host}:{server.server_address[1]}")


def test_two_hosts_are_one_too_many(server: PageServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_address[1]), 20) as wire:
        host = server.origin.removeprefix("http://")
        wire.sendall(
            (
                f"GET {server.base} HTTP/1.1\r\nHost: {host}\r\nHost: evil\r\n"
                f"Cookie: {cookie(server)}\r\n\r\n"
            ).encode()
        )
        assert wire.recv(1000).startswith(b"HTTP/1.0 421 ")


def test_the_button_stops_and_resumes(server: PageServer, hospital: SiteHome) -> None:
    status, headers, _ = press(server)
    assert (status, headers["location"]) == (303, server.base)
    stopped = stop.read(hospital.state)
    assert stopped is not None and (stopped.reason, stopped.by) == ("service", stop.user())
    _, _, text = ask(server, "GET", server.base, Cookie=cookie(server))
    assert (
        "This hospital is stopped." in text
        and 'action="resume"' in text
        and 'action="stop"' not in text
    )
    assert press(server, "resume")[0] == 303 and stop.read(hospital.state) is None
    assert [line["event"] for line in scene.lines(hospital) if "user" in line] == [
        "stopped",
        "resumed",
    ]


def test_the_button_works_where_a_browser_says_nothing_of_its_own(
    server: PageServer, hospital: SiteHome
) -> None:
    assert press(server, Origin="", Sec_Fetch_Site="")[0] == 303 and stop.read(hospital.state)


FORGED: dict[str, dict[str, str]] = {
    "no form token": {"csrf": ""},
    "another form token": {"csrf": "x" * 43},
    "another site": {"Origin": "http://evil.example"},
    "another port": {"Origin": "http://127.0.0.1:1"},
    "a hidden origin": {"Origin": "null"},
    "across sites": {"Sec_Fetch_Site": "cross-site"},
    "the same site": {"Sec_Fetch_Site": "same-site"},
    "no cookie": {"Cookie": ""},
}


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED.keys())
@pytest.mark.parametrize("what", ["stop", "resume"])
def test_a_forged_press_changes_nothing(
    server: PageServer, hospital: SiteHome, what: str, change: dict[str, str]
) -> None:
    if what == "resume":
        stop.stop(hospital.state, "ann", "", datetime.now(UTC))
    before = stop.read(hospital.state)
    assert press(server, what, **change)[0] == 403
    assert stop.read(hospital.state) == before


BROKEN: dict[str, tuple[int, dict[str, str]]] = {
    "too long": (413, {"reason": "x" * 5000}),
    "far too long": (413, {"reason": "x" * 60_000}),
    "another form": (415, {"Content_Type": "application/json"}),
    "no form": (415, {"Content_Type": ""}),
    "in pieces": (411, {"Transfer_Encoding": "chunked", "Content_Length": ""}),
    "negative": (411, {"Content_Length": "-1"}),
    "huge": (411, {"Content_Length": "9" * 40}),
    "no number": (411, {"Content_Length": "\xb2"}),
    "too many fields": (400, {f"f{i}": "x" for i in range(9)}),
    "a long reason": (409, {"reason": "x" * 300}),
    "a reason that rings": (409, {"reason": "\x07"}),
}


@pytest.mark.parametrize(("status", "change"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_press_changes_nothing(
    server: PageServer, hospital: SiteHome, status: int, change: dict[str, str]
) -> None:
    assert press(server, **change)[0] == status
    assert stop.read(hospital.state) is None
    assert press(server)[0] == 303


@pytest.mark.parametrize("what", ["", "stop/", "Stop", "start", "status.json", "../stop"])
def test_there_are_two_buttons(server: PageServer, what: str) -> None:
    assert press(server, what)[0] == 404


RAW = {
    b"PUT / HTTP/1.1\r\n\r\n": b" 501 ",
    b"OPTIONS * HTTP/1.1\r\n\r\n": b" 501 ",
    b"<script>\r\n\r\n": b" 400 ",
    b"GET / HTTP/9.9\r\n\r\n": b" 505 ",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n": b" 414 ",
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n": b" 431 ",
    b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000 + b"\r\n\r\n": b" 431 ",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n": b" 400 ",
}


@pytest.mark.parametrize(("sent", "status"), RAW.items(), ids=range(len(RAW)))
def test_what_is_no_request(server: PageServer, sent: bytes, status: bytes) -> None:
    """The answer repeats nothing of it and does not say what answers."""
    with socket.create_connection(("127.0.0.1", server.server_address[1]), 20) as wire:
        wire.sendall(sent)
        received = b""
        try:
            while block := wire.recv(4096):
                received += block
        except ConnectionResetError:
            pass
    head = received.partition(b"\r\n")[0]
    assert status in head, head
    assert (
        b"script" not in received.replace(b"script-src", b"")
        and b"ython" not in received
        and b"aaaa" not in received
    )


def test_a_long_address_is_refused(server: PageServer) -> None:
    assert ask(server, "GET", "/" + "a" * 3000, Cookie=cookie(server))[0] == 414


def test_silent_connections_do_not_keep_others_out(server: PageServer) -> None:
    """Places are given back; while all are taken, a new connection ends at once."""
    silent = [
        socket.create_connection(("127.0.0.1", server.server_address[1]), 20)
        for _ in range(PageServer.at_once)
    ]
    try:
        with socket.create_connection(
            ("127.0.0.1", server.server_address[1]), page_server._Handler.timeout / 2
        ) as late:
            assert late.recv(1) == b""
    finally:
        for wire in silent:
            wire.close()
    for _ in range(100):
        try:
            assert ask(server, "GET", server.base)[0] == 403
            break
        except (ConnectionError, http.client.HTTPException):
            continue
    else:
        pytest.fail("no place was given back")


def test_only_this_machine_unless_asked(hospital: SiteHome) -> None:
    with page_server.open_view(hospital, "127.0.0.1", 0) as server:
        assert server.loopback and server.server_address[0] == "127.0.0.1"
    with page_server.open_view(hospital, "0.0.0.0", 0) as server:
        port = server.server_address[1]
        assert not server.loopback
        assert server.knows(f"192.0.2.7:{port}") and not server.knows(f"evil.example:{port}")
    with (
        pytest.raises(InputError, match="cannot be listened at"),
        page_server.open_view(hospital, "192.0.2.7", 0),
    ):
        pass


def test_a_port_that_is_taken(hospital: SiteHome, server: PageServer) -> None:
    with (
        pytest.raises(InputError, match="give another --port"),
        page_server.open_view(hospital, "127.0.0.1", server.server_address[1]),
    ):
        pass
