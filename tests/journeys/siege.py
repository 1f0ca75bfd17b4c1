"""Two servers to attack.

Ours with its proxy, and a stock SuperLink with TLS and node authentication, reachable directly; and
attackers' tools.

The tools are Flower's own client classes; the stock server is the control, on which each attack
succeeds.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import user_config_to_proto
from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.fleet_pb2 import ActivateNodeRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import AcquireTaskRequest
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient

from client.gateway import connection
from client.gateway.fleet_api import _Client, node_key
from client.home import SiteHome
from common.trust import certificates
from server.host.server_home import ServerHome
from server.host.superlink import Address, LinkGrid
from tests import small
from tests.journeys.federation import Federation, federation, until
from tests.journeys.watching import descendants
from tests.ports import free_ports

NOW = datetime.now(UTC)
_AT_ONCE = 3
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
    """Our server with two hospitals enrolled (north, valley) and a third invited,
    and the bare SuperLink.
    """

    ours: Federation
    bare: int
    mark: Path
    listener: int

    @property
    def authority(self) -> bytes:
        """The public CA file: all that an outsider needs."""
        return (self.ours.home / "ca.crt").read_bytes()

    def hospital(self, site: str) -> SiteHome:
        """An enrolled hospital's folder."""
        return SiteHome(self.ours.top / site)

    def certified(self, site: str) -> httpx.Client:
        """What a member's own machine uses to reach the public door."""
        return self.ours.http(site)


@contextmanager
def siege() -> Iterator[Scene]:
    """Our server and the bare one; everything is killed at the end."""
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
    [port] = free_ports(1)
    home = made.home
    words = {
        "--ssl-ca-certfile": home / "ca.crt",
        "--ssl-certfile": home / "server.crt",
        "--ssl-keyfile": home / "server.key",
        "--port": port,
    }
    command = [
        Path(sys.executable).parent / "flower-superlink",
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
    ]
    environment = made.environment | {
        "FLWR_HOME": str(made.top / "flower"),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }
    environment["PATH"] = (
        # it starts its executor by name
        f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    )
    with (made.top / "bare.out").open("wb") as out:
        process = subprocess.Popen(
            [str(word) for word in [*command, *(w for pair in words.items() for w in pair)]],
            env=environment,
            cwd=made.top,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        until(
            lambda: takes(port) or process.poll() is not None, "the bare SuperLink does not start"
        )
        yield port
    finally:
        for child in [
            *descendants(process.pid),
            process.pid,
        ]:  # its executor has a session of its own
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        process.wait()


def takes(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def over(client: Any, http: httpx.Client, base_url: str) -> Any:
    """One of Flower's clients over an HTTP client with a certificate of its own."""
    client._client = http
    client._base_url = base_url.rstrip("/")
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
    content, _ = build_fab_from_files(
        {"pyproject.toml": APP, "evil.py": EVIL.replace(b"MARK", str(scene.mark).encode())}
    )
    return Fab(hash_str=hashlib.sha256(content).hexdigest(), content=content)


def started(scene: Scene, client: Any) -> int:
    return int(
        client.StartRun(
            StartRunRequest(fab=bundle(scene), override_config=user_config_to_proto({"run": "x"}))
        ).run_id
    )


def runtime(scene: Scene, port: int, *interceptors: Any) -> Any:
    """Flower's client of the Runtime API; without its retries, which end the process at a 401."""
    version = RuntimeVersionHttpInterceptor(component_name="flwr-serverapp")
    return RuntimeHttpClient.from_server_address(
        f"localhost:{port}", False, scene.authority, [version, *interceptors]
    )


def acquired(client: Any) -> Any:
    return client.AcquireTask(AcquireTaskRequest(supported_task_types=["flwr-serverapp"]))


def registered(scene: Scene, site: str, name: str) -> None:
    """Let a hospital's node into the bare SuperLink."""
    key = certificates.public_bytes(scene.hospital(site).node_key.read_bytes())
    with suppress(httpx.HTTPStatusError):  # another test has done it
        control(scene, scene.bare).RegisterNode(RegisterNodeRequest(public_key=key, name=name))


def outside(scene: Scene, site: str) -> httpx.Client:
    """A client of the bare SuperLink: only the public CA file is needed."""
    return connection.client(
        replace(scene.hospital(site).settings(), port=scene.bare), scene.authority, None
    )


def activated(scene: Scene, http: httpx.Client, url: str, site: str) -> int:
    """A hospital's node comes online, at the bare SuperLink or at ours; its number."""
    home = scene.hospital(site)
    key = certificates.public_bytes(home.node_key.read_bytes())
    if str(scene.bare) in url:
        registered(scene, site, site)
    client = _Client(url, http, node_key(home.node_key))
    request = ActivateNodeRequest(public_key=key, heartbeat_interval=30)
    with suppress(httpx.HTTPStatusError):  # it is online already
        return int(client.ActivateNode(request).node_id)
    with closing(
        control(scene, scene.bare if str(scene.bare) in url else scene.ours.link)
    ) as inner:
        return next(
            int(node.node_id)
            for node in inner.ListNodes(ListNodesRequest()).nodes_info
            if node.public_key == key
        )


def node_of(scene: Scene, site: str) -> int:
    """A hospital's node on our SuperLink."""
    with ServerHome(scene.ours.home).control() as ours:
        return next(node for node, name in ours.names().items() if name == site)


def beat(node: int) -> SendNodeHeartbeatRequest:
    return SendNodeHeartbeatRequest(node=Node(node_id=node), heartbeat_interval=15)


def taken(scene: Scene) -> str:
    """The token of a ServerApp's task on the bare SuperLink, whose own executor takes one task a
    second: of several at once one is left.
    """
    with (
        closing(runtime(scene, scene.bare)) as thief,
        closing(control(scene, scene.bare)) as client,
    ):
        for _ in range(8):
            for _ in range(_AT_ONCE):
                started(scene, client)
            tokens = [str(acquired(thief).token) for _ in range(_AT_ONCE)]
            if token := next(filter(None, tokens), ""):
                return token
    raise AssertionError("the executor was faster each time")


@contextmanager
def stolen(scene: Scene) -> Iterator[LinkGrid]:
    """A run on the bare SuperLink whose ServerApp is the attacker."""
    grid = LinkGrid(
        Address(f"localhost:{scene.bare}", scene.ours.home / "ca.crt"),
        taken(scene),
        scene.ours.top / "thief",
    )
    try:
        grid.open()
        yield grid
    finally:
        grid.close("stopped", "")
