"""The hospital's own stop: while HOME/worker/state/stopped exists, this hospital answers nothing.

Whatever stands under that name stops, whether or not it can be read: only that it is not there lets
a question through. Everything else stays as it is, so that a resumed hospital goes on where it was.
"""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.errors import InputError, PolicyError
from common.sentences.table import say
from common.storage import files, locked_json

NAME = "stopped"
CODE = "policy.stopped"
SENTENCE = say(CODE).render()
"""What the coordinator learns: neither who nor why."""
LONGEST_REASON = 200
_LARGEST = 4096
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Stop:
    """Who stopped this hospital.

    Attributes:
        at: when (ISO 8601, UTC); "unknown" if the file cannot be read, like ``by``.
        by: name of the operating system's user.
        reason: in their words; may be empty.
    """

    at: str
    by: str
    reason: str


def stopped(state: Path) -> str | None:
    """The sentence that the coordinator hears while this hospital is stopped, else None."""
    return None if read(state) is None else SENTENCE


def check(state: Path) -> None:
    """Whether anything may be answered now.

    Raises:
        PolicyError: this hospital is stopped.
    """
    recorded = read(state)
    if recorded is not None:
        raise PolicyError(
            CODE,
            f"stopped by {recorded.by} at {recorded.at}: {recorded.reason or 'no reason given'}",
        )


def read(state: Path) -> Stop | None:
    """Who stopped this hospital; None only if the file is certainly not there."""
    path = state / NAME
    try:
        path.lstat()
    except FileNotFoundError:
        return None
    except OSError:
        return _unreadable()
    try:
        with path.open("rb") as file:
            recorded = json.loads(file.read(_LARGEST))
        at, by, reason = (recorded[key] for key in ("at", "by", "reason"))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return _unreadable()
    if not all(isinstance(text, str) for text in (at, by, reason)):
        return _unreadable()
    return Stop(at, by, reason)


def stop(state: Path, by: str, reason: str, now: datetime) -> Stop:
    """Stop this hospital; one that is stopped already stays so, with the first reason.

    Args:
        state: the worker's folder.
        by: name of the operating system's user.
        reason: up to 200 printable characters, or nothing.
        now: with zone.

    Raises:
        InputError: the reason is too long or cannot be printed.
        OSError: the file cannot be written; this hospital is not stopped.
    """
    before = read(state)
    if before is not None:
        return before
    stopped_now = Stop(now.isoformat(timespec="seconds"), by, _checked(reason))
    # Without a lock: a stop waits for nobody.
    locked_json.write(files.private(state) / NAME, vars(stopped_now))
    return stopped_now


def resume(state: Path) -> Stop | None:
    """Let this hospital answer again; what stopped it, or None if nothing did.

    Raises:
        InputError: what stands there is no file, or cannot be removed.
    """
    recorded = read(state)
    if recorded is None:
        return None
    try:
        (state / NAME).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"{state / NAME} cannot be removed ({error.strerror}); "
            "remove it as the user that owns it."
        ) from None
    return recorded


def user() -> str:
    """Name of the user that runs this process, or its number where it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"


def _checked(reason: str) -> str:
    plain = " ".join(reason.split())
    if len(plain) > LONGEST_REASON or not plain.isprintable():
        raise InputError(
            f"The reason has {len(plain)} characters; "
            f"give up to {LONGEST_REASON} that can be printed."
        )
    return plain


def _unreadable() -> Stop:
    return Stop(_UNKNOWN, _UNKNOWN, f"the file worker/state/{NAME} cannot be read")
