"""Flower's Fleet API as a hospital sees it: the one file of the hospital's side that depends on Flower's internals.

Stock SuperNodes fetch an app bundle and start a process for each message. This speaks the same protocol and does neither: no code can arrive,
because nothing here asks for any. It brings its own HTTP client, because Flower's cannot present a client certificate.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

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
from common.errors import SiteError, WireError
from common.protocol import flower_objects
from common.protocol.envelopes import Envelope
from common.sentences.table import Sentence

R = TypeVar("R")
_HEARTBEAT = 15.0
"""Seconds between heartbeats; the coordinator gives a hospital up after two."""
_LONGEST_WAIT = 20.0
_LONGEST_RING = 40.0
_GRACE = 10.0
"""Seconds for which a refusal may be the proxy's that has not heard of a new hospital yet."""
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_UNAVAILABLE = 409
_RUN_OVER = 2007
"""ApiErrorCode.FLEET_RUN_STATUS_NOT_ALLOWED of flwr 1.41."""


class FleetError(SiteError):
    """The coordinator refuses this hospital; trying again does not help."""


class OverError(FleetError):
    """The coordinator takes no more of this run or message; the next one may go well."""


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
    """A message of the coordinator: Flower's envelope and our letter; ``fault`` says why the letter could not be read, ``broken`` in more words."""

    message: Message
    letter: Envelope
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
        self._client, self._stop, self._broken = _Client(base_url, http, key), stop, broken
        self._base_url, self._http, self._rung = base_url.rstrip("/"), http, -1
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
            self._broken(error)  # it will notice that no heart beats

    def receive(self) -> Delivery | None:
        """The next question, complete, or None."""
        response = self._try(
            lambda: self._client.PullMessages(PullMessagesRequest(node=self._node))
        )
        if not response.messages_list:
            return None
        message, tree = (
            message_from_proto(response.messages_list[0]),
            response.message_object_trees[0],
        )
        run, name = message.metadata.run_id, message.metadata.message_id
        pull = make_pull_object_fn_protobuf(
            lambda request: self._try(lambda: self._client.PullObject(request)), self._node, run
        )
        letter, fault, broken = Envelope(""), None, ""
        try:
            text, reference = flower_objects.receive(tree, pull)
            vector = (
                None
                if reference is None
                else vector_client.fetch(self._http, self._base_url, run, reference, self._try)
            )
            letter = Envelope(text, vector)
        except WireError as error:
            fault, broken = error.sentence, str(error)
        confirm = make_confirm_message_received_fn_protobuf(
            lambda request: self._try(lambda: self._client.ConfirmMessageReceived(request)),
            self._node,
            run,
        )
        confirm(name)
        return Delivery(message, letter, fault, broken)

    def wait(self, seconds: float) -> None:
        """Until the coordinator may have asked something: it rings; without its bell, so many seconds."""
        try:
            response = self._http.get(
                f"{self._base_url}/v1/bell", params={"after": self._rung}, timeout=_LONGEST_RING
            )
            response.raise_for_status()
            self._rung = int(response.text)
        except (httpx.HTTPError, ValueError):
            self._stop.wait(seconds)

    def answer(self, question: Delivery, letter: Envelope, seconds: float) -> None:
        """Send an answer."""
        run = question.message.metadata.run_id
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = (
            run,
            self._node.node_id,
            0,
        )  # where Flower reads the sender
        reference = None
        if letter.vector is not None:
            reference = vector_client.send(
                self._http,
                self._base_url,
                run,
                question.message.metadata.message_id,
                letter.vector,
                self._try,
            )
        message = Message(flower_objects.Content(letter.text, reference), reply_to=question.message)
        proto, tree = flower_objects.envelope(message)
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[proto],
            message_object_trees=[tree],
            clientapp_runtime_list=[seconds],
        )
        response = self._try(lambda: self._client.PushMessages(request))
        push = make_push_object_fn_protobuf(
            lambda one: self._try(lambda: self._client.PushObject(one)),
            self._node,
            run,
            response.session_id,
        )
        flower_objects.send([message], set(response.objects_to_push), push)
        try:
            self._http.post(f"{self._base_url}/v1/bell")
        except httpx.HTTPError:  # the coordinator looks by itself too
            return

    def _beat(self) -> None:
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=_HEARTBEAT)
        while not self._stop.wait(_HEARTBEAT / 3):
            try:
                self._client.SendNodeHeartbeat(request)
            except (
                httpx.HTTPError,
                RuntimeError,
            ):  # the main loop tells; the next beat tries again
                continue

    def _try(self, call: Callable[[], R]) -> R:
        """``call`` until it succeeds, the hospital is refused, or this process is to stop."""
        wait, failed, began = 0.2, False, time.monotonic()
        while True:
            try:
                result = call()
            except httpx.HTTPError as error:
                if _is_over(error):
                    raise OverError("coordinator.run_over") from None
                if _is_final(error) and time.monotonic() - began > _GRACE:
                    raise _refusal(error) from None
                if not failed or wait >= _LONGEST_WAIT:
                    self._broken(error)
                failed = True
                if self._stop.wait(wait):
                    raise FleetError("coordinator.stopping") from None
                wait = min(2 * wait, _LONGEST_WAIT)
            else:
                return result


def _is_final(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in (
        *_PASSING,
        _UNAVAILABLE,
    )


def _is_over(error: httpx.HTTPError) -> bool:
    """Whether this is Flower's answer to a call about a run that was stopped; its status is that of a hospital that is refused."""
    if (
        not isinstance(error, httpx.HTTPStatusError)
        or error.response.status_code != httpx.codes.FORBIDDEN
    ):
        return False
    try:
        told = FlowerError.from_json(error.response.text)
    except httpx.ResponseNotRead:  # of a vector's call, which is not Flower's
        return False
    return told is not None and told.code == _RUN_OVER


def _refusal(error: Any) -> FleetError:
    status = error.response.status_code
    if status in (401, 403):
        return FleetError("coordinator.hospital", status=status)
    return OverError("coordinator.message", status=status)
