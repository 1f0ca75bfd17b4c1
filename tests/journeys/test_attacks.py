"""Attacks that do not succeed, each beside the same attack where nothing protects: a stock SuperLink with TLS and node authentication.

Two servers run: ours with its proxy, and the bare one. The bare one also plays a coordinator that has fallen into wrong hands: a real
hospital's gateway and worker (north), with smuggled code in their installation, are connected to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import user_config_to_proto
from flwr.proto.control_pb2 import ListRunsRequest, RegisterNodeRequest, StartRunRequest
from flwr.proto.fab_pb2 import Fab, GetFabRequest
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supernode.fleet_http_client import FleetHttpClient

from client import connect
from client.fleet import _Client, node_key
from client.home import Home as Hospital
from common import certificates, consortium, signing, toml
from common import study as studies
from common.errors import InputError
from common.signing import Statement
from common.wire import Plan
from server import proxy
from server.host import Home as Coordinator
from server.link import Address, LinkGrid
from server.provision import provision
from server.roster import join
from server.transport import Transport
from tests import small
from tests.journeys.federation import Federation, federation, free_ports, until
from tests.journeys.watching import descendants

pytestmark = pytest.mark.timeout(240)

NOW = datetime.now(UTC)
ROGUE = Path(__file__).with_name("rogue")
STUDY = studies.parse({**small.TABLE, "federation": {"rounds": 1, "min_sites": 1}})
EVIL = b"from pathlib import Path\nPath('MARK').write_text('here')\n"
APP = b"""[project]
name = "evil"
version = "1.0.0"
license = "Apache-2.0"
[tool.flwr.app]
publisher = "evil"
[tool.flwr.app.components]
serverapp = "evil:app"
clientapp = "evil:app"
[tool.flwr.app.config]
run = ""
"""


@dataclass
class Scene:
    """Our server with two hospitals enrolled (north, valley) and a third invited, and the bare SuperLink."""

    ours: Federation
    bare: int
    mark: Path
    listener: int

    @property
    def authority(self) -> bytes:
        """The public CA file: all that an outsider needs."""
        return (self.ours.home / "ca.crt").read_bytes()

    def hospital(self, site: str) -> Hospital:
        """An enrolled hospital's folder."""
        return Hospital(self.ours.top / site)

    def certified(self, site: str) -> httpx.Client:
        """What a member's own machine uses to reach the public door."""
        return self.ours.http(site)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with federation() as made, socket.create_server(("127.0.0.1", 0)) as listener:
        for i, site in enumerate(("north", "valley")):
            small.hospital(made.data / site, seed=i)
        made.provision("north", "valley", "harbour")
        made.start_server()
        for site in ("north", "valley"):
            made.enrol(site)
        with bare_superlink(made) as port:
            yield Scene(made, port, made.top / "MARK", listener.getsockname()[1])


@contextmanager
def bare_superlink(made: Federation) -> Iterator[int]:
    """Flower as it comes, on a port that everybody reaches."""
    [port], home = free_ports(1), made.home
    words = {"--ssl-ca-certfile": home / "ca.crt", "--ssl-certfile": home / "server.crt", "--ssl-keyfile": home / "server.key", "--port": port}
    command = [Path(sys.executable).parent / "flower-superlink", "--enable-supernode-auth", "--disable-runtime-dependency-installation"]
    environment = made.environment | {"FLWR_HOME": str(made.top / "flower"), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # it starts its executor by name
    with (made.top / "bare.out").open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in [*command, *(w for pair in words.items() for w in pair)]],
            env=environment, cwd=made.top, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: _takes(port) or process.poll() is not None, "the bare SuperLink does not start")
        yield port
    finally:
        for child in [*descendants(process.pid), process.pid]:  # its executor has a session of its own
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.wait()


