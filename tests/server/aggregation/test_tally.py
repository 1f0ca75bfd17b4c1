"""The count at the start of a run.

Totals over hospitals, who was counted, and clear sentences where it cannot be held.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.identity import raw_key
from common.errors import InputError, RoundError
from common.protocol.envelopes import Question, Reply
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.roster import Roster
from server.aggregation import tally
from server.participants import Member, Participants
from tests.server.parties import DISK, NO_DISK, Hospital, World

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=60)
CA = certificates.authority("consortium", LONG_AGO, 3650)
KEY = certificates.signer(CA, certificates.ROSTER, NOW, 365)
NAMES = tuple(f"h{i:02}" for i in range(1, 6))
SITES = {name: certificates.signer(CA, name, NOW, 365) for name in NAMES}


def listed(*names: str, days: int = 365) -> dict[str, Any]:
    """The signed roster as the run request brings it.

    Of the first hospital a certificate for so many days.
    """
    sites = {name: SITES[name].certificate.decode() for name in names or NAMES}
    if days != 365:
        sites["h01"] = certificates.signer(CA, "h01", LONG_AGO, days).certificate.decode()
    signed = rosters.sign(Roster("consortium", 2, NOW.isoformat(), sites), KEY.key)
    return {
        "signed": signed,
        "roster_key": KEY.certificate.decode(),
        "authority": CA.certificate.decode(),
    }


def digest(table: dict[str, Any]) -> bytes:
    return rosters.verify(
        table["signed"], KEY.certificate, CA.certificate, "consortium", NOW
    ).digest


Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(count: int = 5, table: dict[str, Any] | None = None) -> World:
        keys = {name: raw_key(SITES[name].key) for name in NAMES[:count]}
        world = World(tmp_path, count, keys=keys, digest=digest(table or listed()))
        for hospital in world.hospitals.values():
            hospital.lanes = {"train": hospital.weight, "patients": hospital.weight // 10}
        return world

    return build


def hold(
    world: World, table: dict[str, Any] | None = None, members: Participants | None = None
) -> Any:
    joined = members or Participants(tuple(world.members()), {"away": "No images."})
    signed = listed() if table is None else table
    return tally.hold(world, world.study, "run", signed, joined)  # type: ignore[arg-type]


def test_totals_are_those_of_all_and_nobody_s_own_are_known(make: Make) -> None:
    world = make()
    secure, roster, total = hold(world)
    assert roster.totals == {
        "train": 1500,
        "validation": 5,
        "test": 5,
        "patients": 150,
        "train_patients": 5,
        "left_out": 5,
    }
    assert (
        total == 1500
        and [m.site for m in roster.members] == list(NAMES)
        and all(m.counts == {} for m in roster.members)
    )
    assert roster.excluded == {"away": "No images."}
    world.sums = secure
    opened = world.collect()
    world.check(opened)
    assert opened.exchanges == 3


def test_who_fails_in_the_count_is_out_with_the_reason(make: Make) -> None:
    world = make()
    world.trouble["vector", "h02"] = lambda hospital, question, reply: Reply(
        "h02", "tally", sentence=DISK
    )
    _, roster, total = hold(world)
    assert [m.site for m in roster.members] == ["h01", "h03", "h04", "h05"] and total == 1300
    assert roster.excluded["h02"] == f"It was not counted: {NO_DISK}"


@pytest.mark.parametrize("stage", ["confirm", "reveal"])
def test_nobody_is_a_member_and_excluded(make: Make, stage: str) -> None:
    world = make()
    world.trouble[stage, "h02"] = lambda hospital, question, reply: Reply(
        "h02", "agree", sentence=DISK
    )
    _, roster, _ = hold(world)
    assert not {m.site for m in roster.members} & set(roster.excluded)


@pytest.mark.parametrize("stage", ["keys", "parcels"])
def test_every_hospital_that_joined_is_a_member_or_excluded(make: Make, stage: str) -> None:
    world = make()
    world.trouble[stage, "h02"] = lambda hospital, question, reply: Reply(
        "h02", "agree", sentence=DISK
    )
    _, roster, _ = hold(world)
    assert {m.site for m in roster.members} | set(roster.excluded) >= set(NAMES)


def test_two_hospitals_are_one_clear_sentence_before_anybody_is_asked(make: Make) -> None:
    world = make(2)
    with pytest.raises(
        InputError,
        match=r"^Secure aggregation needs 3 hospitals that train; 2 joined\. away: No images\. "
        r"Let more hospitals join\.",
    ):
        hold(world)
    assert world.exchanges == []


def test_a_hospital_that_is_not_on_the_roster_is_left_out(make: Make) -> None:
    table = listed(*NAMES[:4])
    world = make(5, table)
    _, roster, _ = hold(world, table)
    assert [m.site for m in roster.members] == list(NAMES[:4])
    assert (
        roster.excluded["h05"] == "It is not on the signed roster, or its certificate has expired."
    )
    assert not any("h05" in exchange for exchange in world.exchanges)


def test_a_hospital_whose_certificate_has_expired_is_left_out(make: Make) -> None:
    table = listed(days=10)
    world = make(5, table)
    _, roster, _ = hold(world, table)
    assert "h01" in roster.excluded and [m.site for m in roster.members] == list(NAMES[1:])


@pytest.mark.parametrize(
    ("spoil", "pattern"),
    [
        (
            lambda table: {},
            r"needs the signed roster, and there is none; sign it with: consilium server roster",
        ),
        (lambda table: {**table, "signed": {}}, "needs the signed roster: .*not signed"),
        (
            lambda table: {**table, "signed": {**table["signed"], "signature": "AAAA"}},
            "not signed by the consortium's roster key",
        ),
        (
            lambda table: {**table, "roster_key": CA.certificate.decode()},
            "roster key's certificate is refused",
        ),
    ],
)
def test_without_a_good_roster_there_is_no_count(make: Make, spoil: Any, pattern: str) -> None:
    world = make()
    with pytest.raises(InputError, match=pattern):
        hold(world, spoil(listed()))
    assert world.exchanges == []


def test_too_few_in_the_count_end_the_run_with_their_reasons(make: Make) -> None:
    world = make(3)

    def full(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        return Reply(hospital.name, question.kind, sentence=DISK)

    world.trouble["vector", "h02"] = full
    with pytest.raises(
        RoundError,
        match=r"Too few hospitals for a secure sum, in 3 attempts.*h02: " + re.escape(NO_DISK),
    ):
        hold(world)


def test_more_than_a_sum_can_hold(make: Make) -> None:
    world = make()
    names = [f"x{i:03}" for i in range(201)]
    sites = {name: SITES["h01"].certificate.decode() for name in names}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            tally,
            "_listed",
            lambda _: (Roster("consortium", 1, "", sites), dict.fromkeys(names, bytes(32))),
        )
        with pytest.raises(InputError, match="200 hospitals at most; 201 joined"):
            hold(
                world,
                members=Participants(
                    tuple(Member(i, name, {}) for i, name in enumerate(names)), {}
                ),
            )


def test_a_count_that_cannot_be_true_ends_the_run(make: Make) -> None:
    world = make()
    for hospital in world.hospitals.values():
        hospital.weight = 0
    with pytest.raises(
        RoundError, match=r"The hospitals' weights add up to 0; a hospital has sent a wrong count"
    ):
        hold(world)
