"""A hospital's connection against a small coordinator on loopback that speaks the Fleet calls,
and fails when it is told to.
"""

from __future__ import annotations

import hashlib
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from flwr.app import Message
from flwr.proto import fleet_pb2, heartbeat_pb2, message_pb2
from flwr.supercore.task_identity import TaskIdentity

from client.gateway import fleet_api, retries
from client.gateway.fleet_api import Fleet
from client.gateway.retries import FleetError, OverError
from common.protocol import flower_objects
from common.protocol.envelopes import Envelope
from common.protocol.flower_objects import Reference
from common.trust import certificates
from tests.patience import patient, until

CALLS: dict[str, tuple[Any, Any]] = {
    "activate-node": (
        fleet_pb2.ActivateNodeRequest,
        lambda _: fleet_pb2.ActivateNodeResponse(node_id=77),
    ),
    "deactivate-node": (
        fleet_pb2.DeactivateNodeRequest,
        lambda _: fleet_pb2.DeactivateNodeResponse(),
    ),
    "send-node-heartbeat": (
        heartbeat_pb2.SendNodeHeartbeatRequest,
        lambda _: heartbeat_pb2.SendNodeHeartbeatResponse(success=True),
    ),
    "confirm-message-received": (
        message_pb2.ConfirmMessageReceivedRequest,
        lambda _: message_pb2.ConfirmMessageReceivedResponse(),
    ),
}
DROPPED = 0
"""Instead of a status: the connection breaks."""


class Coordinator:
    """What the coordinator has and got.

    ``trouble``: for a call, statuses that come before it works.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.keys: set[str | None] = set()
        self.trouble: dict[str, deque[int]] = {}
        self.questions: list[tuple[Any, Any]] = []
        self.stored: dict[str, bytes] = {}
        self.models: dict[str, bytes] = {}
        self.updates: dict[str, bytes] = {}
        self.pushed: list[fleet_pb2.PushMessagesRequest] = []
        self.rings = 0
        self.cut = 0
        self.bell = True

    def fails(self, call: str, *statuses: int) -> None:
        self.trouble[call] = deque(statuses)

    def ask(self, text: str, vector: np.ndarray | None = None) -> str:
        """Queue a question; returns its name."""
        TaskIdentity.run_id = 5
        TaskIdentity.node_id = 1
        TaskIdentity.task_id = 1
        reference = None
        if vector is not None:
            reference = Reference(vector.size, hashlib.sha256(vector.tobytes()).hexdigest())
            self.models[f"/v1/models/5/{reference.sha256}"] = vector.tobytes()
        message = Message(flower_objects.Content(text, reference), 77, "train", group_id="3")
        proto, tree = flower_objects.envelope(message)
        flower_objects.send(
            [message],
            {tree.object_id, *(child.object_id for child in tree.children)},
            self.stored.__setitem__,
        )
        self.questions.append((proto, tree))
        return message.metadata.message_id

    def answered(self) -> tuple[str, Reference | None]:
        """The text of the last answer and what it says about its vector."""
        return flower_objects.receive(
            self.pushed[-1].message_object_trees[0], self.stored.__getitem__
        )

    def fleet(self, call: str, body: bytes) -> Any:
        if call in CALLS:
            kind, reply = CALLS[call]
            return reply(kind.FromString(body))
        return {
            "pull-messages": self._pull,
            "push-messages": self._push,
            "pull-object": self._give,
            "push-object": self._take,
        }[call](body)

    def _pull(self, body: bytes) -> Any:
        if not self.questions:
            return fleet_pb2.PullMessagesResponse()
        proto, tree = self.questions.pop(0)
        return fleet_pb2.PullMessagesResponse(messages_list=[proto], message_object_trees=[tree])

    def _push(self, body: bytes) -> Any:
        self.pushed.append(fleet_pb2.PushMessagesRequest.FromString(body))
        [tree] = self.pushed[-1].message_object_trees
        objects = [tree.object_id, *(child.object_id for child in tree.children)]
        return fleet_pb2.PushMessagesResponse(objects_to_push=objects, session_id="s")

    def _give(self, body: bytes) -> Any:
        name = message_pb2.PullObjectRequest.FromString(body).object_id
        return message_pb2.PullObjectResponse(
            object_found=True, object_available=True, object_content=self.stored[name]
        )

    def _take(self, body: bytes) -> Any:
        asked = message_pb2.PushObjectRequest.FromString(body)
        self.stored[asked.object_id] = asked.object_content
        return message_pb2.PushObjectResponse(stored=True)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *_: Any) -> None: ...

    def _answer(self) -> None:
        coordinator = self.server.coordinator
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = self.path.split("?")[0]
        call = (
            place.removeprefix("/v1/fleet/")
            if place.startswith("/v1/fleet/")
            else "/".join(place.split("/")[2:3])
        )
        coordinator.calls.append(call)
        waiting = coordinator.trouble.get(call)
        status = waiting.popleft() if waiting else 200
        if status == DROPPED:
            self.close_connection = True
        elif status != 200:
            self._reply(status, b"")
        else:
            self._reply(*self._content(call, place, body))

    def _content(self, call: str, place: str, body: bytes) -> tuple[int, bytes]:
        coordinator = self.server.coordinator
        if place.startswith("/v1/fleet/"):
            coordinator.keys.add(self.headers.get("flwr-public-key"))
            return 200, coordinator.fleet(call, body).SerializeToString()
        if call == "bell" and coordinator.bell:
            coordinator.rings += self.command == "POST"
            return 200, b"4"
        if call == "models":
            return self._model(coordinator.models[place])
        if call == "updates":
            coordinator.updates[place] = body
            return 201, b""
        return 404, b""

    def _model(self, content: bytes) -> tuple[int, bytes]:
        first = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        if self.server.coordinator.cut and not first:  # the announced length never comes
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: self.server.coordinator.cut])
            self.wfile.flush()
            self.connection.close()
            raise ConnectionAbortedError
        return (206 if first else 200), content[first:]

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Hasty(threading.Event):
    """An event that cuts the short pauses between two attempts shorter."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(0.02 if timeout is not None and timeout < 1 else timeout)