def _takes(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def over(client: Any, http: httpx.Client, base_url: str) -> Any:
    """One of Flower's clients over an HTTP client with a certificate of its own."""
    client._client, client._base_url = http, base_url.rstrip("/")
    return client


def status(call: Callable[[], Any]) -> int:
    """How a server answers."""
    try:
        call()
    except httpx.HTTPStatusError as error:
        return error.response.status_code
    return 200


def control(scene: Scene, port: int) -> Any:
    return ControlHttpClient.from_server_address(f"localhost:{port}", False, scene.authority, [])


def bundle(scene: Scene) -> Fab:
    content, _ = build_fab_from_files({"pyproject.toml": APP, "evil.py": EVIL.replace(b"MARK", str(scene.mark).encode())})
    return Fab(hash_str=hashlib.sha256(content).hexdigest(), content=content)


def started(scene: Scene, client: Any) -> int:
    return int(client.StartRun(StartRunRequest(fab=bundle(scene), override_config=user_config_to_proto({"run": "x"}))).run_id)


def runtime(scene: Scene, port: int, *interceptors: Any) -> Any:
    """Flower's client of the Runtime API; without its retries, which end the process at a 401."""
    version = RuntimeVersionHttpInterceptor(component_name="flwr-serverapp")
    return RuntimeHttpClient.from_server_address(f"localhost:{port}", False, scene.authority, [version, *interceptors])


def acquired(client: Any) -> Any:
    return client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))


def registered(scene: Scene, site: str, name: str) -> int:
    """A hospital's node on the bare SuperLink."""
    key = certificates.public_bytes(scene.hospital(site).node_key.read_bytes())
    return int(control(scene, scene.bare).RegisterNode(RegisterNodeRequest(public_key=key, name=name)).node_id)


def node_of(scene: Scene, site: str) -> int:
    """A hospital's node on our SuperLink."""
    with Coordinator(scene.ours.home).control() as ours:
        return next(node for node, name in ours.names().items() if name == site)


def beat(node: int) -> SendNodeHeartbeatRequest:
    return SendNodeHeartbeatRequest(node=Node(node_id=node), heartbeat_interval=15)


# ---- the Control API: who may submit ----


def test_a_run_is_submitted_with_the_public_ca_file_only_where_nothing_protects(scene: Scene) -> None:
    assert started(scene, control(scene, scene.bare)) > 0


def test_with_the_public_ca_file_or_a_hospital_s_certificate_nobody_submits_to_ours(scene: Scene) -> None:
    assert status(lambda: started(scene, control(scene, scene.ours.port))) == 404
    with scene.certified("north") as http:
        member = over(control(scene, scene.ours.port), http, str(http.base_url))
        assert status(lambda: started(scene, member)) == 404
        assert status(lambda: member.ListRuns(ListRunsRequest())) == 404
    with Coordinator(scene.ours.home).control() as ours:
        assert ours.runs() == {}


# ---- the Runtime API: who may be the ServerApp ----


def taken(scene: Scene) -> str:
    """The token of a ServerApp's task on the bare SuperLink: faster than its own executor, which looks once a second."""
    thief, client = runtime(scene, scene.bare), control(scene, scene.bare)
    for _ in range(8):
        started(scene, client)
        for _ in range(5):
            if answer := acquired(thief).token:
                return str(answer)
    raise AssertionError("the executor was faster each time")


def test_the_serverapp_s_task_is_taken_where_nothing_protects(scene: Scene) -> None:
    grid = LinkGrid(Address(f"localhost:{scene.bare}", scene.ours.home / "ca.crt"), taken(scene), scene.ours.top / "thief")
    grid.open()
    assert grid.run.fab_hash == bundle(scene).hash_str
    grid.close("stopped", "")


def test_nobody_takes_a_task_of_ours(scene: Scene) -> None:
    assert status(lambda: acquired(runtime(scene, scene.ours.port))) == 404
    with scene.certified("north") as http:
        assert status(lambda: acquired(over(runtime(scene, scene.ours.port), http, str(http.base_url)))) == 404
    methods = {"/flwr.proto.Runtime/AcquireTask"}
    guess = SuperExecAuthHttpInterceptor(master_secret=b"0" * 64, protected_methods=methods)
    right = SuperExecAuthHttpInterceptor(master_secret=(scene.ours.home / "superexec.secret").read_bytes().strip(), protected_methods=methods)
    inside = [runtime(scene, scene.ours.link, *given) for given in ((), (guess,), (right,))]  # another program on the server host
    assert [status(lambda c=client: acquired(c)) for client in inside] == [401, 401, 200]


