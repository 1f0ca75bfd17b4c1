"""What a line of the audit log may hold: for each event its fields, for each field its form.

Whatever has no place here is refused, so that nothing about a patient gets into the log by an added
argument: no field takes an identifier, a path, a pixel or a label. Sentences are those that may
leave the hospital, or those of its own people about a stop.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from common.errors import SiteError

Form = Callable[[Any], bool]
_HEX = re.compile(r"[0-9a-f]{0,64}")
_LONGEST = 1000
_MOST = 1000


class EntryError(SiteError):
    """An entry that the audit log does not take; nothing was written."""

    general = "record.entry"


def check(values: Mapping[str, Any]) -> None:
    """Whether an entry may be written.

    Raises:
        EntryError: its event is unknown, or it has a field that the event has not or a value of
            another form.
    """
    event = values.get("event", "")
    allowed = _EVENTS.get(event) if isinstance(event, str) else None
    if allowed is None:
        raise _refused(f"event {event!r:.80} is unknown")
    for name, value in values.items():
        if name != "event" and not (name in allowed and _FIELDS[name](value)):
            raise _refused(
                f"{name} = {value!r:.80} has no place in an entry of the event {event!r}"
            )


def _refused(reason: str) -> EntryError:
    return EntryError("record.entry", reason)


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _hash(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _whole(value: Any) -> bool:
    # Beyond 2^53 other readers of JSON round.
    return type(value) is int and abs(value) < 1 << 53


def _number(value: Any) -> bool:
    return _whole(value) or (type(value) is float and math.isfinite(value))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST and all(map(_text, value))


def _heads(value: Any) -> bool:
    """Name of a hospital: number of entries of its record, and the root over them."""
    pairs = (
        isinstance(value, dict)
        and len(value) <= _MOST
        and all(isinstance(pair, list) and len(pair) == 2 for pair in value.values())
    )
    return pairs and all(
        _text(name) and _whole(size) and _hash(root) for name, (size, root) in value.items()
    )


_FIELDS: Mapping[str, Form] = {
    **dict.fromkeys(
        (
            "kind",
            "run",
            "study",
            "fault",
            "code",
            "step",
            "id",
            "by",
            "until",
            "use",
            "user",
            "reason",
            "site",
            "part",
        ),
        _text,
    ),
    **dict.fromkeys(("digest", "model"), _hash),
    **dict.fromkeys(
        ("round", "bytes", "received", "out", "patients", "version", "hospitals", "number"), _whole
    ),
    **dict.fromkeys(("seconds", "norm", "allowed"), _number),
    **dict.fromkeys(("left", "refused"), _texts),
    "heads": _heads,
}
_ASKED = ("kind", "round", "run", "study", "digest", "received")
_EVENTS: Mapping[str, tuple[str, ...]] = {
    "": (*_ASKED, "left", "refused", "seconds", "bytes", "out", "fault", "code", "step", "id"),
    "asked": _ASKED,
    "clipped": ("run", "round", "norm", "allowed"),
    "opened": ("run", "number", "kind", "part", "round", "model", "hospitals"),
    "roster": ("version", "digest", "hospitals"),
    "policy": ("digest",),
    "started": (),
    "ended": (),
    "stopped": ("user", "reason"),
    "resumed": ("user",),
    "approved": ("study", "digest", "by", "until", "use", "user"),
    "withdrawn": ("study", "digest", "user"),
    "patient withdrawn": ("patients", "user"),
    "heads": ("run", "heads"),
    "head refused": ("run", "site", "reason"),
    "history rewritten": ("run", "site", "reason"),
    "unknown own head": ("run", "reason"),
}
"""Event: its fields, none of which it must have; "" is the answer to a question, or its refusal."""
EVENTS = tuple(sorted(filter(None, _EVENTS)))
"""Events by name."""