class Server(ThreadingHTTPServer):
    coordinator: Coordinator
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None: ...


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


@pytest.fixture
def connect(
    coordinator: Coordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Fleet]]:
    """Makes a connection; what broke it is in ``coordinator.broken``."""
    monkeypatch.setattr(retries, "_GRACE", 0.3)
    (tmp_path / "node.key").write_bytes(certificates.private_key("node"))
    server = Server(("127.0.0.1", 0), Handler)
    server.coordinator = coordinator
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    with httpx.Client(trust_env=False, timeout=patient(10), verify=False) as http:

        def made(
            stop: threading.Event | None = None,
            broken: Callable[[BaseException], None] = lambda _: None,
        ) -> Fleet:
            key = fleet_api.node_key(tmp_path / "node.key")
            return Fleet(
                f"http://127.0.0.1:{server.server_port}", http, key, stop or Hasty(), broken
            )

        yield made
    server.shutdown()
    server.server_close()
    thread.join()


Connect = Callable[..., Fleet]
NEVER = 1e6
"""Seconds after which a test has long been ended as hanging."""
VECTOR = np.random.default_rng(0).normal(size=300_000).astype("<f4")


@pytest.mark.parametrize("vector", [None, VECTOR[:0], VECTOR], ids=["none", "empty", "1.2 MB"])
def test_a_question_and_its_answer_arrive_bit_by_bit(
    connect: Connect, coordinator: Coordinator, vector: np.ndarray | None
) -> None:
    name = coordinator.ask("question é", vector)
    with connect() as fleet:
        question = fleet.receive()
        assert question is not None and question.envelope.text == "question é"
        delivered = question.envelope.vector
        assert (
            (delivered is None)
            if vector is None
            else (delivered is not None and delivered.tobytes() == vector.tobytes())
        )
        assert (question.message.metadata.group_id, question.message.metadata.message_type) == (
            "3",
            "train",
        )
        assert "confirm-message-received" in coordinator.calls and fleet.receive() is None
        fleet.answer(question, Envelope("answer é", None if vector is None else -vector), 1.5)
    text, reference = coordinator.answered()
    proto = coordinator.pushed[-1].messages_list[0]
    assert (
        text == "answer é"
        and proto.metadata.reply_to_message_id == name
        and proto.metadata.src_node_id == 77
    )
    assert (reference is None) == (vector is None)
    if vector is not None and reference is not None:
        assert coordinator.updates[f"/v1/updates/5/{name}"] == (-vector).tobytes()
        assert reference == Reference(vector.size, hashlib.sha256((-vector).tobytes()).hexdigest())
    assert coordinator.rings == 1 and coordinator.calls[-1] == "deactivate-node"
    assert len(coordinator.keys) == 1 and None not in coordinator.keys


