"""What the coordinator learns of a failure, and what stays: one sentence of the table, the step at which it came, and an id.

Under the id the hospital's own log has the rest.
"""

from __future__ import annotations

import contextlib
import secrets
import traceback

from client.site import Site
from client.worker.allowed_words import Around
from common.errors import ConsiliumError, PolicyError, SiteError
from common.sentences.kinds import HOSPITAL
from common.sentences.table import TABLE, Sentence, say
from common.study.study import Study

_KINDS = TABLE["failure.unexpected"].kinds["kind"]


def told(
    site: Site, error: Exception, study: Study | None, step: str
) -> tuple[Sentence, dict[str, str]]:
    """The sentence, and ``{"step", "id"}`` with "accused" where another hospital is at fault; the log has the rest.

    Args:
        site: the hospital.
        error: what went wrong.
        study: whose words may stand in the sentence; None where the question had none.
        step: how far the question had come (``common.sentences.table.STEPS``).
    """
    about = {"step": step, "id": secrets.token_hex(4)}
    with contextlib.suppress(OSError):  # a full disk
        site.log(f"[{about['id']}] {_local(error)}")
    accused = getattr(error, "accused", "")
    listed = HOSPITAL.fits(accused) and HOSPITAL.stands(accused, Around(site, study))
    return _public(site, error, study), about | ({"accused": accused} if listed else {})


def _public(site: Site, error: Exception, study: Study | None) -> Sentence:
    """That of the error: without counts of a hospital that keeps them, and general where it would say a word that nobody here knows."""
    if not isinstance(error, ConsiliumError):
        names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "builtins"]
        return say("failure.unexpected", kind=next(filter(_KINDS.fits, names), ""))
    data = isinstance(error, SiteError) and not isinstance(error, PolicyError)
    sentence = (
        error.sentence.without_counts() if data and not site.policy.share_counts else error.sentence
    )
    return sentence if sentence.stands(Around(site, study)) else error.vague


def _local(error: Exception) -> str:
    if isinstance(error, ConsiliumError):
        return str(getattr(error, "local", error))
    return "".join(traceback.format_exception(error))
