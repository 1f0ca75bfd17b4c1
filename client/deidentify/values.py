"""The values of a header's elements: readable ones, moved dates, and ones that say nothing.

What cannot be read or moved is not kept (dates: DICOM PS3.5 6.2, DA, DT, TM). A value that says
nothing has the form of its kind (PS3.15 E.3.1.1: action D, "consistent with the VR").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

TEXT = "REMOVED"
"""Stands for any text; 7 letters fit every text VR and are valid in CS and AE."""
ADDRESS = "https://removed.invalid"
"""Stands for any address; ``.invalid`` is reserved (RFC 2606)."""
_TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT")
_OTHERS: dict[str, Any] = {
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "UR": ADDRESS,
    "DS": "0",
    "IS": "0",
    "AT": 0,
    **dict.fromkeys(("FD", "FL"), 0.0),
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), 0),
    **dict.fromkeys(("OB", "OD", "OF", "OL", "OV", "OW"), bytes(8)),
}
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)")
_MOMENT = re.compile(r"(\d{8})((?:\d\d){0,3}(?:(?<=\d{14})\.\d{1,6})?(?:[+-]\d{4})?)")
_TIME = re.compile(r"\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?|\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?")


def elements(dataset: Dataset) -> Iterator[DataElement]:
    """Every element, in order of tags, whose value can be decoded.

    Others are passed over, and so are left out of what is made.
    """
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: S112  # a damaged value raises nearly anything
            continue
        if isinstance(element, DataElement):
            yield element


def texts(element: DataElement) -> list[str]:
    """The values as text."""
    value = element.value
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return [str(one) for one in values if one is not None]


def moved(value: str, vr: str, days: int) -> str | None:
    """A DA or DT moved by so many days, a TM unchanged; None where that cannot be done.

    It cannot where the value is no whole date, lies outside the calendar or is no time.

    A DT keeps its time of day and its offset from UTC; one without a day (``2011`` or ``201103``)
    cannot be moved by days.
    """
    text = value.strip(" \0")
    if vr == "TM":
        return text if _TIME.fullmatch(text) else None
    if vr == "DT":
        parts = _MOMENT.fullmatch(text)
        day = _day(parts[1], days) if parts else None
        return None if day is None or parts is None else day + parts[2]
    return _day(text, days)


def dummy(element: DataElement) -> DataElement | None:
    """The element with a value that says nothing.

    None for a sequence, a UID or an unknown kind, which have no such value.
    """
    value = TEXT if element.VR in _TEXTS else _OTHERS.get(element.VR)
    return None if value is None else DataElement(element.tag, element.VR, value)


def empty(element: DataElement) -> DataElement:
    """The element without a value."""
    return DataElement(element.tag, element.VR, [] if element.VR == "SQ" else None)


def _day(text: str, days: int) -> str | None:
    parts = _DATE.fullmatch(text)
    if not parts:
        return None
    year, month, day = (int(part) for part in parts.groups() if part)
    try:
        there = date(year, month, day) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    return f"{there.year:04}{there.month:02}{there.day:02}"
