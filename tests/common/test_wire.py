"""Messages survive the way there and back; a broken one is refused before anything changes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from common import wire
from common.errors import WireError
from common.wire import Plan, Reply

VECTOR = np.linspace(-1, 1, 11, dtype=np.float32)
PLAN = Plan("train", {"name": "x"}, 3, "f" * 64, VECTOR, {"repeat": 2})
REPLY = Reply("north", "train", 3, "f" * 64, {"weight": 7, "loss": 0.25}, VECTOR)


@pytest.mark.parametrize("shared", [True, False])
def test_a_question_survives(shared: bool) -> None:
    records = wire.encode_plan(PLAN, shared=shared)
    plan = wire.decode_plan(records)
    assert (plan.kind, plan.study, plan.round, plan.layout, plan.settings) == ("train", {"name": "x"}, 3, "f" * 64, {"repeat": 2})
    assert plan.model is not None and plan.model.tobytes() == VECTOR.tobytes()
    assert wire.is_shared(records) is shared


@pytest.mark.parametrize("shared", [True, False])
def test_an_answer_survives(shared: bool) -> None:
    reply = wire.decode_reply(wire.encode_reply(REPLY, shared=shared))
    assert (reply.site, reply.values, reply.fault) == ("north", {"weight": 7, "loss": 0.25}, "")
    assert reply.delta is not None and reply.delta.tobytes() == VECTOR.tobytes()


def test_a_copied_vector_does_not_share_memory() -> None:
    vector = VECTOR.copy()
    records = wire.encode_reply(Reply("a", "train", delta=vector), shared=False)
    vector[0] = 99
    decoded = wire.decode_reply(records).delta
    assert decoded is not None and decoded[0] == -1


def test_undefined_numbers_travel_as_null() -> None:
    values = {"metrics": {"auc": float("nan")}, "list": [float("inf"), 1.0]}
    assert wire.decode_reply(wire.encode_reply(Reply("a", "evaluate", values=values), shared=False)).values == {"metrics": {"auc": None}, "list": [None, 1.0]}


def test_size_counts_header_and_vector() -> None:
    assert 44 < wire.size(wire.encode_reply(REPLY, shared=False)) < 400


def _records(header: Any, vector: Any = None) -> RecordDict:
    text = header if isinstance(header, str) else json.dumps(header)
    records = RecordDict({"header": ConfigRecord({"json": text})})
    if vector is not None:
        records["vector"] = vector
    return records


HEADER = {"version": 1, "kind": "train", "study": {}, "round": 1, "layout": "", "settings": {}}
BROKEN: dict[str, tuple[RecordDict, str]] = {
    "empty": (RecordDict(), "records"),
    "foreign record": (RecordDict({"header": ConfigRecord({"json": "{}"}), "more": MetricRecord({"a": 1})}), "more"),
    "not JSON": (_records("{"), "not valid JSON"),
    "NaN in JSON": (_records('{"version": NaN}'), "not valid JSON"),
    "deep JSON": (_records("[" * 100_000), "not valid JSON"),
    "list": (_records("[]"), "version"),
    "other version": (_records({**HEADER, "version": 2}), "version 2"),
    "unknown kind": (_records({**HEADER, "kind": "exec"}), "exec"),
    "no model": (_records(HEADER), "without a model"),
    "round as text": (_records({**HEADER, "round": "1"}), "round"),
    "round as truth": (_records({**HEADER, "round": True}), "round"),
    "study as list": (_records({**HEADER, "study": []}), "study"),
    "double": (_records(HEADER, ArrayRecord({"vector": Array("float64", (1,), "consilium.float32", b"12345678")})), "float64"),
    "matrix": (_records(HEADER, ArrayRecord({"vector": Array("float32", (1, 1), "consilium.float32", b"1234")})), r"\[1, 1\]"),
    "pickle": (_records(HEADER, ArrayRecord({"vector": Array("float32", (1,), "pickle", b"1234")})), "pickle"),
    "short": (_records(HEADER, ArrayRecord({"vector": Array("float32", (2,), "consilium.float32", b"1234")})), "4 bytes for 2"),
    "two arrays": (_records(HEADER, ArrayRecord({k: Array("float32", (1,), "consilium.float32", b"1234") for k in "ab"})), "exactly one"),
    "vector as config": (_records(HEADER, ConfigRecord({"a": 1})), "exactly one"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_question_is_refused(name: str) -> None:
    records, reason = BROKEN[name]
    with pytest.raises(WireError, match=reason):
        wire.decode_plan(records)


def test_a_join_question_carries_no_model() -> None:
    with pytest.raises(WireError, match="with a model"):
        wire.decode_plan(wire.encode_plan(Plan("join", {}, model=VECTOR), shared=False))
