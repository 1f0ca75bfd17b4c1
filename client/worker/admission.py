"""Admission, before any work: whether this hospital answers a question, by its own rules.

What may leave after the work is the outbox's matter (``client/worker/outbox.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime

from client.policy import approvals, daily_limits, stop
from client.site import Site
from common.errors import PolicyError
from common.protocol.envelopes import Question
from common.study.study import Study

_SCORING = ("join", "agree", "tally", "evaluate")
"""Questions whose answers hold no weights."""


def check(site: Site, question: Question, study: Study) -> None:
    """Whether a question may be worked on now.

    Raises:
        ApprovalError: a person must decide first.
        PolicyError: it may not; the sentence says which rule forbids it.
    """
    policy = site.policy
    # Local time: the policy's hours and days are those of the people here.
    here = datetime.now(UTC).astimezone()
    # First of all: a stopped hospital tells nothing else, not even which rule would forbid it.
    stop.check(site.state)
    policy.check(study)
    if question.kind == "train" and not policy.training:
        raise PolicyError("policy.training")
    if not policy.is_open(here):
        raise PolicyError("policy.hours", hours=policy.hours)
    _check_coordinator(site)
    if site.needs_approval:
        use = "evaluate" if question.kind in _SCORING else "train"
        approvals.check(site.state, study, use, datetime.now(UTC))
    if question.kind == "train":
        daily_limits.check(site.state, policy, here.date(), rounds=1)


def trains(site: Site, study: Study) -> bool:
    """Whether this hospital would answer the study's training questions."""
    if not site.policy.training:
        return False
    if not site.needs_approval:
        return True
    now = datetime.now(UTC)
    return any(
        approval.permits("train", now)
        for approval in approvals.all_of(site.state)
        if approval.digest == study.digest
    )


def _check_coordinator(site: Site) -> None:
    allowed = site.policy.coordinators
    if allowed and not site.trust.is_from(allowed):
        raise PolicyError("policy.coordinators")
