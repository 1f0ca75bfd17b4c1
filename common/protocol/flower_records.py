"""Envelopes as Flower records and back."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, RecordDict

from common.errors import WireError
from common.plain_text import described
from common.protocol.envelopes import Envelope
from common.update import Vector

_STYPE = "consilium.float32"


def pack(envelope: Envelope, *, shared: bool) -> RecordDict:
    """An envelope as Flower records.

    Args:
        envelope: what is to travel.
        shared: the vector's memory is handed over as it is (same process), not copied to bytes.
    """
    records = RecordDict({"header": ConfigRecord({"json": envelope.text})})
    if envelope.vector is not None:
        record = ArrayRecord(
            {
                "vector": Array(
                    "float32",
                    envelope.vector.shape,
                    _STYPE,
                    b"" if shared else envelope.vector.tobytes(),
                )
            }
        )
        if shared:
            # Flower reads the bytes through memoryview() only, so that a view serves as well.
            record["vector"].data = envelope.vector.data.cast("B")  # type: ignore[assignment]
        records["vector"] = record
    return records


def unpack(records: RecordDict) -> Envelope:
    """The envelope in Flower records.

    Raises:
        WireError: the records are not those of an envelope.
    """
    record = records.get("header")
    if set(records) - {"header", "vector"} or not isinstance(record, ConfigRecord):
        raise WireError(
            f"A message has the records {described(sorted(records))}; allowed: header, vector."
        )
    text = record.get("json")
    if not isinstance(text, str):
        raise WireError("A message has no header text.")
    if "vector" not in records:
        return Envelope(text)
    arrays = records["vector"]
    if not isinstance(arrays, ArrayRecord) or list(arrays) != ["vector"]:
        raise WireError("A message's vector record does not hold exactly one array.")
    return Envelope(text, _vector(arrays["vector"]))


def is_shared(records: RecordDict) -> bool:
    """Whether a message's vector shares memory with its sender; the answer may then do the same."""
    return any(not isinstance(array.data, bytes) for array in _arrays(records))


def _vector(array: Array) -> Vector:
    if array.dtype != "float32" or array.stype != _STYPE or len(array.shape) != 1:
        raise WireError(
            f"A message's vector is {described(array.dtype)} {described(list(array.shape))} as "
            f"{described(array.stype)}; float32 "
            "with one axis is allowed."
        )
    if len(memoryview(array.data)) != 4 * array.shape[0]:
        raise WireError(
            f"A message's vector has {len(memoryview(array.data))} bytes for {array.shape[0]} "
            "values; 4 a value are allowed."
        )
    return np.frombuffer(array.data, dtype="<f4")


def _arrays(records: RecordDict) -> Iterator[Array]:
    """Every array of a message."""
    # RecordDict's own array_records makes reference cycles, which keep whole models alive for long.
    return (
        array
        for record in records.values()
        if isinstance(record, ArrayRecord)
        for array in record.values()
    )
