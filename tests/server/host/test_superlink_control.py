"""The Control API: what a submission carries, and every failure as one sentence."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.node_pb2 import NodeInfo

from server.host.superlink_control import Control, ControlError

REQUEST = httpx.Request("POST", "https://localhost/v1/control/x")


class Client:
    """A Control API that answers from memory.

    Attributes:
        nodes: what is registered.
        started: the requests to start a run.
        fault: raised by every call, if there is one.
    """

    def __init__(self, fault: Exception | None = None) -> None:
        self.nodes = [
            NodeInfo(node_id=1, name="north", status="online", public_key=b"N"),
            NodeInfo(node_id=2, name="valley", status="offline", public_key=b"V"),
            NodeInfo(node_id=3, name="north", status="unregistered", public_key=b"O"),
        ]
        self.started: list[StartRunRequest] = []
        self.fault = fault

    def _answer(self, value: Any) -> Any:
        if self.fault is not None:
            raise self.fault
        return value

    def StartRun(self, request: StartRunRequest) -> Any:  # noqa: N802 - as Flower calls it
        self.started.append(request)
        return self._answer(SimpleNamespace(run_id=71))

    def ListRuns(self, _: object) -> Any:  # noqa: N802 - as Flower calls it
        status = SimpleNamespace(status="finished", sub_status="failed", details="Full.")
        return self._answer(SimpleNamespace(run_dict={71: SimpleNamespace(status=status)}))

    def ListNodes(self, _: object) -> Any:  # noqa: N802 - as Flower calls it
        return self._answer(SimpleNamespace(nodes_info=self.nodes))

    def close(self) -> None: ...


def control(client: Client) -> Control:
    """The control over a client from memory."""
    opened: Any = Control.__new__(Control)
    opened._address, opened._client = "127.0.0.1:9000", client
    return opened


def test_what_is_submitted_carries_no_code() -> None:
    client = Client()
    with control(client) as opened:
        assert opened.submit("lungs-1") == 71
    [request] = client.started
    assert request.override_config["run"].string == "lungs-1"
    with zipfile.ZipFile(io.BytesIO(request.fab.content)) as bundle:
        names = [name for name in bundle.namelist() if not name.startswith(".")]
        text = bundle.read("pyproject.toml").decode()
    assert names == ["pyproject.toml"]
    assert 'serverapp = "server.app:app"' in text and 'clientapp = "client.app:app"' in text


def test_a_run_comes_with_how_it_ended() -> None:
    [state] = control(Client()).runs().values()
    assert (state.run_id, state.status, state.outcome, state.details) == (
        71,
        "finished",
        "failed",
        "Full.",
    )


def test_a_node_that_was_shut_out_is_no_node() -> None:
    opened = control(Client())
    assert opened.names() == {1: "north", 2: "valley"}
    assert opened.node_keys() == {1: b"N", 2: b"V"}
    assert opened.online() == {1}


CALLS: list[Callable[[Control], object]] = [
    lambda opened: opened.submit("x"),
    lambda opened: opened.runs(),
    lambda opened: opened.names(),
]


@pytest.mark.parametrize("call", CALLS, ids=["submit", "runs", "names"])
def test_a_server_that_does_not_answer_is_one_sentence(call: Callable[[Control], object]) -> None:
    opened = control(Client(httpx.ConnectError("refused", request=REQUEST)))
    with pytest.raises(
        ControlError,
        match=r"^The server on this host does not answer at 127\.0\.0\.1:9000 \(ConnectError\); "
        r"start it with: consilium server start\.$",
    ):
        call(opened)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (
            json.dumps({"code": 1, "detail": "Busy", "extra": "It is full"}),
            "The SuperLink refuses: It is full.",
        ),
        ("no JSON", "The SuperLink refuses: 409."),
    ],
)
def test_a_refusal_is_told_with_its_reason(body: str, sentence: str) -> None:
    response = httpx.Response(409, text=body, request=REQUEST)
    fault = httpx.HTTPStatusError("409", request=REQUEST, response=response)
    with pytest.raises(ControlError) as refusal:
        control(Client(fault)).runs()
    assert str(refusal.value) == sentence
