"""Attacks on the coordinator that do not succeed, each beside the same attack
where nothing protects: a stock SuperLink.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.proto.control_pb2 import ListRunsRequest
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.interceptors import SuperExecAuthHttpInterceptor
from flwr.supernode.fleet_http_client import FleetHttpClient

from client.gateway import connection
from client.gateway.fleet_api import _Client, node_key
from client.home import SiteHome
from common.study import toml
from common.trust import certificates, consortium
from server.commands.provision import provision
from server.host import proxy
from server.host.server_home import ServerHome
from tests import small
from tests.journeys.federation import until
from tests.journeys.siege import (
    NOW,
    Scene,
    acquired,
    activated,
    beat,
    bundle,
    control,
    node_of,
    outside,
    over,
    runtime,
    siege,
    started,
    status,
    stolen,
    takes,
)
from tests.ports import free_ports


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with siege() as made:
        yield made


# ---- the Control API: who may submit ----


def test_a_run_is_submitted_with_the_public_ca_file_only_where_nothing_protects(
    scene: Scene,
) -> None:
    assert started(scene, control(scene, scene.bare)) > 0


def test_with_the_public_ca_file_or_a_hospital_s_certificate_nobody_submits_to_ours(
    scene: Scene,
) -> None:
    assert status(lambda: started(scene, control(scene, scene.ours.port))) == 404
    with scene.certified("north") as http:
        member = over(control(scene, scene.ours.port), http, str(http.base_url))
        assert status(lambda: started(scene, member)) == 404
        assert status(lambda: member.ListRuns(ListRunsRequest())) == 404
    with ServerHome(scene.ours.home).control() as ours:
        assert ours.runs() == {}


# ---- the Runtime API: who may be the ServerApp ----


def test_the_serverapp_s_task_is_taken_where_nothing_protects(scene: Scene) -> None:
    with stolen(scene) as grid:
        assert grid.run.fab_hash == bundle(scene).hash_str


def test_nobody_takes_a_task_of_ours(scene: Scene) -> None:
    assert status(lambda: acquired(runtime(scene, scene.ours.port))) == 404
    with scene.certified("north") as http:
        assert (
            status(
                lambda: acquired(over(runtime(scene, scene.ours.port), http, str(http.base_url)))
            )
            == 404
        )
    methods = {"/flwr.proto.Runtime/AcquireTask"}
    guess = SuperExecAuthHttpInterceptor(master_secret=b"0" * 64, protected_methods=methods)
    right = SuperExecAuthHttpInterceptor(
        master_secret=(scene.ours.home / "superexec.secret").read_bytes().strip(),
        protected_methods=methods,
    )
    inside = [
        runtime(scene, scene.ours.link, *given) for given in ((), (guess,), (right,))
    ]  # another program on the server host
    assert [status(partial(acquired, client)) for client in inside] == [401, 401, 200]


# ---- code in a bundle ----


def test_code_is_stored_and_handed_out_where_nothing_protects(scene: Scene) -> None:
    home = scene.hospital("valley")
    url = f"https://localhost:{scene.bare}"
    with outside(scene, "valley") as http, stolen(scene) as grid:
        node = activated(scene, http, url, "valley")
        fleet = _Client(url, http, node_key(home.node_key))
        answer = fleet.GetFab(
            GetFabRequest(
                node=Node(node_id=node), hash_str=bundle(scene).hash_str, run_id=grid.run.run_id
            )
        )
    assert answer.fab.content == bundle(scene).content and b"evil.py" in answer.fab.content


# ---- node authentication, and the client certificate before it ----


class Tape:
    """Remembers the headers of the last call, as whoever ends TLS in between could."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def intercept(self, context: Any, call_next: Any) -> Any:
        """Note and pass on."""
        self.headers = {
            name: value
            for name, value in context.request.headers.items()
            if name.startswith("flwr-") or "timestamp" in name
        }
        return call_next(context)