def test_no_code_is_ever_asked_for(connect: Connect, coordinator: Coordinator) -> None:
    coordinator.ask("{}")
    with connect() as fleet:
        question = fleet.receive()
        assert question is not None
        fleet.answer(question, Envelope("{}"), 0.1)
    assert {"get-fab", "get-run"}.isdisjoint(coordinator.calls)


@pytest.mark.parametrize(
    "call",
    [
        "activate-node",
        "pull-messages",
        "pull-object",
        "models",
        "push-messages",
        "push-object",
        "updates",
    ],
)
@pytest.mark.parametrize("status", [DROPPED, 503])
def test_a_call_that_fails_in_passing_is_made_again(
    connect: Connect, coordinator: Coordinator, call: str, status: int
) -> None:
    coordinator.fails(call, status)
    coordinator.ask("{}", VECTOR)
    broken: list[BaseException] = []
    with connect(broken=broken.append) as fleet:
        question = fleet.receive()
        assert question is not None and question.envelope.vector is not None
        fleet.answer(question, Envelope("yes", question.envelope.vector), 0.1)
    assert coordinator.answered()[0] == "yes" and coordinator.calls.count(call) >= 2
    assert len(broken) == 1 and isinstance(broken[0], httpx.HTTPError)


def test_a_model_that_breaks_off_goes_on_where_it_broke(
    connect: Connect, coordinator: Coordinator
) -> None:
    coordinator.cut = 1_000_000
    coordinator.ask("{}", VECTOR)
    with connect() as fleet:
        question = fleet.receive()
    assert (
        question is not None
        and question.envelope.vector is not None
        and question.envelope.vector.tobytes() == VECTOR.tobytes()
    )
    assert coordinator.calls.count("models") == 2


def test_a_refusal_is_final_after_the_grace(connect: Connect, coordinator: Coordinator) -> None:
    coordinator.fails("activate-node", *[403] * 100)
    with (
        pytest.raises(
            FleetError,
            match=r"refuses this hospital \(status 403\); ask it whether the enrolment was revoked",
        ),
        connect(),
    ):
        pass
    assert coordinator.calls.count("activate-node") >= 2


def test_a_refusal_before_the_proxy_has_heard_of_a_new_hospital_is_not_final(
    connect: Connect, coordinator: Coordinator
) -> None:
    coordinator.fails("activate-node", 403)
    with connect() as fleet:
        assert fleet.receive() is None


