"""Dates moved by whole days; what cannot be moved is not kept (DICOM PS3.5 6.2: DA, DT, TM)."""

from __future__ import annotations

import re
from datetime import date, timedelta

_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)|(\d{4})\.(\d\d)\.(\d\d)")
_MOMENT = re.compile(r"(\d{8})((?:\d\d){0,3}(?:(?<=\d{14})\.\d{1,6})?(?:[+-]\d{4})?)")
_TIME = re.compile(r"\d\d(?:\d\d(?:\d\d(?:\.\d{1,6})?)?)?|\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?")


def moved(value: str, vr: str, days: int) -> str | None:
    """A DA or DT moved by so many days, a TM unchanged; None where it is not a whole date, lies outside the calendar or is no time.

    A DT keeps its time of day and its offset from UTC; one without a day (``2011`` or ``201103``) cannot be moved by days.
    """
    text = value.strip(" \0")
    if vr == "TM":
        return text if _TIME.fullmatch(text) else None
    if vr == "DT":
        found = _MOMENT.fullmatch(text)
        day = _day(found[1], days) if found else None
        return None if day is None or found is None else day + found[2]
    return _day(text, days)


def _day(text: str, days: int) -> str | None:
    found = _DATE.fullmatch(text)
    if not found:
        return None
    year, month, day = (int(part) for part in found.groups() if part)
    try:
        there = date(year, month, day) + timedelta(days)
    except (ValueError, OverflowError):
        return None
    return f"{there.year:04}{there.month:02}{there.day:02}"
