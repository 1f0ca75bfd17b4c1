"""Values of a data set's elements as numbers and text, whatever a file makes of them."""

from __future__ import annotations

import functools
import math
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

_PLAIN = ("AE", "CS", "DA", "DS", "DT", "IS", "LO", "SH", "TM", "UI")
"""Kinds of text that can be taken as it is stored, as long as it is ASCII."""
_PADDING = " \0"


def numbers(dataset: Dataset, keyword: str) -> list[float] | None:
    """The values of a numeric element; None where it is absent, empty or no number."""
    tag, kind = _attribute(keyword)
    # The raw element: sorting opens thousands of headers, and converting each value is slow.
    raw: Any = dataset.get_item(tag)
    if raw is None or not raw.value:
        return None if raw is None or raw.value != 0 else [0.0]
    try:
        if isinstance(raw, RawDataElement) and (raw.VR or kind) in ("DS", "IS"):
            return [float(text.strip(_PADDING.encode())) for text in raw.value.split(b"\\")]
        if isinstance(raw, RawDataElement) and (raw.VR or kind) == "US" and len(raw.value) == 2:
            return [float(int.from_bytes(raw.value, "little" if raw.is_little_endian else "big"))]
        value = dataset[tag].value
        values = value if isinstance(value, (list, tuple, MultiValue)) else [value]
        return [float(v) for v in values]
    except (TypeError, ValueError, OverflowError):
        return None


def whole(dataset: Dataset, keyword: str, default: int = 0) -> int:
    """The first value of a numeric element as a whole number."""
    values = numbers(dataset, keyword)
    return int(values[0]) if values and math.isfinite(values[0]) else default


def words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a text element without padding; none where it is absent or empty."""
    tag, kind = _attribute(keyword)
    raw: Any = dataset.get_item(tag)
    if raw is None or raw.value in (None, "", b""):
        return ()
    # An escape character switches the character set in the middle of a text (PS3.5 6.1.2.5).
    if (
        isinstance(raw, RawDataElement)
        and (raw.VR or kind) in _PLAIN
        and raw.value.isascii()
        and b"\x1b" not in raw.value
    ):
        return tuple(text.strip(_PADDING) for text in raw.value.decode("ascii").split("\\"))
    value = dataset[tag].value
    values = value if isinstance(value, (list, tuple, MultiValue)) else [value]
    return tuple(str(v).strip(_PADDING) for v in values)


def word(dataset: Dataset, keyword: str) -> str:
    """The values of a text element joined as they are stored; "" where it is absent."""
    return "\\".join(words(dataset, keyword))


@functools.cache
def _attribute(keyword: str) -> tuple[BaseTag, str]:
    """Tag and value representation of an attribute of the data dictionary (PS3.6)."""
    return Tag(keyword), dictionary_VR(keyword)


def first_item(dataset: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence, or an empty data set."""
    items = dataset.get(keyword)
    item: Dataset = items[0] if items else Dataset()
    return item


def references(header: Dataset) -> tuple[str, ...]:
    """Series that a SEG (PS3.3 C.12.1.2.2) or RTSTRUCT (PS3.3 C.8.8.5) was drawn on, by UID."""
    series = list(header.get("ReferencedSeriesSequence") or ())
    for frame in header.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            series += study.get("RTReferencedSeriesSequence") or ()
    uids = (word(item, "SeriesInstanceUID") for item in series)
    return tuple(dict.fromkeys(uid for uid in uids if uid))
