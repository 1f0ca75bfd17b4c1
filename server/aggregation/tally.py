"""The first secure sum of a run.

How many patients and images the hospitals have together, and their total weight; nobody's own
number is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from common.errors import InputError, RoundError, SignatureError
from common.protocol import sum_specs
from common.protocol.envelopes import Question
from common.secagg import terms
from common.study.study import Study
from common.trust import roster as rosters
from common.trust.roster import Roster
from server.aggregation.cohort import Cohort, Membership
from server.aggregation.secure_sums import Sums
from server.participants import Member, Participants, grouped
from server.transport import Transport


def hold(
    transport: Transport, study: Study, run: str, signed: Mapping[str, Any], roster: Participants
) -> tuple[Sums, Participants, int]:
    """Open the secure sums of a run and count.

    Args:
        transport: to the hospitals.
        study: with secure aggregation.
        run: the run's name.
        signed: ``{"signed": the signed roster, "roster_key": PEM, "authority": PEM}``, as the
            coordinator's folder holds them.
        roster: the hospitals that joined.

    Returns:
        the sums, the members that were counted with their totals, and their total weight.

    Raises:
        InputError: the roster is not signed, or too few hospitals stand on it.
        RoundError: too few hospitals took part in the count, or it cannot be true.
    """
    listed, keys = _listed(signed)
    members, excluded = _on_roster(roster, keys)
    _check_enough(study, list(members.values()), excluded)
    membership = Membership(listed.consortium, run, signed["signed"], listed.digest, keys)
    cohort = Cohort(transport, study, membership, {site: m.node for site, m in members.items()})
    secure = Sums(cohort, study.secure_aggregation.patience)
    opened = secure.collect(
        Question("tally", study.to_table()),
        lambda count: sum_specs.specify(study, "tally", count),
        list(members),
        deadline=study.federation.deadline,
    )
    weight = int(opened.lanes["weight"])
    if weight < 1:
        raise RoundError(
            f"The hospitals' weights add up to {weight}; a hospital has sent a wrong "
            "count. Nobody can tell which: ask them all."
        )
    counted = replace(
        roster,
        members=tuple(members[site] for site in opened.survivors),
        excluded=excluded
        | {site: f"It was not counted: {why}" for site, why in opened.dropped.items()},
        totals={key: int(opened.lanes[key]) for key in sum_specs.COUNTS},
    )
    return secure, counted, weight


def _on_roster(
    joined: Participants, keys: Mapping[str, bytes]
) -> tuple[dict[str, Member], dict[str, str]]:
    """The members that the signed roster has, by name, and who is excluded with the reason."""
    strangers = {
        m.site: "It is not on the signed roster, or its certificate has expired."
        for m in joined.members
        if m.site not in keys
    }
    members = {m.site: m for m in joined.members if m.site not in strangers}
    return members, {**joined.excluded, **strangers}


def _check_enough(study: Study, members: Sequence[Member], excluded: Mapping[str, str]) -> None:
    """Whether so many hospitals can be in one secure sum, and enough of them train."""
    if len(members) > terms.MOST:
        raise InputError(
            f"A secure sum is over {terms.MOST} hospitals at most; {len(members)} joined. "
            "Draw fewer with two studies."
        )
    training = sum(member.trains for member in members)
    least = study.secure_aggregation.min_cohort
    if training < least:
        reasons = f"{grouped(excluded)} ".lstrip()
        raise InputError(
            f"Secure aggregation needs {least} hospitals that train; {training} joined. "
            f"{reasons}Let more hospitals join."
        )


def _listed(signed: Mapping[str, Any]) -> tuple[Roster, dict[str, bytes]]:
    """The roster and its hospitals' keys; the hospitals do not take the server's word for it."""
    if not signed:
        raise InputError(
            "Secure aggregation needs the signed roster, and there is none; "
            "sign it with: consilium server roster."
        )
    authority = str(signed["authority"]).encode()
    now = datetime.now(UTC)
    try:
        name = str(signed["signed"].get("roster", {}).get("consortium"))
        listed = rosters.verify(
            signed["signed"], str(signed["roster_key"]).encode(), authority, name, now
        )
    except SignatureError as error:
        raise InputError(f"Secure aggregation needs the signed roster: {error}") from None
    return listed, rosters.keys(listed, authority, now)
