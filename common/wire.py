"""Messages between the coordinator and a hospital, and how they become Flower records.

A message is a JSON header (small, length-checked) and at most one flat float32 vector as raw little-endian bytes. Nothing from the wire is
unpickled, executed or used as a path; a message that breaks a rule is refused as :class:`~common.errors.WireError` before anything changes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from common.errors import WireError
from common.update import Vector

VERSION = 1
KINDS = {"join": "query", "train": "train", "evaluate": "evaluate"}
"""Our three questions and the Flower message category that carries each."""
_LARGEST_HEADER = 32 << 20
_STYPE = "consilium.float32"


@dataclass(frozen=True)
class Plan:
    """A question to a hospital.

    Attributes:
        kind: "join" (who are you, how many images), "train" or "evaluate".
        study: the study as tables; the hospital checks it by its own rules.
        round: number of the round, from 1; 0 outside rounds.
        layout: digest of the model's layout; empty for "join".
        model: global weights ``[P]``, or None for "join".
        settings: further plain values, e.g. ``{"part": "test"}``.
    """

    kind: str
    study: Mapping[str, Any]
    round: int = 0
    layout: str = ""
    model: Vector | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """A hospital's answer.

    Attributes:
        site: the hospital's name.
        kind, round, layout: as in the question.
        values: plain JSON values (counts, loss, metrics).
        delta: change of the weights ``[P]`` for "train".
        fault: a public sentence if the hospital could not do it; then everything else is empty.
    """

    site: str
    kind: str
    round: int = 0
    layout: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    delta: Vector | None = None
    fault: str = ""


def encode_plan(plan: Plan, *, shared: bool) -> RecordDict:
    """A question as Flower records. ``shared``: the vector's memory is handed over as it is (same process), not copied to bytes."""
    header = {"kind": plan.kind, "study": plan.study, "round": plan.round, "layout": plan.layout, "settings": plan.settings}
    return _encode(header, plan.model, shared)


def decode_plan(records: RecordDict) -> Plan:
    """A question from Flower records.

    Raises:
        WireError: the message breaks a rule.
    """
    header, model = _decode(records)
    plan = Plan(
        kind=_get(header, "kind", str),
        study=_get(header, "study", dict),
        round=_get(header, "round", int),
        layout=_get(header, "layout", str),
        model=model,
        settings=_get(header, "settings", dict),
    )
    if plan.kind not in KINDS:
        raise WireError(f"A message asks for {plan.kind!r}; allowed: {', '.join(KINDS)}.")
    if (model is None) != (plan.kind == "join"):
        raise WireError(f"A {plan.kind} message came {'without' if model is None else 'with'} a model.")
    return plan


def encode_reply(reply: Reply, *, shared: bool) -> RecordDict:
    """An answer as Flower records; ``shared`` as in :func:`encode_plan`."""
    header = {k: getattr(reply, k) for k in ("site", "kind", "round", "layout", "values", "fault")}
    return _encode(header, reply.delta, shared)


def decode_reply(records: RecordDict) -> Reply:
    """An answer from Flower records.

    Raises:
        WireError: the message breaks a rule.
    """
    header, delta = _decode(records)
    return Reply(
        site=_get(header, "site", str),
        kind=_get(header, "kind", str),
        round=_get(header, "round", int),
        layout=_get(header, "layout", str),
        values=_get(header, "values", dict),
        delta=delta,
        fault=_get(header, "fault", str),
    )


def is_shared(records: RecordDict) -> bool:
    """Whether a message's vector shares memory with its sender, so that the answer may do the same."""
    return any(not isinstance(array.data, bytes) for array in _arrays(records))


def size(records: RecordDict) -> int:
    """Bytes of header and vector."""
    header = records.get("header")
    return sum(len(memoryview(a.data)) for a in _arrays(records)) + (len(str(header.get("json"))) if isinstance(header, ConfigRecord) else 0)


def finite_or_none(value: Any) -> Any:
    """JSON has no NaN: undefined numbers travel as null, also inside lists and tables."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite_or_none(v) for k, v in value.items()}
    return [finite_or_none(v) for v in value] if isinstance(value, list | tuple) else value


def _encode(header: Mapping[str, Any], vector: Vector | None, shared: bool) -> RecordDict:
    text = json.dumps({"version": VERSION, **finite_or_none(header)}, separators=(",", ":"))
    records = RecordDict({"header": ConfigRecord({"json": text})})
    if vector is not None:
        flat = np.ascontiguousarray(vector, dtype="<f4")
        record = ArrayRecord({"vector": Array("float32", flat.shape, _STYPE, b"" if shared else flat.tobytes())})
        if shared:  # Flower reads the bytes through memoryview() only, so that a view serves as well
            record["vector"].data = flat.data.cast("B")  # type: ignore[assignment]
        records["vector"] = record
    return records


def _decode(records: RecordDict) -> tuple[Mapping[str, Any], Vector | None]:
    record = records.get("header")
    if set(records) - {"header", "vector"} or not isinstance(record, ConfigRecord):
        raise WireError(f"A message has the records {sorted(records)}; allowed: header, vector.")
    text = record.get("json")
    if not isinstance(text, str) or len(text) > _LARGEST_HEADER:
        raise WireError(f"A message has no header of at most {_LARGEST_HEADER} characters.")
    try:
        header = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WireError(f"A message's header is not valid JSON ({type(error).__name__}).") from None
    if not isinstance(header, dict) or header.get("version") != VERSION:
        found = header.get("version") if isinstance(header, dict) else None
        raise WireError(f"A message has the protocol version {found!r}; this side speaks {VERSION}; install the same release on both sides.")
    return header, _vector(records)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _vector(records: RecordDict) -> Vector | None:
    if "vector" not in records:
        return None
    arrays = records["vector"]
    if not isinstance(arrays, ArrayRecord) or list(arrays) != ["vector"]:
        raise WireError("A message's vector record does not hold exactly one array.")
    array = arrays["vector"]
    if array.dtype != "float32" or array.stype != _STYPE or len(array.shape) != 1:
        raise WireError(f"A message's vector is {array.dtype} {list(array.shape)} as {array.stype}; float32 with one axis is allowed.")
    if len(memoryview(array.data)) != 4 * array.shape[0]:
        raise WireError(f"A message's vector has {len(memoryview(array.data))} bytes for {array.shape[0]} values; 4 a value are allowed.")
    return np.frombuffer(array.data, dtype="<f4")


def _arrays(records: RecordDict) -> Iterator[Array]:
    """Every array of a message. RecordDict's own ``array_records`` makes reference cycles, which keep whole models alive for long."""
    return (array for record in records.values() if isinstance(record, ArrayRecord) for array in record.values())


def _get(header: Mapping[str, Any], key: str, kind: type) -> Any:
    value = header.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise WireError(f"A message's {key} is of type {type(value).__name__}; {kind.__name__} is allowed.")
    return value
