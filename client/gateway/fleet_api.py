"""Flower's Fleet API as a hospital sees it: the one file here that depends on Flower's internals.

Stock SuperNodes fetch an app bundle and start a process for each message. This speaks the same
protocol and does neither: no code can arrive, because nothing here asks for any. It brings its own
HTTP client, because Flower's cannot present a client certificate.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from flwr.app import Message
from flwr.common.serde import message_from_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.error import FlowerError
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.interceptors.http.runtime_version import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supercore.task_identity import TaskIdentity
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from client.gateway import vector_client
from client.gateway.retries import FleetError, Retries
from common.errors import WireError
from common.protocol import flower_objects
from common.protocol.envelopes import Envelope
from common.sentences.table import Sentence

_HEARTBEAT = 15.0
"""Seconds between heartbeats; the coordinator gives a hospital up after two."""
_LONGEST_NOTICE = 40.0
"""Seconds that the coordinator may keep a request open until it has a question."""
_RUN_OVER = 2007
"""ApiErrorCode.FLEET_RUN_STATUS_NOT_ALLOWED of flwr 1.41."""


def node_key(path: Path) -> EllipticCurvePrivateKey:
    """The hospital's node key.

    Raises:
        FleetError: the file holds another kind of key.
    """
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, EllipticCurvePrivateKey):
        raise FleetError("coordinator.node_key", f"{path} does not hold a node key")
    return key


@dataclass(frozen=True)
class Delivery:
    """A message of the coordinator.

    Attributes:
        message: Flower's message.
        envelope: ours within it; empty if it could not be read.
        fault: why it could not be read.
        broken: the same in more words, for the log.
    """

    message: Message
    envelope: Envelope
    fault: Sentence | None = None
    broken: str = ""


class _Client(FleetHttpClient):
    """Flower's client over an HTTP client of ours."""

    def __init__(self, base_url: str, http: httpx.Client, key: EllipticCurvePrivateKey) -> None:
        self._base_url = base_url.rstrip("/")
        self._interceptors = (
            RuntimeVersionHttpInterceptor(component_name="SuperNode"),
            NodeAuthHttpInterceptor(key, key.public_key()),
        )
        self._retry_invoker = None
        self._client = http


class Fleet:
    """One hospital's connection.

    Args:
        base_url: ``https://host:port`` of the coordinator.
        http: client that knows certificates and proxy.
        key: the hospital's node key.
        stop: ends every wait.
        broken: told the error when the connection breaks, and again now and then.
    """

    def __init__(
        self,
        base_url: str,
        http: httpx.Client,
        key: EllipticCurvePrivateKey,
        stop: threading.Event,
        broken: Callable[[BaseException], None],
    ) -> None:
        self._client = _Client(base_url, http, key)
        self._stop = stop
        self._broken = broken
        self._base_url = base_url.rstrip("/")
        self._http = http
        self._notice = -1
        self._try = Retries(stop, broken, _is_over).call
        self._public_key = public_key_to_bytes(key.public_key())
        self._node = Node()
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Fleet:
        request = ActivateNodeRequest(public_key=self._public_key, heartbeat_interval=_HEARTBEAT)
        self._node = Node(node_id=self._try(lambda: self._client.ActivateNode(request)).node_id)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        try:
            self._client.DeactivateNode(DeactivateNodeRequest(node_id=self._node.node_id))
        except (httpx.HTTPError, RuntimeError) as error:
            # The coordinator will notice by itself that no heart beats.
            self._broken(error)

    def receive(self) -> Delivery | None:
        """The next question, complete, or None."""
        response = self._try(
            lambda: self._client.PullMessages(PullMessagesRequest(node=self._node))
        )
        if not response.messages_list:
            return None
        message = message_from_proto(response.messages_list[0])
        tree = response.message_object_trees[0]
        run = message.metadata.run_id
        envelope = Envelope("")
        fault: Sentence | None = None
        broken = ""
        try:
            vector_client.check_name(message.metadata.message_id)
            envelope = self._envelope(run, tree)
        except WireError as error:
            fault = error.sentence
            broken = str(error)
        # Also for one that cannot be read: else it would come again and again.
        confirm = make_confirm_message_received_fn_protobuf(
            lambda request: self._try(lambda: self._client.ConfirmMessageReceived(request)),
            self._node,
            run,
        )
        confirm(message.metadata.message_id)
        return Delivery(message, envelope, fault, broken)

    def _envelope(self, run: int, tree: Any) -> Envelope:
        """Text and vector of a message.

        Raises:
            WireError: what came breaks a rule.
        """
        pull = make_pull_object_fn_protobuf(
            lambda request: self._try(lambda: self._client.PullObject(request)), self._node, run
        )
        text, reference = flower_objects.receive(tree, pull)
        if reference is None:
            return Envelope(text)
        vector = vector_client.fetch(
            self._http, self._base_url, run, reference=reference, retry=self._try
        )
        return Envelope(text, vector)

    def wait(self, seconds: float) -> None:
        """Until the coordinator notifies that it may have asked something; else so many seconds."""
        try:
            response = self._http.get(
                f"{self._base_url}/v1/bell",
                params={"after": self._notice},
                timeout=_LONGEST_NOTICE,
            )
            response.raise_for_status()
            self._notice = int(response.text)
        except (httpx.HTTPError, ValueError):
            self._stop.wait(seconds)

    def answer(self, question: Delivery, envelope: Envelope, seconds: float) -> None:
        """Send an answer."""
        run = question.message.metadata.run_id
        # Where Flower reads the sender.
        TaskIdentity.run_id = run
        TaskIdentity.node_id = self._node.node_id
        TaskIdentity.task_id = 0
        reference = None
        if envelope.vector is not None:
            reference = vector_client.send(
                self._http,
                self._base_url,
                run,
                message=question.message.metadata.message_id,
                vector=envelope.vector,
                retry=self._try,
            )
        message = Message(
            flower_objects.Content(envelope.text, reference), reply_to=question.message
        )
        proto, tree = flower_objects.envelope(message)
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[proto],
            message_object_trees=[tree],
            clientapp_runtime_list=[seconds],
        )
        response = self._try(lambda: self._client.PushMessages(request))
        push = make_push_object_fn_protobuf(
            lambda request: self._try(lambda: self._client.PushObject(request)),
            self._node,
            run,
            response.session_id,
        )
        flower_objects.send([message], set(response.objects_to_push), push)
        try:
            self._http.post(f"{self._base_url}/v1/bell")
        # The coordinator looks by itself too.
        except httpx.HTTPError:
            return

    def _beat(self) -> None:
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=_HEARTBEAT)
        while not self._stop.wait(_HEARTBEAT / 3):
            try:
                self._client.SendNodeHeartbeat(request)
            # The main loop tells; the next beat tries again.
            except (httpx.HTTPError, RuntimeError):
                continue


def _is_over(error: httpx.HTTPError) -> bool:
    """Whether this is Flower's answer to a call about a run that was stopped."""
    # Its status is that of a hospital that is refused; only the code in the body tells them apart.
    if (
        not isinstance(error, httpx.HTTPStatusError)
        or error.response.status_code != httpx.codes.FORBIDDEN
    ):
        return False
    try:
        refused = FlowerError.from_json(error.response.text)
    # Of a vector's call, which is not Flower's.
    except httpx.ResponseNotRead:
        return False
    return refused is not None and refused.code == _RUN_OVER
