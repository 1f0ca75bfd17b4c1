"""The coordinator's connection to its SuperLink.

The one file of the server's side that depends on Flower's Runtime API.

A :class:`~flwr.serverapp.Grid` whose messages carry text; vectors travel beside them as files
(``server/host/vector_store.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
from flwr.app import Context, Message, RecordDict
from flwr.common.serde import context_from_proto, message_from_proto, run_from_proto
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, ObjectTree
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    GetNodesRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushAppMessagesRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.serverapp import Grid
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_pull_object_fn_protobuf,
    make_push_object_fn_protobuf,
)
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.protobuf.client import ProtobufClientInterceptor
from flwr.supercore.retry import RetryInvoker
from flwr.supercore.run import Run
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity

from common.protocol import flower_objects, flower_records
from common.protocol.envelopes import Envelope
from common.update import Vector
from server.host.notify import NotifyClient
from server.host.superlink_retry import PATIENCE, Heartbeat, LinkError, Retry, SilentError
from server.host.vector_store import VectorStore

_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_SUPERLINK_NODE = 1
_CLOSE_TIMEOUT = 10.0
"""Seconds for which a silent SuperLink is asked to take down how a run ended."""
_REFUSED = (
    "The SuperLink does not accept the secret in superexec.secret; "
    "stop the server and start it again."
)


@dataclass(frozen=True)
class Address:
    """Where the SuperLink listens, and the certificate authority that vouches for it."""

    host_and_port: str
    authority: Path

    def client(
        self, interceptor: ProtobufClientInterceptor, retry: Retry | None
    ) -> RuntimeHttpClient:
        """A client of the Runtime API.

        Without ``retry`` each call is made once, and raises httpx's own errors.
        """
        version = RuntimeVersionHttpInterceptor(component_name="flwr-serverapp")
        return RuntimeHttpClient.from_server_address(
            self.host_and_port,
            False,
            self.authority.read_bytes(),
            [version, interceptor],
            retry_invoker=cast(
                "RetryInvoker | None", retry
            ),  # of it, Flower calls invoke and nothing else
        )


@dataclass(frozen=True)
class RunTask:
    """A run that waits for its ServerApp, and the token that entitles to be it."""

    run_id: int
    token: str


class Queue:
    """The runs that wait; the executor's secret entitles to take one."""

    def __init__(self, address: Address, secret: bytes) -> None:
        self._address = address
        interceptor = SuperExecAuthHttpInterceptor(
            master_secret=secret, protected_methods={_ACQUIRE}
        )
        self._client = address.client(interceptor, Retry(0.0, _REFUSED))

    def take(self) -> RunTask | None:
        """The oldest run that waits; None if there is none, or if the SuperLink is too busy to say.

        Raises:
            LinkError: it refuses.
        """
        try:
            response = self._client.AcquireTask(
                AcquireTaskRequest(supported_task_types=["flwr-serverapp"])
            )
        except SilentError:
            return None
        if not response.HasField("task") or not response.token:
            return None
        self._send_heartbeat(response.token)
        return RunTask(response.task.run_id, response.token)

    def _send_heartbeat(self, token: str) -> None:
        """One heartbeat for who will be the ServerApp: it has a minute to start, not half."""
        client = self._address.client(RuntimeTokenHttpInterceptor(token=token), None)
        with closing(client), suppress(httpx.HTTPError):  # a task that expires is queued again
            client.SendTaskHeartbeat(SendTaskHeartbeatRequest())

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


