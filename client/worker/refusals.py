"""What the coordinator learns of a failure: a sentence of the table, the step and an id.

Under the id the hospital's own log has the rest.
"""

from __future__ import annotations

import contextlib
import secrets
import traceback

from client.site import Site
from client.worker.allowed_words import AllowedWords
from common.errors import ConsiliumError, PolicyError, SiteError
from common.sentences.kinds import HOSPITAL
from common.sentences.table import TABLE, Sentence, say
from common.study.study import Study

_KINDS = TABLE["failure.unexpected"].kinds["kind"]


def refusal(
    site: Site, error: Exception, study: Study | None, step: str
) -> tuple[Sentence, dict[str, str]]:
    """The sentence, and ``{"step", "id"}`` with "accused" where another hospital is at fault.

    Args:
        site: the hospital.
        error: what went wrong.
        study: whose words may stand in the sentence; None where the question had none.
        step: how far the question had come (``common.sentences.table.STEPS``).
    """
    values = {"step": step, "id": secrets.token_hex(4)}
    # A full disk must not keep the refusal from being told.
    with contextlib.suppress(OSError):
        site.log(f"[{values['id']}] {_local(error)}")
    accused = getattr(error, "accused", "")
    listed = HOSPITAL.fits(accused) and HOSPITAL.stands(accused, AllowedWords(site, study))
    return _public(site, error, study), values | ({"accused": accused} if listed else {})


def _public(site: Site, error: Exception, study: Study | None) -> Sentence:
    """The error's sentence, general where it would say a word that is not allowed to leave."""
    if not isinstance(error, ConsiliumError):
        # Only Python's own types by name: a library's could tell what it stumbled over.
        names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "builtins"]
        return say("failure.unexpected", kind=next(filter(_KINDS.fits, names), ""))
    # A policy's numbers are rules, all other numbers of a hospital's errors come from its data.
    data = isinstance(error, SiteError) and not isinstance(error, PolicyError)
    policy = site.policy
    shared = policy.share_counts and error.sentence.least_count >= policy.floor
    sentence = error.sentence.without_counts() if data and not shared else error.sentence
    return sentence if sentence.stands(AllowedWords(site, study)) else error.vague


def _local(error: Exception) -> str:
    if isinstance(error, ConsiliumError):
        return str(getattr(error, "local", error))
    return "".join(traceback.format_exception(error))
