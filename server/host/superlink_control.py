"""The SuperLink's Control API, which only the server host itself reaches.

Submit and stop runs, register hospitals' node keys.

What is submitted carries no code: the bundle holds one ``pyproject.toml`` that names the two
installed apps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import user_config_to_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.proto.fab_pb2 import Fab
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.error import FlowerError

from common.errors import ConsiliumError

T = TypeVar("T")
_BUNDLE = b"""[project]
name = "consilium-study"
version = "1.0.0"
description = "Names the installed apps; holds no code"
license = "Apache-2.0"

[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[tool.flwr.app]
publisher = "consilium"

[tool.flwr.app.components]
serverapp = "server.app:app"
clientapp = "client.app:app"

[tool.flwr.app.config]
run = ""
"""


class ControlError(ConsiliumError):
    """The SuperLink cannot be reached or refuses."""


@dataclass(frozen=True)
class RunState:
    """A run as the SuperLink sees it.

    "pending", "starting", "running" or "finished", with "completed", "failed" or "stopped" and why.
    """

    run_id: int
    status: str
    outcome: str
    details: str


class Control:
    """A client of the Control API on this host."""

    def __init__(self, address: str, authority: Path) -> None:
        self._address = address
        self._client = ControlHttpClient.from_server_address(
            address, False, authority.read_bytes(), []
        )

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def submit(self, run: str) -> int:
        """Queue a run; its request lies in the run's folder under that name.

        Returns:
            Flower's number of the run.
        """
        bundle, _ = build_fab_from_files({"pyproject.toml": _BUNDLE})
        fab = Fab(hash_str=hashlib.sha256(bundle).hexdigest(), content=bundle)
        request = StartRunRequest(fab=fab, override_config=user_config_to_proto({"run": run}))
        return int(self._call(lambda: self._client.StartRun(request).run_id))

    def stop(self, run_id: int) -> bool:
        """Stop a run; False if it had ended before."""
        return bool(self._call(lambda: self._client.StopRun(StopRunRequest(run_id=run_id)).success))

    def runs(self) -> dict[int, RunState]:
        """Every run, by number."""
        listed = self._call(lambda: self._client.ListRuns(ListRunsRequest()).run_dict)
        return {
            number: RunState(number, run.status.status, run.status.sub_status, run.status.details)
            for number, run in listed.items()
        }

    def register(self, name: str, public_key: bytes) -> int:
        """Let the holder of a node key in (PEM); returns Flower's number of the node."""
        request = RegisterNodeRequest(public_key=public_key, name=name)
        return int(self._call(lambda: self._client.RegisterNode(request).node_id))

    def unregister(self, node: int) -> None:
        """Shut a node out for good."""
        self._call(lambda: self._client.UnregisterNode(UnregisterNodeRequest(node_id=node)))

    def online(self) -> set[int]:
        """Numbers of the nodes that send heartbeats."""
        return {node.node_id for node in self._nodes() if node.status == "online"}

    def names(self) -> dict[int, str]:
        """Names of the registered nodes by number."""
        return {node.node_id: node.name for node in self._nodes()}

    def node_keys(self) -> dict[int, bytes]:
        """Public keys (PEM) of the registered nodes by number."""
        return {node.node_id: node.public_key for node in self._nodes()}

    def _nodes(self) -> list[NodeInfo]:
        listed = self._call(lambda: self._client.ListNodes(ListNodesRequest()).nodes_info)
        return [node for node in listed if node.status != "unregistered"]

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except httpx.TransportError as error:
            raise ControlError(
                f"The server on this host does not answer at {self._address} "
                f"({type(error).__name__}); start it with: consilium server start."
            ) from None
        except httpx.HTTPStatusError as error:
            refusal = FlowerError.from_json(error.response.text)
            reason = (
                (refusal.public_details or refusal.message)
                if refusal
                else error.response.status_code
            )
            raise ControlError(f"The SuperLink refuses: {reason}.") from None
