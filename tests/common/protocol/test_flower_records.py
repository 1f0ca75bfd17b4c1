"""Envelopes survive as Flower records; records that are no envelope's are refused."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from common.errors import WireError
from common.protocol import envelopes, flower_records
from common.protocol.envelopes import Envelope, Reply

VECTOR = np.linspace(-1, 1, 11, dtype=np.float32)


@pytest.mark.parametrize("vector", [None, VECTOR, VECTOR[:0]], ids=["none", "some", "empty"])
@pytest.mark.parametrize("shared", [True, False])
def test_an_envelope_survives(vector: np.ndarray | None, shared: bool) -> None:
    packed = flower_records.pack(Envelope("é {}", vector), shared=shared)
    back = flower_records.unpack(packed)
    assert back.text == "é {}" and (back.vector is None) == (vector is None)
    if vector is not None:
        assert back.vector is not None and back.vector.tobytes() == vector.tobytes()
        assert np.shares_memory(back.vector, vector) is (shared and vector.size > 0)
    assert flower_records.is_shared(packed) is (shared and vector is not None)


def test_a_copied_vector_does_not_share_memory() -> None:
    vector = VECTOR.copy()
    packed = flower_records.pack(
        envelopes.write_reply(Reply("a", "train", delta=vector)), shared=False
    )
    vector[0] = 99
    decoded = flower_records.unpack(packed).vector
    assert decoded is not None and decoded[0] == -1


@pytest.mark.parametrize("shared", [True, False])
def test_masked_words_keep_every_bit_also_those_that_look_like_no_number(shared: bool) -> None:
    words = np.array([0x7F800001, 0xFF800001, 0x7FC12345, 0x80000000, 1, 0xFFFFFFFF], np.uint32)
    packed = flower_records.pack(
        envelopes.write_reply(Reply("north", "train", delta=words.view(np.float32))), shared=shared
    )
    reply = envelopes.read_reply(flower_records.unpack(packed))
    assert reply.delta is not None and reply.delta.tobytes() == words.tobytes()


def records(vector: ArrayRecord | ConfigRecord) -> RecordDict:
    """A message with a header that is right and the vector record given."""
    return RecordDict({"header": ConfigRecord({"json": "{}"}), "vector": vector})


BROKEN: dict[str, tuple[RecordDict, str]] = {
    "empty": (RecordDict(), "records"),
    "foreign record": (
        RecordDict({"header": ConfigRecord({"json": "{}"}), "more": MetricRecord({"a": 1})}),
        "more",
    ),
    "header as numbers": (RecordDict({"header": MetricRecord({"json": 1})}), "records"),
    "no text": (RecordDict({"header": ConfigRecord({"text": "{}"})}), "no header text"),
    "text as bytes": (RecordDict({"header": ConfigRecord({"json": b"{}"})}), "no header text"),
    "double": (
        records(ArrayRecord({"vector": Array("float64", (1,), "consilium.float32", b"12345678")})),
        "float64",
    ),
    "matrix": (
        records(ArrayRecord({"vector": Array("float32", (1, 1), "consilium.float32", b"1234")})),
        r"\[1, 1\]",
    ),
    "pickle": (
        records(ArrayRecord({"vector": Array("float32", (1,), "pickle", b"1234")})),
        "pickle",
    ),
    "short": (
        records(ArrayRecord({"vector": Array("float32", (2,), "consilium.float32", b"1234")})),
        "4 bytes for 2",
    ),
    "two arrays": (
        records(
            ArrayRecord({k: Array("float32", (1,), "consilium.float32", b"1234") for k in "ab"})
        ),
        "exactly one",
    ),
    "vector as config": (records(ConfigRecord({"a": 1})), "exactly one"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_records_are_refused(name: str) -> None:
    packed, reason = BROKEN[name]
    with pytest.raises(WireError, match=reason):
        flower_records.unpack(packed)
