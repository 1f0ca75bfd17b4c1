"""What the coordinator learns of a failure, and what stays: one public sentence, a code, the room where it happened, and an id.

Under the id the hospital's own log has the rest.
"""

from __future__ import annotations

import contextlib
import secrets
import traceback

from client.site import Site
from client.worker import allowed_words
from common.errors import ConsiliumError, PolicyError, SiteError
from common.study import config
from common.study.study import Study

_LONGEST = 500
_GENERAL = "The hospital's data do not serve this study; its own log says why."


def told(site: Site, error: Exception, study: Study | None) -> dict[str, str]:
    """``{"fault", "code", "room", "id"}``, and "accused" where another hospital is at fault; the log has the rest.

    Args:
        site: the hospital.
        error: what went wrong.
        study: whose words may stand in the sentence; None where the question had none.
    """
    code = error.code if isinstance(error, ConsiliumError) else "unexpected"
    said = {
        "fault": _public(site, error, study),
        "code": code,
        "room": _room(error),
        "id": secrets.token_hex(4),
    }
    with contextlib.suppress(OSError):  # a full disk
        site.log(f"[{said['id']}] {_local(error)}")
    accused = getattr(error, "accused", "")
    return said | ({"accused": accused} if config.NAME.fullmatch(accused) else {})


def _public(site: Site, error: Exception, study: Study | None) -> str:
    """That of the error if it is one of ours: without numbers of a hospital that keeps its counts, and in words of ours and the study's."""
    if not isinstance(error, ConsiliumError):
        known = type(error).__module__ == "builtins"
        return f"The hospital's work failed ({type(error).__name__ if known else 'an error of a library'}); its own log says why."
    text = error.public if isinstance(error, SiteError) else str(error)
    data = isinstance(error, SiteError) and not isinstance(error, PolicyError)
    if data and not site.policy.share_counts and any(letter.isdigit() for letter in text):
        return _GENERAL
    if data and not allowed_words.spoken(text, study.to_table() if study else {}):
        return _GENERAL
    return text if len(text) <= _LONGEST and text.isprintable() else _GENERAL


def _local(error: Exception) -> str:
    if isinstance(error, ConsiliumError):
        return str(getattr(error, "local", error))
    return "".join(traceback.format_exception(error))


def _room(error: Exception) -> str:
    """The innermost file of ours that the error passed, as a module's name; it says nothing about data."""
    frames = [
        frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    ours = [name for name in frames if str(name).split(".", maxsplit=1)[0] in ("client", "common")]
    return str(ours[-1]) if ours else ""
