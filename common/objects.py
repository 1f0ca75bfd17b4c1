"""Letters as a SuperLink stores them: small objects named by their SHA-256, pushed and pulled one by one.

Flower's own functions cut a message into six objects and hold it several times: as array, as serialised chunks, as a joined copy. Here a letter
is two objects and one more for each 8 MiB of its vector; the vector is sent as views of its own memory and received into memory that is
allocated once. A broken transfer of an object is tried again, never the whole message. Models that hospitals share are stored once.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from flwr.app import Message, RecordDict
from flwr.app.message import remove_content_from_message
from flwr.app.message.arraychunk import ArrayChunk
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.constant import HEAD_BODY_DIVIDER
from flwr.supercore.inflatable.inflatable_object import (
    InflatableObject,
    add_header_to_object_body,
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError

from common import records
from common.errors import WireError
from common.update import Vector
from common.wire import LARGEST_TEXT, Letter

T = TypeVar("T")
R = TypeVar("R")
Push = Callable[[str, bytes], None]
Pull = Callable[[str], bytes]
Envelope = tuple[MessageProto, ObjectTree]

_CHUNK = 8 << 20
"""Bytes of a vector in one object. A push must follow the one before within three minutes, so 0.4 Mbit/s are enough."""
_AT_ONCE = 2
"""Objects on their way at the same time: enough to hide a round trip, and few copies in memory."""
_LARGEST_VECTOR = 8 << 30
_PATIENCE = 600.0
"""Seconds to wait for the next object of a message whose sender is still sending."""


class _Content(RecordDict):
    """A message's content as two levels of objects: the text, and below it the chunks of the vector."""

    def __init__(self, letter: Letter) -> None:
        super().__init__()
        view = memoryview(b"") if letter.vector is None else letter.vector.data.cast("B")
        chunks = [ArrayChunk(view[start : start + _CHUNK]) for start in range(0, len(view), _CHUNK)]
        self._order = [chunk.object_id for chunk in chunks]
        self._chunks: dict[str, InflatableObject] = dict(zip(self._order, chunks, strict=True))
        self._text, self._size = letter.text, None if letter.vector is None else letter.vector.size

    @property
    def children(self) -> dict[str, InflatableObject]:
        """The chunks by name; equal ones once."""
        return self._chunks

    def deflate(self) -> bytes:
        """Text, number of values (null without a vector), and the chunks' places."""
        names = list(self._chunks)
        body = {"text": self._text, "size": self._size, "chunks": [names.index(name) for name in self._order]}
        return add_header_to_object_body(json.dumps(body).encode(), self)


_Content.__qualname__ = RecordDict.__qualname__
"""The SuperLink checks that an object is of a kind it knows, and does not look inside."""


def pack(messages: list[Message]) -> list[Message]:
    """Messages whose contents are letters as records, ready to be sent; contents that messages share stay shared."""
    packed: dict[int, _Content] = {}
    for message in messages:
        key = id(message.content)
        packed.setdefault(key, _Content(records.unpack(message.content)))
        message.content = packed[key]
    return messages


def envelope(message: Message) -> Envelope:
    """The message without its content, and the tree of its objects' names; gives the message its identifier."""
    with no_object_id_recompute():
        message.metadata.__dict__["_message_id"] = message.object_id
        return message_to_proto(remove_content_from_message(message)), get_object_tree(message)


def send(messages: Sequence[Message], wanted: set[str], push: Push) -> None:
    """Push those objects that the other side has not got.

    The messages themselves go first, because a receiver that has all below one may be done with it; then what is in them, shared contents once.
    """
    with no_object_id_recompute():
        for message in messages:
            if message.object_id in wanted:
                push(message.object_id, message.deflate())
        below = {name: thing for message in messages for name, thing in get_all_nested_objects(message.content).items()}
        contents = ((name, thing.deflate()) for name, thing in below.items() if name in wanted)
        for _ in _side_by_side(lambda item: push(*item), contents):
            pass


def parts(tree: ObjectTree) -> Iterator[ObjectTree]:
    """A tree and all its descendants."""
    yield tree
    for child in tree.children:
        yield from parts(child)


def receive(tree: ObjectTree, pull: Pull) -> Letter:
    """Pull a message's objects and put its letter together.

    Raises:
        WireError: the objects are not those of a letter.
    """
    try:
        return _letter(tree, lambda name: _patiently(pull, name))
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise WireError(f"A message's objects cannot be read ({type(error).__name__}).") from None


def _letter(tree: ObjectTree, pull: Pull) -> Letter:
    parts_, body = _opened(pull(tree.children[0].object_id), "RecordDict")
    about: Any = json.loads(bytes(body))
    text, size = about["text"], about["size"]
    if not isinstance(text, str) or len(text) > LARGEST_TEXT:
        raise WireError(f"A message's text is longer than {LARGEST_TEXT} characters.")
    return Letter(text) if size is None else Letter(text, _vector(size, [parts_[i] for i in about["chunks"]], pull))


def _vector(size: object, names: list[str], pull: Pull) -> Vector:
    if not isinstance(size, int) or not 0 <= 4 * size <= _LARGEST_VECTOR:
        raise WireError(f"A message announces a vector of {size!r} values; at most {_LARGEST_VECTOR // 4} are allowed.")
    vector = np.empty(size, "<f4")
    buffer, filled = vector.data.cast("B"), 0
    for chunk in _side_by_side(pull, iter(names)):
        _, data = _opened(chunk, "ArrayChunk")
        end = filled + len(data)
        if end > len(buffer):
            raise WireError(f"A message's vector is longer than the {len(buffer)} bytes announced.")
        buffer[filled:end] = data
        filled = end
    if filled != len(buffer):
        raise WireError(f"A message's vector has {filled} bytes for {size} values; 4 a value are allowed.")
    return vector


def _opened(content: bytes, kind: str) -> tuple[list[str], memoryview]:
    """``(names of parts, body)`` of an object; nothing of the body is copied."""
    end = content.index(HEAD_BODY_DIVIDER)
    found, names, length = content[:end].decode().split(" ")
    body = memoryview(content)[end + len(HEAD_BODY_DIVIDER) :]
    if found != kind or int(length) != len(body):
        raise WireError(f"A message's object is {found} with {len(body)} bytes; {kind} with {length} was announced.")
    return names.split(",") if names else [], body


def _patiently(pull: Pull, name: str) -> bytes:
    last, wait = time.monotonic() + _PATIENCE, 0.01
    while True:
        try:
            return pull(name)
        except ObjectUnavailableError:
            if time.monotonic() > last:
                raise WireError(f"A message's object did not arrive within {_PATIENCE:.0f} s.") from None
            time.sleep(wait)
            wait = min(2 * wait, 0.5)


def _side_by_side(work: Callable[[T], R], items: Iterator[T]) -> Iterator[R]:
    """``work`` over items, a few at the same time, results in order; no more than those few exist at once."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="objects") as pool:
        running: deque[Future[R]] = deque()
        for item in items:
            running.append(pool.submit(work, item))
            if len(running) >= _AT_ONCE:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
