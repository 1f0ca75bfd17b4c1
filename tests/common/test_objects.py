"""A letter survives Flower's object store, in bounded memory; broken objects are refused."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from flwr.app import Message
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError
from flwr.supercore.task_identity import TaskIdentity

from common import objects, records
from common.errors import WireError
from common.wire import Letter


@pytest.fixture(autouse=True)
def _identity() -> None:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 0, 1


def message(letter: Letter) -> Message:
    return objects.pack([Message(records.pack(letter, shared=True), 7, "train")])[0]


def stored(message_: Message) -> tuple[Any, dict[str, bytes]]:
    store: dict[str, bytes] = {}
    _, tree = objects.envelope(message_)
    objects.send([message_], {node.object_id for node in objects.parts(tree)}, store.__setitem__)
    return tree, store


@pytest.mark.parametrize("size", [None, 0, 1, 8 << 18, (8 << 18) + 1, 4_000_000])
def test_a_letter_survives(size: int | None) -> None:
    vector = None if size is None else np.random.default_rng(0).normal(size=size).astype(np.float32)
    tree, store = stored(message(Letter('{"a": 1}', vector)))
    letter = objects.receive(tree, store.__getitem__)
    assert letter.text == '{"a": 1}'
    assert (letter.vector is None) if vector is None else (letter.vector is not None and letter.vector.tobytes() == vector.tobytes())


def test_equal_chunks_are_sent_once() -> None:
    tree, store = stored(message(Letter("{}", np.zeros(3 * (8 << 18), np.float32))))
    letter = objects.receive(tree, store.__getitem__)
    assert letter.vector is not None and letter.vector.size == 3 * (8 << 18)
    assert sum(map(len, store.values())) < (8 << 20) + 2000


def test_what_the_other_side_has_is_not_sent() -> None:
    pushed: list[str] = []
    message_ = message(Letter("{}", np.zeros(4, np.float32)))
    _, tree = objects.envelope(message_)
    objects.send([message_], {tree.object_id}, lambda name, content: pushed.append(name))
    assert pushed == [tree.object_id]


def test_the_receiver_waits_for_a_sender_that_is_still_sending() -> None:
    tree, store = stored(message(Letter("{}", np.arange(4, dtype=np.float32))))
    late: dict[str, int] = {}

    def pull(name: str) -> bytes:
        late[name] = late.get(name, 0) + 1
        if late[name] < 3:
            raise ObjectUnavailableError(name)
        return store[name]

    letter = objects.receive(tree, pull)
    assert letter.vector is not None and letter.vector.tolist() == [0, 1, 2, 3]


def test_a_vector_exists_once_on_each_side() -> None:
    vector = np.random.default_rng(0).normal(size=8_000_000).astype(np.float32)
    letter = Letter("{}", vector)
    tree, store = stored(message(letter))
    tracemalloc.start()
    try:
        objects.send([message(letter)], {node.object_id for node in objects.parts(tree)}, lambda name, content: None)
        sending = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        objects.receive(tree, store.__getitem__)
        receiving = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sending < 0.8 * vector.nbytes  # a few chunks of 5 MiB, not the vector
    assert receiving < 1.5 * vector.nbytes


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "read"),
        (b"{}", "read"),
        (b'{"text": 1, "size": null}', "text"),
        (b'{"text": "", "size": 3, "chunks": []}', "0 bytes for 3"),
        (b'{"text": "", "size": 1, "chunks": [0]}', "longer"),
        (b'{"text": "", "size": 4, "chunks": [7]}', "read"),
        (b'{"text": "", "size": 99999999999999, "chunks": [0]}', "announces"),
        (b'{"text": "", "size": -1, "chunks": [0]}', "announces"),
        (b"[" * 100_000, "read"),
    ],
)
def test_other_contents_are_refused(body: bytes, reason: str) -> None:
    tree, store = stored(message(Letter("{}", np.arange(4, dtype=np.float32))))
    chunk = tree.children[0].children[0].object_id
    store[tree.children[0].object_id] = f"RecordDict {chunk} {len(body)}".encode() + b"\0" + body
    with pytest.raises(WireError, match=reason):
        objects.receive(tree, store.__getitem__)


def test_messages_with_one_content_share_its_objects_and_go_first() -> None:
    content = records.pack(Letter("{}", np.arange(4, dtype=np.float32)), shared=True)
    both = objects.pack([Message(content, 7, "train"), Message(content, 8, "train")])
    trees = [objects.envelope(one)[1] for one in both]
    pushed: list[str] = []
    objects.send(both, {part.object_id for tree in trees for part in objects.parts(tree)}, lambda name, data: pushed.append(name))
    assert pushed[:2] == [tree.object_id for tree in trees] and len(pushed) == 4


def test_a_damaged_object_is_refused() -> None:
    tree, store = stored(message(Letter("{}", np.arange(4, dtype=np.float32))))
    for name in store:
        damaged = {**store, name: store[name][:-1]}
        if b"Message" not in store[name][:10]:
            with pytest.raises(WireError):
                objects.receive(tree, damaged.__getitem__)
