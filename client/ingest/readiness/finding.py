"""One finding of the readiness report, with its severity.

``stop``: the folder cannot serve a study as it is, or something in it may identify a person.
``warn``: results would suffer. ``info``: worth knowing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["stop", "warn", "info"]
SEVERITIES: tuple[Severity, ...] = ("stop", "warn", "info")
"""The gravest first."""


@dataclass(frozen=True)
class Finding:
    """One thing that stands in the way: ``code`` for programs, ``what`` and ``do`` for people."""

    severity: Severity
    code: str
    what: str
    count: int
    do: str


def stop(code: str, what: str, count: int, do: str) -> Finding:
    """The folder cannot serve a study as it is, or may identify a person."""
    return Finding("stop", code=code, what=what, count=count, do=do)


def warn(code: str, what: str, count: int, do: str) -> Finding:
    """Results would suffer."""
    return Finding("warn", code=code, what=what, count=count, do=do)


def info(code: str, what: str, count: int, do: str) -> Finding:
    """Worth knowing."""
    return Finding("info", code=code, what=what, count=count, do=do)