# ---- code in a bundle ----


def test_code_is_stored_and_handed_out_where_nothing_protects(scene: Scene) -> None:
    node, home = registered(scene, "valley", "valley"), scene.hospital("valley")
    run = started(scene, control(scene, scene.bare))
    url = f"https://localhost:{scene.bare}"
    with connect.client(replace(home.settings(), port=scene.bare), scene.authority, None) as http:
        fleet = _Client(url, http, node_key(home.node_key))
        fleet.ActivateNode(ActivateNodeRequest(public_key=certificates.public_bytes(home.node_key.read_bytes()), heartbeat_interval=30))
        answer = fleet.GetFab(GetFabRequest(node=Node(node_id=node), hash_str=bundle(scene).hash_str, run_id=run))
    assert answer.fab.content == bundle(scene).content and b"evil.py" in answer.fab.content


@dataclass
class Captive:
    """Our own hospital (north) at a coordinator in wrong hands."""

    scene: Scene
    grid: LinkGrid
    node: int

    def asked(self, seal: Any, names: bool = True, study: Any = STUDY) -> str:
        """What the hospital says when asked to join a study: its fault, or "" if it joins."""
        transport = Transport(self.grid, seal)
        answers = dict(transport.ask({self.node: Plan("join", study.to_table())}, deadline=60))
        return answers[self.node].fault

    def log(self, part: str) -> str:
        """A log of the hospital's."""
        return (self.scene.ours.top / "north" / "logs" / f"{part}.log").read_text()


@pytest.fixture(scope="module")
def captive(scene: Scene) -> Iterator[Captive]:
    made, home = scene.ours, scene.hospital("north")
    node = registered(scene, "north", "south")
    toml_text = home.site_toml.read_text()
    home.site_toml.write_text(toml_text.replace(f"port = {made.port}", f"port = {scene.bare}"))
    made.environment |= smuggled(scene, "north", free=False)
    made.start_site("north")
    grid = LinkGrid(Address(f"localhost:{scene.bare}", made.home / "ca.crt"), taken(scene), made.top / "thief")
    grid.open()
    until(lambda: node in grid.get_node_ids(), "the hospital does not come")
    until(home.socket.exists, "the worker does not come")
    yield Captive(scene, grid, node)
    grid.close("stopped", "")
    made.stop("north")
    home.site_toml.write_text(toml_text)


def smuggled(scene: Scene, site: str, *, free: bool) -> dict[str, str]:
    """An environment in which a hospital's processes run smuggled code."""
    made = scene.ours
    about = {"data": str(made.data / site), "home": str(made.top / site), "port": scene.listener, "free": free}
    house = made.environment["PYTHONPATH"].split(os.pathsep)[-1]
    return {"ROGUE": json.dumps(about), "PYTHONPATH": f"{ROGUE}{os.pathsep}{house}"}


def seal(scene: Scene, key: bytes | None = None, study: Any = STUDY, **changed: str) -> dict[str, Any]:
    """A signed statement about a study, by default a right one."""
    times = {"issued": NOW.isoformat(), "expires": (NOW + timedelta(days=1)).isoformat()}
    statement = Statement(**{"consortium": "trial", "run": "x", "study": study.digest, **times, **changed})
    return signing.sign(statement, key or (scene.ours.home / "coordinator.key").read_bytes())


def test_a_hospital_asks_for_no_code(scene: Scene, captive: Captive) -> None:
    assert captive.asked(seal(scene)) == ""  # it takes part, with a bundle full of code in the run
    calls = [line.split('"')[1].split()[1] for line in (scene.ours.top / "bare.out").read_text().splitlines() if "uvicorn.access" in line]
    assert {"/v1/fleet/pull-messages", "/v1/fleet/push-messages"} <= set(calls)
    assert calls.count("/v1/fleet/get-fab") <= 1  # that of the control, if it has run: not the hospital's
    assert calls.count("/v1/fleet/get-run") == 0
    home = scene.hospital("north").path
    assert not list(home.rglob("*evil*")) and not any(EVIL[:20] in f.read_bytes() for f in home.rglob("*") if f.is_file())


