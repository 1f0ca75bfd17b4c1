"""This hospital as a member of its consortium: the roster it accepts, its part in a run's sums."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from client.audit import log as audit_log
from client.secagg.participation import Participation, Roll
from client.secagg.revealed_sums import RevealedSums
from client.secagg.sums_in_progress import SharedSumsInProgress, SumsInProgress
from client.site import Site
from common.errors import SecureSumError, SignatureError
from common.secagg.participant_state import Me
from common.secagg.terms import Limits
from common.sentences.table import say
from common.study.study import Study


def accept(site: Site, signed: Any) -> None:
    """Take a signed roster that came with a question.

    Raises:
        SignatureError: it is not the consortium's, or older than one that was accepted.
    """
    identity = site.identity
    if not isinstance(signed, Mapping):
        raise SignatureError(
            "A question comes with a roster that is not a table.", say("roster.unsigned")
        )
    now = datetime.now(UTC)
    before = identity.roster(site.state, now)
    identity.accept(signed, site.state, now)
    roster = identity.roster(site.state, now)
    if roster is not None and roster != before:
        audit_log.note(
            site.state,
            event="roster",
            version=roster.version,
            digest=roster.digest.hex(),
            hospitals=len(roster.sites),
        )


def participation(site: Site, run: str, study: Study) -> Participation:
    """This hospital in the secure sums of a run.

    Args:
        site: the hospital.
        run: name of the run.
        study: the signed study; its smallest cohort binds the hospital, whose own policy may ask
            for more.
    """
    identity = site.identity

    # Asked anew for every sum: certificates end and rosters change while a run goes on.
    def roll() -> Roll:
        now = datetime.now(UTC)
        roster = identity.roster(site.state, now)
        if roster is None:
            raise SecureSumError(say("sum.no_roster"))
        return Roll(roster.digest, identity.keys(roster, now))

    min_cohort = max(site.policy.min_cohort, study.secure_aggregation.min_cohort)
    limits = Limits(min_cohort, site.policy.colluders)
    return Participation(
        Me(site.name, identity.key, limits),
        identity.consortium,
        run,
        roll=roll,
        sums_in_progress=SharedSumsInProgress(site.state) if site.spread else SumsInProgress(),
        revealed_sums=RevealedSums(site.state, study.digest),
    )
