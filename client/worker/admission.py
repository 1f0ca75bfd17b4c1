"""Before any work: whether this hospital answers a study at all, by its own rules. The last door, after the work, is ``client/worker/outbox.py``."""

from __future__ import annotations

from datetime import UTC, datetime

from client.policy import approvals, daily_limits, stop
from client.site import Site
from common.errors import PolicyError
from common.protocol.envelopes import Question
from common.study.study import Study

_SCORING = ("join", "agree", "tally", "evaluate")
"""Questions whose answers hold no weights."""


def check(site: Site, plan: Question, study: Study) -> None:
    """Whether a question may be worked on now.

    Raises:
        PolicyError: it may not; the sentence says which rule forbids it, and :class:`~common.errors.ApprovalError` that a person must decide.
    """
    policy, here = site.policy, datetime.now(UTC).astimezone()
    stop.check(site.state)
    policy.check(study)
    if plan.kind == "train" and not policy.training:
        raise PolicyError("policy.training")
    if not policy.is_open(here):
        raise PolicyError("policy.hours", hours=policy.hours)
    _check_coordinator(site)
    if site.needs_approval:
        approvals.check(
            site.state, study, "evaluate" if plan.kind in _SCORING else "train", datetime.now(UTC)
        )
    if plan.kind == "train":
        daily_limits.check(site.state, policy, here.date(), rounds=1)


def trains(site: Site, study: Study) -> bool:
    """Whether this hospital would answer the study's training questions."""
    if not site.policy.training:
        return False
    if not site.needs_approval:
        return True
    now = datetime.now(UTC)
    return any(
        a.permits("train", now) for a in approvals.all_of(site.state) if a.digest == study.digest
    )


def _check_coordinator(site: Site) -> None:
    allowed = site.policy.coordinators
    if allowed and not site.trust.is_from(allowed):
        raise PolicyError("policy.coordinators")
