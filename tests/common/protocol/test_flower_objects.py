"""An envelope's text survives Flower's object store; broken objects are refused."""

from __future__ import annotations

from typing import Any

import pytest
from flwr.app import Message
from flwr.supercore.inflatable.inflatable_utils import ObjectUnavailableError
from flwr.supercore.task_identity import TaskIdentity

from common.errors import WireError
from common.protocol import flower_objects
from common.protocol.flower_objects import Content, Reference

REFERENCE = Reference(4, "0f" * 32)


@pytest.fixture(autouse=True)
def _identity() -> None:
    TaskIdentity.run_id = 1
    TaskIdentity.node_id = 0
    TaskIdentity.task_id = 1


def stored(*messages: Message) -> tuple[list[Any], dict[str, bytes]]:
    store: dict[str, bytes] = {}
    trees = [flower_objects.envelope(message)[1] for message in messages]
    names = {
        name
        for tree in trees
        for name in (tree.object_id, *(child.object_id for child in tree.children))
    }
    flower_objects.send(messages, names, store.__setitem__)
    assert set(store) == names
    return trees, store


@pytest.mark.parametrize("reference", [None, REFERENCE])
def test_text_and_reference_survive(reference: Reference | None) -> None:
    [tree], store = stored(Message(Content('{"a": "\u00e9"}', reference), 7, "train"))
    assert flower_objects.receive(tree, store.__getitem__) == ('{"a": "\u00e9"}', reference)


def test_messages_with_one_content_share_it_and_envelopes_go_first() -> None:
    content = Content("{}", REFERENCE)
    trees, store = stored(Message(content, 7, "train"), Message(content, 8, "train"))
    assert list(store)[:2] == [tree.object_id for tree in trees] and len(store) == 3


def test_what_the_other_side_has_is_not_sent() -> None:
    pushed: list[str] = []
    message = Message(Content("{}", None), 7, "train")
    _, tree = flower_objects.envelope(message)
    flower_objects.send([message], {tree.object_id}, lambda name, content: pushed.append(name))
    assert pushed == [tree.object_id]


def test_the_receiver_waits_for_a_sender_that_is_still_sending() -> None:
    [tree], store = stored(Message(Content("{}", None), 7, "train"))
    late: dict[str, int] = {}

    def pull(name: str) -> bytes:
        late[name] = late.get(name, 0) + 1
        if late[name] < 3:
            raise ObjectUnavailableError(name)
        return store[name]

    assert flower_objects.receive(tree, pull) == ("{}", None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[]", "read"),
        (b"{}", "read"),
        (b"[" * 100_000, "read"),
        (b'{"text": 1, "vector": null}', "text"),
        (b'{"text": "", "vector": 3}', "read"),
        (b'{"text": "", "vector": {"size": 1}}', "read"),
        (b'{"text": "", "vector": {"size": -1, "sha256": "%s"}}' % (b"0" * 64), "announces"),
        (
            b'{"text": "", "vector": {"size": 99999999999, "sha256": "%s"}}' % (b"0" * 64),
            "announces",
        ),
        (b'{"text": "", "vector": {"size": true, "sha256": "%s"}}' % (b"0" * 64), "announces"),
        (b'{"text": "", "vector": {"size": 1, "sha256": "../../../etc/passwd"}}', "hexadecimal"),
        (
            b'{"text": "", "vector": {"size": 1, "sha256": "%s", "path": "/"}}' % (b"0" * 64),
            "announces",
        ),
    ],
)
def test_other_contents_are_refused(body: bytes, reason: str) -> None:
    [tree], store = stored(Message(Content("{}", None), 7, "train"))
    store[tree.children[0].object_id] = f"RecordDict  {len(body)}".encode() + b"\0" + body
    with pytest.raises(WireError, match=reason):
        flower_objects.receive(tree, store.__getitem__)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"ArrayChunk  2\0{}", b"RecordDict  9\0{}", b"RecordDict x y z\0{}"]
)
def test_other_objects_are_refused(content: bytes) -> None:
    [tree], _ = stored(Message(Content("{}", None), 7, "train"))
    with pytest.raises(WireError):
        flower_objects.receive(tree, lambda name: content)
