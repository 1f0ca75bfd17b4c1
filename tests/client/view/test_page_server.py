"""The page's server, spoken to as a browser and as an attacker would."""

from __future__ import annotations

import http.client
import json
import re
import socket
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from client.home import SiteHome
from client.policy import stop
from client.view import page_server, status_page
from client.view.page_server import PageServer
from client.view.status import Viewer
from common.errors import InputError
from common.html import digest
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
    found = (
        answer.status,
        {name.lower(): value for name, value in answer.getheaders()},
        answer.read().decode(),
    )
    wire.close()
    return found


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
    found = json.loads(text)
    assert (status, headers["content-type"], found["site"], found["spent"]["rounds"]) == (
        200,
        "application/json",
        "north",
        3,
    )
    _, _, again = ask(server, "GET", f"{server.base}status.json", Cookie=cookie(server))
    assert json.loads(again)["mark"] == found["mark"]
    press(server)
    _, _, after = ask(server, "GET", f"{server.base}status.json", Cookie=cookie(server))
    assert json.loads(after)["mark"] != found["mark"] and json.loads(after)["state"] == "stopped"


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


def test_the_cookie_opens_this_view_only(server: PageServer, made: SiteHome) -> None:
    with page_server.open_view(made, "127.0.0.1", 0) as another:
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
            f"GET {server.base} HTTP/1.1\r\nHost: {host}\r\nHost: evil\r\nCookie: {cookie(server)}\r\n\r\n".encode()
        )
        assert wire.recv(1000).startswith(b"HTTP/1.0 421 ")


def test_the_button_stops_and_resumes(server: PageServer, made: SiteHome) -> None:
    status, headers, _ = press(server)
    assert (status, headers["location"]) == (303, server.base)
    found = stop.read(made.state)
    assert found is not None and (found.reason, found.by) == ("service", stop.user())
    _, _, text = ask(server, "GET", server.base, Cookie=cookie(server))
    assert (
        "This hospital is stopped." in text
        and 'action="resume"' in text
        and 'action="stop"' not in text
    )
    assert press(server, "resume")[0] == 303 and stop.read(made.state) is None
    assert [line["event"] for line in scene.lines(made) if "user" in line] == ["stopped", "resumed"]


def test_the_button_works_where_a_browser_says_nothing_of_its_own(
    server: PageServer, made: SiteHome
) -> None:
    assert press(server, Origin="", Sec_Fetch_Site="")[0] == 303 and stop.read(made.state)


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
    server: PageServer, made: SiteHome, what: str, change: dict[str, str]
) -> None:
    if what == "resume":
        stop.stop(made.state, "ann", "", datetime.now(UTC))
    before = stop.read(made.state)
    assert press(server, what, **change)[0] == 403
    assert stop.read(made.state) == before


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
    server: PageServer, made: SiteHome, status: int, change: dict[str, str]
) -> None:
    assert press(server, **change)[0] == status
    assert stop.read(made.state) is None
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
        found = b""
        try:
            while block := wire.recv(4096):
                found += block
        except ConnectionResetError:
            pass
    head = found.partition(b"\r\n")[0]
    assert status in head, head
    assert (
        b"script" not in found.replace(b"script-src", b"")
        and b"ython" not in found
        and b"aaaa" not in found
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


def test_only_this_machine_unless_asked(made: SiteHome) -> None:
    with page_server.open_view(made, "127.0.0.1", 0) as server:
        assert server.loopback and server.server_address[0] == "127.0.0.1"
    with page_server.open_view(made, "0.0.0.0", 0) as server:
        port = server.server_address[1]
        assert not server.loopback
        assert server.knows(f"192.0.2.7:{port}") and not server.knows(f"evil.example:{port}")
    with (
        pytest.raises(InputError, match="cannot be listened at"),
        page_server.open_view(made, "192.0.2.7", 0),
    ):
        pass


def test_a_port_that_is_taken(made: SiteHome, server: PageServer) -> None:
    with (
        pytest.raises(InputError, match="give another --port"),
        page_server.open_view(made, "127.0.0.1", server.server_address[1]),
    ):
        pass


class Tags(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def render(made: SiteHome) -> str:
    return status_page.render(Viewer(made).look(datetime.now(UTC)), "token")


def test_a_hostile_name_is_text(made: SiteHome) -> None:
    for field in ("study", "run", "fault", "kind", "id"):
        scene.refuse(made, **{field: scene.HOSTILE})
    scene.ask(made, run="x", kind="later", round=1, left=[scene.HOSTILE, "'\" onload=x"], bytes=1)
    tags = Tags(render(made))
    assert len(tags.named("script")) == 1 and tags.named("img") == []
    assert not {
        name
        for _, attributes in tags.tags
        for name in attributes
        if name.startswith("on") or name == "style"
    }
    assert "onerror=alert(1)" in tags.text and not {"\x1b", "\u202e"} & set(tags.text)


def test_nothing_comes_from_elsewhere(made: SiteHome) -> None:
    tags = Tags(render(made))
    places = [
        value
        for _, attributes in tags.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action", "srcset")
    ]
    assert set(places) == {"data:,", "./", "stop"}
    assert "http" not in render(made).replace(page_server.__doc__ or "", "")
    inside = re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", render(made), re.DOTALL)
    assert len(inside) == 2 and all(digest(text) in status_page.POLICY for text in inside)


def test_every_part_has_a_name_for_those_who_do_not_see_it(made: SiteHome) -> None:
    tags = Tags(render(made))
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(section["aria-labelledby"] in ids for section in tags.named("section"))
    inputs = [field for field in tags.named("input") if field["type"] != "hidden"]
    assert [label["for"] for label in tags.named("label")] == [field["id"] for field in inputs]
    assert all("aria-label" in meter for meter in tags.named("meter"))
    regions = [attributes for _, attributes in tags.tags if attributes.get("role") == "region"]
    assert regions and all(region["tabindex"] == "0" and region["aria-label"] for region in regions)
    assert tags.named("html") == [{"lang": "en"}] and len(tags.named("h1")) == 1


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    digits = colour if len(colour) == 6 else "".join(2 * digit for digit in colour)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_contrast() -> None:
    """WCAG 2.2, 1.4.3 and 1.4.11, in light and dark."""
    light, dark = (
        dict(re.findall(r"--(\w+):#(\w+)", text))
        for text in re.findall(r":root\{(.*?)\}", status_page.CSS, re.DOTALL)
    )
    pairs = [(name, "paper", 4.5) for name in ("ink", "soft", "blue", "ochre", "stop")] + [
        ("on", "stop", 4.5),
        ("field", "paper", 3.0),
    ]
    for colours in (light, {**light, **dark}):
        for front, back, least in pairs:
            one, two = sorted((_luminance(colours[front]), _luminance(colours[back])))
            assert (two + 0.05) / (one + 0.05) >= least, (front, back)


def test_a_hospital_in_every_state_has_a_page(tmp_path: Path) -> None:
    made: Any = scene.home(tmp_path / "home")
    assert "No study has asked anything yet." in render(
        made
    ) and "Nothing has left today." in render(made)
    for name in (
        "policy.toml",
        "site.toml",
        "worker/state/budget.json",
        "worker/state/approvals.json",
    ):
        (made.path / name).write_bytes(b"\xff")
    assert "<h1>unknown</h1>" in render(made) and "policy.toml cannot be read" in render(made)
