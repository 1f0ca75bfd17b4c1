"""An envelope as a SuperLink stores it: its text, and a reference to its vector.

The vector travels beside it as a file (``server/host/vector_store.py``,
``client/gateway/vector_client.py``).

Flower cuts a vector into chunks that its database stores and hands out one by one: at 30 million
weights that is a second of one core for each hospital and round, and several copies in memory. Here
a message is two small objects named by their SHA-256: Flower's envelope, and the text with the
vector's length and SHA-256, by which the receiver checks the file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flwr.app import Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.constant import HEAD_BODY_DIVIDER
from flwr.supercore.inflatable.inflatable_object import (
    InflatableObject,
    add_header_to_object_body,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError

from common.errors import WireError
from common.plain_text import described, printable
from common.protocol.envelopes import LARGEST_TEXT

Push = Callable[[str, bytes], None]
Pull = Callable[[str], bytes]
Envelope = tuple[MessageProto, ObjectTree]

LARGEST_VECTOR = 1 << 30
"""Most values of a vector."""
_PATIENCE = 600.0
"""Seconds to wait for the next object of a message whose sender is still sending."""
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Reference:
    """What an envelope says about its vector: how many values, and which bytes.

    Attributes:
        size: number of float32 values.
        sha256: of the vector's bytes, in lower-case hex.
    """

    size: int
    sha256: str

    @staticmethod
    def received(table: Any) -> Reference:
        """From a message's JSON.

        Raises:
            WireError: a value is not allowed.
        """
        size = table["size"]
        sha256 = table["sha256"]
        if len(table) != 2 or type(size) is not int or not 0 <= size <= LARGEST_VECTOR:
            raise WireError(
                f"A message announces a vector of {described(size)} values; "
                f"at most {LARGEST_VECTOR} are allowed."
            )
        if not isinstance(sha256, str) or len(sha256) != 64 or not set(sha256) <= _HEX:
            raise WireError("A message's SHA-256 of its vector is not 64 hexadecimal digits.")
        return Reference(size, sha256)


class Content(RecordDict):
    """A message's content: an envelope's text, and the reference to its vector."""

    def __init__(self, text: str, reference: Reference | None) -> None:
        super().__init__()
        self.reference = reference
        self._body = json.dumps(
            {"text": text, "vector": None if reference is None else asdict(reference)}
        ).encode()

    @property
    def children(self) -> dict[str, InflatableObject]:
        """No objects below this one."""
        return {}

    def deflate(self) -> bytes:
        """As stored."""
        return add_header_to_object_body(self._body, self)


Content.__qualname__ = RecordDict.__qualname__
"""The SuperLink checks that an object is of a kind it knows, and does not look inside."""


def envelope(message: Message) -> Envelope:
    """The message without its content, and the tree of its objects' names.

    The message gets its identifier here.
    """
    with no_object_id_recompute():
        # Flower has no setter for the identifier; its own client writes it in the same way.
        message.metadata.__dict__["_message_id"] = message.object_id
        return message_to_proto(remove_content_from_message(message)), get_object_tree(message)


def send(messages: Sequence[Message], missing: set[str], push: Push) -> None:
    """Push those objects that the other side has not got.

    The envelopes go first, because a receiver that has the text may be done with the message; texts
    that messages share go once.
    """
    for message in messages:
        if message.metadata.message_id in missing:
            push(message.metadata.message_id, message.deflate())
    for name, content in {
        message.content.object_id: message.content for message in messages
    }.items():
        if name in missing:
            push(name, content.deflate())


def receive(tree: ObjectTree, pull: Pull) -> tuple[str, Reference | None]:
    """Pull a message's text.

    Returns:
        the text, and the reference to the vector if the envelope has one.

    Raises:
        WireError: the objects are not those of an envelope.
    """
    try:
        body: Any = json.loads(bytes(_opened(_patiently(pull, tree.children[0].object_id))))
        text = body["text"]
        vector = body["vector"]
        if not isinstance(text, str) or len(text) > LARGEST_TEXT:
            raise WireError(f"A message has no text of at most {LARGEST_TEXT} characters.")
        return text, None if vector is None else Reference.received(vector)
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise WireError(f"A message's objects cannot be read ({type(error).__name__}).") from None


def _opened(content: bytes) -> memoryview:
    end = content.index(HEAD_BODY_DIVIDER)
    kind, _, length = content[:end].decode().split(" ")
    body = memoryview(content)[end + len(HEAD_BODY_DIVIDER) :]
    if kind != RecordDict.__qualname__ or int(length) != len(body):
        raise WireError(
            f"A message's object is {printable(kind)} with {len(body)} bytes; "
            f"RecordDict with {int(length)} was announced."
        )
    return body


def _patiently(pull: Pull, name: str) -> bytes:
    deadline = time.monotonic() + _PATIENCE
    wait = 0.01
    while True:
        try:
            return pull(name)
        except ObjectUnavailableError:
            if time.monotonic() > deadline:
                raise WireError(
                    f"A message's object did not arrive within {_PATIENCE:.0f} s."
                ) from None
            time.sleep(wait)
            wait = min(2 * wait, 0.5)