# ---- whose studies a hospital works on ----


def test_a_signed_study_is_worked_on_and_no_other(scene: Scene, captive: Captive) -> None:
    right = seal(scene)
    longer = {**right, "statement": {**right["statement"], "expires": (NOW + timedelta(days=999)).isoformat()}}
    other = studies.parse({**STUDY.to_table(), "seed": 99})
    foreign = certificates.signer(certificates.authority("trial", NOW, 10), "coordinator", NOW, 10).key
    own = scene.hospital("north").identity_key.read_bytes()
    past = seal(scene, issued=(NOW - timedelta(days=9)).isoformat(), expires=(NOW - timedelta(days=1)).isoformat())
    refused = {
        "The study is not signed: a statement and a signature are expected.": [captive.asked({})],
        "The study is not signed by the coordinator's key; it was changed on the way or comes from somebody else.": [
            captive.asked(seal(scene, foreign)),
            captive.asked(seal(scene, own)),
            captive.asked(longer),
        ],
        "The signature is that of another study; the one that came was changed after it was signed.": [captive.asked(right, study=other)],
        "The study is signed for consortium 'another'; this hospital belongs to 'trial'.": [captive.asked(seal(scene, consortium="another"))],
        f"The study's signature expired on {past['statement']['expires']}; the coordinator must submit it again.": [captive.asked(past)],
    }
    for sentence, faults in refused.items():
        assert [fault.replace('"', "'") for fault in faults] == [sentence] * len(faults)
    assert captive.asked(right) == ""


def test_a_hospital_that_calls_itself_by_another_s_name_is_excluded(scene: Scene, captive: Captive) -> None:
    """Its node was enrolled as "south" and it says "north"."""
    with pytest.raises(InputError, match="south: It calls itself 'north', which is not the name that it was enrolled under"):
        join(Transport(captive.grid, seal(scene)), STUDY)

    class Bare(Transport):
        def names(self) -> dict[int, str]:
            return {}  # Flower's own grid knows no names

    assert [member.site for member in join(Bare(captive.grid, seal(scene)), STUDY).members] == ["north"]


# ---- the walls of a hospital, around smuggled code in the real processes ----


def test_smuggled_code_stays_within_the_walls(scene: Scene, captive: Captive) -> None:
    line = until(lambda: _rogue(captive.log("worker")), "the worker's smuggled code says nothing")
    assert line == (
        "rogue worker: connect EACCES, datagram EACCES, list data done, read data done, write data EACCES, identity key done, tls key EACCES"
    )
    line = until(lambda: _rogue(captive.log("gateway")), "the gateway's smuggled code says nothing")
    assert line == (
        "rogue gateway: connect done, datagram done, list data EACCES, read data EACCES, write data EACCES, identity key EACCES, tls key done"
    )


def test_without_the_walls_smuggled_code_does_what_it_likes(scene: Scene) -> None:
    scene.ours.environment |= smuggled(scene, "valley", free=True)
    for part in ("worker", "gateway"):
        scene.ours.start_part("valley", part)
    all_done = "connect done, datagram done, list data done, read data done, write data done, identity key done, tls key done"
    for part in ("worker", "gateway"):
        file = scene.ours.top / f"valley-{part}.out"
        assert until(lambda f=file: _rogue(f.read_text()), "smuggled code says nothing") == f"rogue {part}: {all_done}"
        scene.ours.stop(f"valley-{part}")


def _rogue(text: str) -> str:
    return next((line for line in text.splitlines() if line.startswith("rogue ") and line.endswith(("done", "EACCES"))), "")


# ---- node authentication, and the client certificate before it ----


