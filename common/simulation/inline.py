"""The ``inline`` engine: a Flower grid in this process that calls one hospital after the other.

The handlers are those that are deployed. A question is answered when its answer is pulled, so only
one answer exists at a time and memory stays flat in the number of hospitals. Vectors are handed
over in memory; the header and every check are those of the real wire.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable

from flwr.app import Context, Error, Message, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

log = logging.getLogger(__name__)
_FAILED = 1


class InlineGrid(Grid):
    """Flower's grid over virtual nodes in this process.

    Args:
        client: the ClientApp that answers for every node.
        nodes: number of virtual nodes.
    """

    shares_memory = True

    def __init__(self, client: ClientApp, nodes: int) -> None:
        # Flower reads the sender of a message from here.
        TaskIdentity.run_id = 1
        TaskIdentity.node_id = 0
        TaskIdentity.task_id = 1
        self._client = client
        self._contexts = [
            _context(i + 1, {"partition-id": i, "num-partitions": nodes}) for i in range(nodes)
        ]
        self._open: dict[str, Message] = {}
        self._numbers = itertools.count(1)

    def get_node_ids(self) -> Iterable[int]:
        """Numbers of the virtual nodes, from 1."""
        return [c.node_id for c in self._contexts]

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Accept questions; they are answered when pulled."""
        identifiers = []
        for message in messages:
            identifier = str(next(self._numbers))
            # The only way to number a message: Flower's metadata has no setter for it.
            message.metadata.__dict__["_message_id"] = identifier
            self._open[identifier] = message
            identifiers.append(identifier)
        return identifiers

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Answer the questions with these numbers now."""
        for identifier in message_ids:
            message = self._open.pop(identifier, None)
            if message is not None:
                yield self._answer(message)

    def _answer(self, message: Message) -> Message:
        try:
            return self._client(message, self._contexts[message.metadata.dst_node_id - 1])
        except Exception as error:  # a hospital that dies must not take the others with it
            log.error("node %d: %s", message.metadata.dst_node_id, type(error).__name__)
            return Message(Error(_FAILED, type(error).__name__), reply_to=message)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Push, then pull everything."""
        return list(self.pull_messages(self.push_messages(messages)))

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
        """Nothing to set: there is one run."""

    @property
    def run(self) -> Run:
        """There is no SuperLink that would know a run."""
        raise NotImplementedError("The inline engine has no SuperLink run.")


def start(server: ServerApp, client: ClientApp, nodes: int) -> None:
    """Run a ServerApp over virtual nodes."""
    server(InlineGrid(client, nodes), _context(0, {}))


def _context(node: int, settings: UserConfig) -> Context:
    return Context(run_id=1, node_id=node, node_config=settings, state=RecordDict(), run_config={})