class Replay:
    """Puts headers of another call on this one."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def intercept(self, context: Any, call_next: Any) -> Any:
        """Pass on with the headers."""
        context.request.headers.update(self.headers)
        return call_next(context)


def recorded(http: httpx.Client, base_url: str, home: SiteHome, node: int) -> dict[str, str]:
    """The headers of a heartbeat that a hospital sends itself, and that succeeds."""
    tape = Tape()
    client = _Client(base_url, http, node_key(home.node_key))
    client._interceptors = (*client._interceptors, tape)
    assert client.SendNodeHeartbeat(beat(node)).success
    return tape.headers


def replayed(http: httpx.Client, base_url: str, headers: dict[str, str], node: int) -> int:
    """How another call with these headers is answered."""
    thief = over(FleetHttpClient(base_url, interceptors=(Replay(headers),)), http, base_url)
    return status(lambda: thief.PullMessages(PullMessagesRequest(node=Node(node_id=node))))


def test_a_header_is_good_for_another_call_where_nothing_protects(scene: Scene) -> None:
    home = scene.hospital("valley")
    url = f"https://localhost:{scene.bare}"
    with outside(scene, "valley") as http:
        node = activated(scene, http, url, "valley")
        headers = recorded(http, url, home, node)
    later = time.time() + 1
    until(lambda: time.time() > later, "no second passes")
    with outside(scene, "valley") as thief:
        assert replayed(thief, url, headers, node) == 200


def test_a_header_in_other_hands_opens_nothing_of_ours(scene: Scene) -> None:
    with (
        scene.certified("north") as http,
        scene.certified("valley") as other,
        scene.ours.http(None) as nobody,
    ):
        url = str(http.base_url)
        home = scene.hospital("north")
        node = activated(scene, http, url, "north")
        headers = recorded(http, url, home, node)
        assert [replayed(hands, url, headers, node) for hands in (nobody, other, http)] == [
            403,
            403,
            200,
        ]


def test_a_member_is_no_other_member(scene: Scene) -> None:
    with scene.certified("valley") as http:
        url = str(http.base_url)
        home = scene.hospital("valley")
        foreign = _Client(url, http, node_key(scene.hospital("north").node_key))
        assert (
            status(
                lambda: foreign.PullMessages(
                    PullMessagesRequest(node=Node(node_id=node_of(scene, "north")))
                )
            )
            == 403
        )
        own = _Client(url, http, node_key(home.node_key))
        assert (
            status(
                lambda: own.PullMessages(
                    PullMessagesRequest(node=Node(node_id=node_of(scene, "north")))
                )
            )
            == 401
        )


def test_vectors_travel_for_members_only(scene: Scene) -> None:
    name = "0" * 64
    with scene.certified("valley") as member, scene.ours.http(None) as nobody:
        assert [http.get(f"/v1/models/1/{name}").status_code for http in (nobody, member)] == [
            403,
            404,
        ]
        assert [
            http.put(f"/v1/updates/1/{name}", content=b"").status_code for http in (nobody, member)
        ] == [403, 410]  # nothing was asked
        assert (
            member.get(f"/v1/updates/1/{name}").status_code == 403
        )  # nobody reads what another has sent
        assert member.put(f"/v1/models/1/{name}", content=b"").status_code in (403, 405)
        for path in (
            "/v1/models/../../ca.key",
            "/v1/models/1/../../../ca.key",
            "/v1/models/1/%2e%2e%2f%2e%2e%2fca.key",
            f"/v1/models/1/{name}/..",
        ):
            raw = member.base_url.copy_with(raw_path=path.encode())
            assert member.send(httpx.Request("GET", raw)).status_code in (400, 404)


# ---- TLS ----


def hello(port: int, home: Path, version: ssl.TLSVersion) -> str | None:
    """The version of TLS that both agree on."""
    context = ssl.create_default_context(cafile=str(home / "ca.crt"))
    context.maximum_version = version
    with (
        socket.create_connection(("localhost", port), 5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as secure,
    ):
        return secure.version()


def test_tls_1_2_is_refused_unless_configured(scene: Scene, tmp_path: Path) -> None:
    assert hello(scene.bare, scene.ours.home, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert hello(scene.ours.port, scene.ours.home, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        hello(scene.ours.port, scene.ours.home, ssl.TLSVersion.TLSv1_2)
    port, link = free_ports(2)
    table = {
        "name": "old",
        "address": "localhost",
        "port": port,
        "link_port": link,
        "min_tls": "1.2",
        "sites": ["north"],
    }
    (tmp_path / "c.toml").write_text(toml.dumps(table))
    home = scene.ours.top / "old"  # a short path
    provision(tmp_path / "c.toml", home, NOW)
    for folder in ("run", "logs"):
        (home / folder).mkdir()
    front = proxy.Proxy(home, consortium.read(home / "consortium.toml"))
    front.start(b"")
    try:
        until(lambda: takes(port), "nginx does not start")
        assert hello(port, home, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    finally:
        front.stop()


def test_a_certificate_that_is_no_client_certificate_of_ours_is_refused(
    scene: Scene, tmp_path: Path
) -> None:
    """One of a foreign authority for the same name.

    And the hospital's own, but made for signing.
    """
    home = scene.hospital("north")
    key = certificates.private_key("tls")
    foreign = certificates.authority("trial", NOW, 10)
    (tmp_path / "crt").write_bytes(
        certificates.grant(foreign, certificates.request("north", key), "north", "client", NOW, 5)
    )
    (tmp_path / "key").write_bytes(key)
    settings = replace(home.settings(), port=scene.ours.port)
    for pair in ((tmp_path / "crt", tmp_path / "key"), (home.identity_crt, home.identity_key)):
        with connection.client(settings, scene.authority, pair) as http:
            client = _Client(str(http.base_url), http, node_key(home.node_key))
            assert status(partial(client.SendNodeHeartbeat, beat(node_of(scene, "north")))) in (
                400,
                403,
            )
    with scene.certified(
        "north"
    ) as http:  # the control; "unknown node" would be an answer of Flower's, not of the door
        client = _Client(str(http.base_url), http, node_key(home.node_key))
        assert status(lambda: client.SendNodeHeartbeat(beat(node_of(scene, "north")))) == 200


def test_a_hospital_whose_kit_was_renewed_is_shut_out(scene: Scene) -> None:
    """Also on the connection that it holds; this test is the last to use harbour."""
    small.hospital(scene.ours.data / "harbour", seed=9)
    home = scene.ours.enrol("harbour")
    with scene.certified("harbour") as http:
        client = _Client(str(http.base_url), http, node_key(home.node_key))
        key = certificates.public_bytes(home.node_key.read_bytes())
        until(
            lambda: (
                status(
                    lambda: client.ActivateNode(
                        ActivateNodeRequest(public_key=key, heartbeat_interval=30)
                    )
                )
                == 200
            ),
            "harbour may not enter",
        )
        node = node_of(scene, "harbour")
        assert (
            client.SendNodeHeartbeat(beat(node)).success
            and http.get("/v1/bell?seconds=0").status_code == 200
        )
        scene.ours.consilium(
            "provision", scene.ours.top / "c.toml", "--out", scene.ours.home, "--renew", "harbour"
        )
        until(
            lambda: status(lambda: client.SendNodeHeartbeat(beat(node))) == 403,
            "the old certificate still opens the door",
        )
        assert http.get("/v1/bell?seconds=0").status_code == 403
    with scene.certified("harbour") as again:
        client = _Client(str(again.base_url), again, node_key(home.node_key))
        assert status(lambda: client.SendNodeHeartbeat(beat(node))) == 403