def test_a_hospital_that_is_not_let_in_any_more_is_told_and_never_interrupted(
    connect: Connect, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flower's own client sends SIGINT to its process at status 401,
    from whichever thread meets it.
    """
    monkeypatch.setattr(fleet_api, "_HEARTBEAT", 0.06)
    interrupts: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        with connect() as fleet:
            coordinator.fails("send-node-heartbeat", *[401] * 100)
            coordinator.fails("pull-messages", *[401] * 100)
            with pytest.raises(FleetError, match=r"refuses this hospital \(status 401\)"):
                fleet.receive()
            until(lambda: "send-node-heartbeat" in coordinator.calls)
    finally:
        signal.signal(signal.SIGINT, before)
    assert interrupts == []


def test_another_refusal_blames_the_message(connect: Connect, coordinator: Coordinator) -> None:
    with connect() as fleet:
        coordinator.fails("pull-messages", *[400] * 100)
        with pytest.raises(FleetError, match=r"refuses a message \(status 400\); its log says why"):
            fleet.receive()


def test_a_hospital_that_stops_waits_for_nothing(
    connect: Connect, coordinator: Coordinator
) -> None:
    stop = threading.Event()
    coordinator.fails("pull-messages", *[503] * 1000)
    with (
        connect(stop, lambda _: stop.set()) as fleet,
        pytest.raises(FleetError, match="This hospital stops"),
    ):
        fleet.receive()


def test_leaving_a_coordinator_that_is_gone_is_told_and_no_error(
    connect: Connect, coordinator: Coordinator
) -> None:
    broken: list[BaseException] = []
    with connect(broken=broken.append):
        coordinator.fails("deactivate-node", DROPPED)
    assert len(broken) == 1


def test_the_heart_beats_while_the_worker_works_and_through_failures(
    connect: Connect, coordinator: Coordinator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_api, "_HEARTBEAT", 0.06)
    coordinator.fails("send-node-heartbeat", 503, DROPPED, 403)
    with connect():
        until(
            lambda: coordinator.calls.count("send-node-heartbeat") >= 6
        )  # nothing else is called meanwhile
    until(lambda: not any(thread.name == "heartbeat" for thread in threading.enumerate()))


def test_the_bell_ends_the_wait(connect: Connect, coordinator: Coordinator) -> None:
    with connect() as fleet:
        fleet.wait(NEVER)
        assert "bell" in coordinator.calls


class Watched(threading.Event):
    """An event that notes for how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float | None] = []

    def wait(self, timeout: float | None = None) -> bool:
        if threading.current_thread() is threading.main_thread():
            self.seconds.append(timeout)
            return self.is_set()
        return super().wait(timeout)


@pytest.mark.parametrize("trouble", [DROPPED, 403, 502])
def test_without_a_bell_it_looks_at_the_old_pace(
    connect: Connect, coordinator: Coordinator, trouble: int
) -> None:
    coordinator.fails("bell", trouble)
    stop = Watched()
    with connect(stop) as fleet:
        fleet.wait(0.25)
        assert stop.seconds == [0.25]


def test_an_answer_is_sent_without_a_bell_too(connect: Connect, coordinator: Coordinator) -> None:
    coordinator.bell = False
    coordinator.ask("{}")
    with connect() as fleet:
        question = fleet.receive()
        assert question is not None
        fleet.answer(question, Envelope("yes"), 0.1)
    assert coordinator.answered()[0] == "yes" and coordinator.rings == 0


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.key").write_bytes(certificates.private_key("identity"))
    with pytest.raises(FleetError, match="the node key does not hold one; enrol again"):
        fleet_api.node_key(tmp_path / "node.key")


@pytest.mark.parametrize(
    ("status", "body", "over"),
    [
        (403, {"code": 2007, "detail": "x"}, True),
        (403, {"code": 2001, "detail": "x"}, False),
        (403, None, False),
    ],
)
def test_a_stopped_run_is_told_from_a_refused_hospital(
    connect: Connect,
    coordinator: Coordinator,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    body: object,
    over: bool,
) -> None:
    with connect() as fleet:
        answer = httpx.Response(
            status, json=body, request=httpx.Request("POST", "https://localhost")
        )

        def refused() -> None:
            answer.raise_for_status()

        monkeypatch.setattr(retries, "_GRACE", 0.0)
        with pytest.raises(FleetError) as caught:
            fleet._try(refused)
        assert isinstance(caught.value, OverError) is over