class Tape:
    """Remembers the headers of the last call, as whoever ends TLS in between could."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}

    def intercept(self, context: Any, call_next: Any) -> Any:
        """Note and pass on."""
        self.headers = {name: value for name, value in context.request.headers.items() if name.startswith("flwr-") or "timestamp" in name}
        return call_next(context)


class Replay:
    """Puts headers of another call on this one."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def intercept(self, context: Any, call_next: Any) -> Any:
        """Pass on with the headers."""
        context.request.headers.update(self.headers)
        return call_next(context)


def recorded(http: httpx.Client, base_url: str, home: Hospital, node: int) -> dict[str, str]:
    """The headers of a heartbeat that a hospital sends itself, and that succeeds."""
    tape, client = Tape(), _Client(base_url, http, node_key(home.node_key))
    client._interceptors = (*client._interceptors, tape)
    assert client.SendNodeHeartbeat(beat(node)).success
    return tape.headers


def replayed(http: httpx.Client, base_url: str, headers: dict[str, str], node: int) -> int:
    """How another call with these headers is answered."""
    thief = over(FleetHttpClient(base_url, interceptors=(Replay(headers),)), http, base_url)
    return status(lambda: thief.PullMessages(PullMessagesRequest(node=Node(node_id=node))))


def test_a_header_is_good_for_another_call_where_nothing_protects(scene: Scene) -> None:
    home, url = scene.hospital("valley"), f"https://localhost:{scene.bare}"
    key = certificates.public_bytes(home.node_key.read_bytes())
    with connect.client(replace(home.settings(), port=scene.bare), scene.authority, None) as http:
        known = control(scene, scene.bare)
        with suppress(httpx.HTTPStatusError):  # another test has registered it
            known.RegisterNode(RegisterNodeRequest(public_key=key, name="valley"))
        node = _Client(url, http, node_key(home.node_key)).ActivateNode(ActivateNodeRequest(public_key=key, heartbeat_interval=30)).node_id
        headers = recorded(http, url, home, node)
    time.sleep(1)
    with connect.client(replace(home.settings(), port=scene.bare), scene.authority, None) as thief:
        assert replayed(thief, url, headers, node) == 200


def test_a_header_in_other_hands_opens_nothing_of_ours(scene: Scene) -> None:
    node = node_of(scene, "north")
    with scene.certified("north") as http, scene.certified("valley") as other, scene.ours.http(None) as nobody:
        url, home = str(http.base_url), scene.hospital("north")
        key = certificates.public_bytes(home.node_key.read_bytes())
        _Client(url, http, node_key(home.node_key)).ActivateNode(ActivateNodeRequest(public_key=key, heartbeat_interval=30))
        headers = recorded(http, url, home, node)
        assert [replayed(hands, url, headers, node) for hands in (nobody, other, http)] == [403, 403, 200]


def test_a_member_is_no_other_member(scene: Scene) -> None:
    with scene.certified("valley") as http:
        url, home = str(http.base_url), scene.hospital("valley")
        foreign = _Client(url, http, node_key(scene.hospital("north").node_key))
        assert status(lambda: foreign.PullMessages(PullMessagesRequest(node=Node(node_id=node_of(scene, "north"))))) == 403
        own = _Client(url, http, node_key(home.node_key))
        assert status(lambda: own.PullMessages(PullMessagesRequest(node=Node(node_id=node_of(scene, "north"))))) == 401


def test_vectors_travel_for_members_only(scene: Scene) -> None:
    name = "0" * 64
    with scene.certified("valley") as member, scene.ours.http(None) as nobody:
        assert [http.get(f"/v1/models/1/{name}").status_code for http in (nobody, member)] == [403, 404]
        assert [http.put(f"/v1/updates/1/{name}", content=b"").status_code for http in (nobody, member)] == [403, 404]
        assert member.get(f"/v1/updates/1/{name}").status_code == 403  # nobody reads what another has sent
        assert member.put(f"/v1/models/1/{name}", content=b"").status_code in (403, 405)
        for path in ("/v1/models/../../ca.key", "/v1/models/1/../../../ca.key", "/v1/models/1/%2e%2e%2f%2e%2e%2fca.key", f"/v1/models/1/{name}/.."):
            raw = member.base_url.copy_with(raw_path=path.encode())
            assert member.send(httpx.Request("GET", raw)).status_code in (400, 404)