class LinkGrid(Grid):
    """Flower's grid over the Runtime API, for one run.

    Every call that reaches the SuperLink raises a LinkError (``superlink_retry.py``) where Flower's
    own grid would signal this process.

    Args:
        patience: seconds for which the SuperLink may be silent.
    """

    shares_memory = True

    def __init__(
        self, address: Address, token: str, home: Path, patience: float = PATIENCE
    ) -> None:
        self._home = home
        self._notifier = NotifyClient(home / "run" / "bell.sock")
        self._retry = Retry(patience)
        self._client = address.client(RuntimeTokenHttpInterceptor(token=token), self._retry)
        self._node = Node(node_id=_SUPERLINK_NODE)
        self._names: dict[int, str] = {}
        self._run: Run | None = None
        self._vectors: VectorStore | None = None
        self._heartbeat_client = address.client(RuntimeTokenHttpInterceptor(token=token), None)
        self._heartbeat = Heartbeat(
            lambda: self._heartbeat_client.SendTaskHeartbeat(SendTaskHeartbeatRequest()).success,
            self._retry.over,
        )

    def open(self) -> Context:
        """Claim the run; from now on a heartbeat says that its process lives."""
        self._heartbeat.start()
        task = self._client.PullTaskInput(PullTaskInputRequest())
        TaskIdentity.run_id = task.run.run_id
        TaskIdentity.node_id = task.context.node_id
        TaskIdentity.task_id = task.task_id
        self._run = run_from_proto(task.run)
        self._vectors = VectorStore(self._home, self._run.run_id)
        context = context_from_proto(task.context)
        context.run_config = dict(self._run.override_config)
        return context

    def close(self, status: str, details: str) -> None:
        """Tell the SuperLink how the run ended: "completed", "failed" or "stopped".

        One that is gone, or knows already, is not told.
        """
        self._heartbeat.stop()
        self._retry.patience = min(self._retry.patience, _CLOSE_TIMEOUT)
        with suppress(LinkError):
            self._client.PushTaskOutput(PushTaskOutputRequest(sub_status=status, details=details))
        if self._vectors is not None:
            self._vectors.clear()
        for client in (self._client, self._heartbeat_client):
            client.close()

    def get_node_ids(self) -> Iterable[int]:
        """Numbers of the hospitals that are online."""
        return list(self.names())

    def names(self) -> dict[int, str]:
        """Names under which the hospitals that are online were enrolled, by number."""
        nodes = self._client.GetNodes(GetNodesRequest()).nodes
        self._names |= (online := {node.node_id: node.name for node in nodes})
        return online

    def wait(self, seconds: float) -> None:
        """Until an answer may have come, or so many seconds."""
        self._notifier.wait(seconds)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send; what messages share is sent once."""
        messages = list(messages)
        packed: dict[int, flower_objects.Content] = {}
        envelopes = []
        for message in messages:
            key = id(message.content)
            packed[key] = packed.get(key) or self._packed(flower_records.unpack(message.content))
            message.content = packed[key]
            envelopes.append(flower_objects.envelope(message))
            # Before it is asked: its answer could be faster than the SuperLink's.
            self._expect(message, packed[key].reference)
        request = PushAppMessagesRequest(
            messages_list=[proto for proto, _ in envelopes],
            message_object_trees=[tree for _, tree in envelopes],
        )
        response = self._client.PushMessages(request)
        push = make_push_object_fn_protobuf(
            self._client.PushObject, self._node, self.run.run_id, response.session_id
        )
        flower_objects.send(messages, set(response.objects_to_push), push)
        self._notifier.announce()
        return list(response.message_ids)

    def _packed(self, envelope: Envelope) -> flower_objects.Content:
        vector = envelope.vector
        reference = None if vector is None else self.vectors.reference(vector)
        return flower_objects.Content(envelope.text, reference)

    def _expect(self, message: Message, model: flower_objects.Reference | None) -> None:
        """Let the hospital that is asked, and nobody else, send this question's vector."""
        node = message.metadata.dst_node_id
        if node in self._names or node in self.names():
            self.vectors.expect(self._names[node], message.metadata.message_id, model)

    def park(self, model: Vector) -> Vector:
        """The model as a view of its file: no memory is needed while hospitals train."""
        return self.vectors.keep(model)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterator[Message]:
        """The answers that have come, each fetched when it is asked for."""
        response = self._client.PullMessages(PullAppMessagesRequest(message_ids=message_ids))
        for proto, tree in zip(response.messages_list, response.message_object_trees, strict=True):
            yield self._complete(message_from_proto(proto), tree)

    def _complete(self, message: Message, tree: ObjectTree) -> Message:
        question_id = message.metadata.reply_to_message_id
        self.vectors.close(question_id)
        if message.has_error():
            return message
        pull = make_pull_object_fn_protobuf(self._client.PullObject, self._node, self.run.run_id)
        text, reference = flower_objects.receive(tree, pull)
        vector = None if reference is None else self.vectors.take(question_id, reference)
        message.content = flower_records.pack(Envelope(text, vector), shared=True)
        request = ConfirmMessageReceivedRequest(
            node=self._node, run_id=self.run.run_id, message_object_id=message.metadata.message_id
        )
        self._client.ConfirmMessageReceived(request)
        return message

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Not used: it would hold every answer at once."""
        raise NotImplementedError("Consilium folds answers one at a time; see server/transport.py.")

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """A message to one node."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def set_run(self, run: Run) -> None:
        """The run comes with :meth:`open`."""
        self._run = run

    @property
    def vectors(self) -> VectorStore:
        """The run's vectors."""
        if self._vectors is None:
            raise RuntimeError("The run is not open yet.")
        return self._vectors

    @property
    def run(self) -> Run:
        """The run that this grid works for."""
        if self._run is None:
            raise RuntimeError("The run is not open yet.")
        return self._run
