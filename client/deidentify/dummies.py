"""Values that say nothing, one for each kind of value (DICOM PS3.15 E.3.1.1: action D, "consistent with the VR")."""

from __future__ import annotations

from typing import Any

from pydicom.dataelem import DataElement

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


def dummy(element: DataElement) -> DataElement | None:
    """The element with a value that says nothing; None for a sequence, a UID or an unknown kind, which have no such value."""
    value = TEXT if element.VR in _TEXTS else _OTHERS.get(element.VR)
    return None if value is None else DataElement(element.tag, element.VR, value)


def empty(element: DataElement) -> DataElement:
    """The element without a value."""
    return DataElement(element.tag, element.VR, [] if element.VR == "SQ" else None)