# ---- TLS ----


def hello(port: int, home: Path, version: ssl.TLSVersion) -> str | None:
    """The version of TLS that both agree on."""
    context = ssl.create_default_context(cafile=str(home / "ca.crt"))
    context.maximum_version = version
    with socket.create_connection(("localhost", port), 5) as raw, context.wrap_socket(raw, server_hostname="localhost") as secure:
        return secure.version()


def test_tls_1_2_is_refused_unless_configured(scene: Scene, tmp_path: Path) -> None:
    assert hello(scene.bare, scene.ours.home, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert hello(scene.ours.port, scene.ours.home, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        hello(scene.ours.port, scene.ours.home, ssl.TLSVersion.TLSv1_2)
    port, link = free_ports(2)
    table = {"name": "old", "address": "localhost", "port": port, "link_port": link, "min_tls": "1.2", "sites": ["north"]}
    (tmp_path / "c.toml").write_text(toml.dumps(table))
    home = scene.ours.top / "old"  # a short path
    provision(tmp_path / "c.toml", home, NOW)
    for folder in ("run", "logs"):
        (home / folder).mkdir()
    front = proxy.Proxy(home, consortium.read(home / "consortium.toml"))
    front.start(b"")
    try:
        until(lambda: _takes(port), "nginx does not start")
        assert hello(port, home, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    finally:
        front.stop()


def test_a_certificate_that_is_no_client_certificate_of_ours_is_refused(scene: Scene, tmp_path: Path) -> None:
    """One of a foreign authority for the same name; and the hospital's own, but made for signing."""
    home, key = scene.hospital("north"), certificates.private_key("tls")
    foreign = certificates.authority("trial", NOW, 10)
    (tmp_path / "crt").write_bytes(certificates.grant(foreign, certificates.request("north", key), "north", "client", NOW, 5))
    (tmp_path / "key").write_bytes(key)
    settings = replace(home.settings(), port=scene.ours.port)
    for pair in ((tmp_path / "crt", tmp_path / "key"), (home.identity_crt, home.identity_key)):
        with connect.client(settings, scene.authority, pair) as http:
            client = _Client(str(http.base_url), http, node_key(home.node_key))
            assert status(lambda c=client: c.SendNodeHeartbeat(beat(node_of(scene, "north")))) in (400, 403)
    with scene.certified("north") as http:  # the control; "unknown node" would be an answer of Flower's, not of the door
        client = _Client(str(http.base_url), http, node_key(home.node_key))
        assert status(lambda: client.SendNodeHeartbeat(beat(node_of(scene, "north")))) == 200


def test_a_hospital_whose_kit_was_renewed_is_shut_out(scene: Scene) -> None:
    """Also on the connection that it holds; this test is the last to use harbour."""
    small.hospital(scene.ours.data / "harbour", seed=9)
    home = scene.ours.enrol("harbour")
    with scene.certified("harbour") as http:
        client = _Client(str(http.base_url), http, node_key(home.node_key))
        key = certificates.public_bytes(home.node_key.read_bytes())
        until(lambda: status(lambda: client.ActivateNode(ActivateNodeRequest(public_key=key, heartbeat_interval=30))) == 200, "harbour may not enter")
        node = node_of(scene, "harbour")
        assert client.SendNodeHeartbeat(beat(node)).success and http.get("/v1/bell?seconds=0").status_code == 200
        scene.ours.consilium("provision", scene.ours.top / "c.toml", "--out", scene.ours.home, "--renew", "harbour")
        until(lambda: status(lambda: client.SendNodeHeartbeat(beat(node))) == 403, "the old certificate still opens the door", 10)
        assert http.get("/v1/bell?seconds=0").status_code == 403
    with scene.certified("harbour") as again:
        client = _Client(str(again.base_url), again, node_key(home.node_key))
        assert status(lambda: client.SendNodeHeartbeat(beat(node))) == 403
