"""The button: stop and resume, each with its line in the audit log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from client.audit import log as audit_log
from client.policy import stop as stops
from client.policy.stop import Stop
from common.errors import ConsiliumError, InputError
from common.storage import files


def stop(state: Path, reason: str, now: datetime, note: Callable[[str], None]) -> Stop:
    """Stop the hospital.

    Where the audit log cannot be written, that is only told, since stopping goes first.

    Raises:
        InputError: the reason is too long, or the stop cannot be written.
    """
    before = stops.read(state)
    try:
        stopped = stops.stop(state, stops.user(), reason, now)
    except OSError as error:
        raise InputError(
            f"{state / stops.NAME} cannot be written ({error.strerror}); "
            "end the worker itself, or run this as the user that enrolled."
        ) from None
    if before is None:
        try:
            _note(state, event="stopped", user=stopped.by, reason=stopped.reason)
        except (OSError, ConsiliumError) as error:
            note(f"stopped, but the journal could not be written: {error}")
    return stopped


def resume(state: Path) -> Stop | None:
    """Let the hospital answer again; what had stopped it, or None.

    Nothing is resumed that the audit log does not say.

    Raises:
        InputError: the audit log cannot be written, or the stop cannot be removed.
    """
    if stops.read(state) is None:
        return None
    try:
        _note(state, event="resumed", user=stops.user())
    except OSError as error:
        raise InputError(
            f"The journal cannot be written ({error.strerror}), so this hospital stays stopped; "
            "its disk may be full."
        ) from None
    return stops.resume(state)


def _note(state: Path, **values: str) -> None:
    """A line in the audit log, which belongs to the worker's user whoever presses."""
    audit_log.note(state, **values)
    files.hand_over(state, audit_log.NAME, audit_log.HEAD, stops.NAME)
