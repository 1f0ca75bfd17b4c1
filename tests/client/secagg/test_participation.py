"""One hospital in the secure sums of one run.

What it refuses before it works, and that a refusal leaves everything as it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.secagg.participation import Participation, Roll
from client.secagg.revealed_sums import RevealedSums
from client.secagg.sums_in_progress import SumsInProgress
from common.errors import SecureSumError
from common.protocol.envelopes import Question
from common.secagg.messages import (
    Advert,
    Bundle,
    Confirm,
    Parcel,
    Reveal,
    SumResult,
    SumSpec,
    Survivors,
    Terms,
)
from common.secagg.participant_state import Me
from common.secagg.terms import Limits
from common.sentences.table import say
from tests.server.parties import ROSTER, World, agreed, spec_for

NAMES = ("h01", "h02", "h03")
TERMS = Terms("consortium", "run", 1, NAMES, 2, ROSTER)
QUESTION = Question("train", {}, 1, "layout", np.ones(7, np.float32))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, 3)


def agree(world: World, site: str, *messages: Any) -> tuple[bytes, ...]:
    return agreed(
        world.hospitals[site].party, [m if isinstance(m, bytes) else m.encode() for m in messages]
    )[0]


def keys(world: World, terms: Terms = TERMS) -> Bundle:
    return Bundle(terms.digest, tuple(agree(world, site, terms)[0] for site in NAMES))


def dealt(world: World, terms: Terms = TERMS) -> dict[str, Bundle]:
    """Each hospital's parcels."""
    adverts = keys(world, terms)
    every = [
        p for site in NAMES for p in Bundle.decode(agree(world, site, adverts)[0]).opened(Parcel)
    ]
    return {site: Bundle.of(terms.digest, [p for p in every if p.to == site]) for site in NAMES}


def the_spec(world: World, number: int = 1, question: Question = QUESTION) -> SumSpec:
    return spec_for(world.study, replace(question, round=number), 3, world.total)


def work(
    world: World,
    site: str,
    parcels: Bundle,
    spec: SumSpec,
    *before: SumResult,
    expected: SumSpec | None = None,
) -> bytes:
    """Prepare and seal; what the hospital vouches for."""
    party = world.hospitals[site].party
    sealing = party.prepare(
        [*(r.encode() for r in before), spec.encode(), parcels.encode()],
        lambda cohort, total: expected or spec,
    )
    lanes = dict.fromkeys(spec.lanes, 1)
    return party.seal(sealing, world.hospitals[site].change, 0.3, lanes)[1][0]


def opened(world: World, terms: Terms = TERMS, number: int = 1) -> dict[str, Reveal]:
    """A whole sum by hand."""
    parcels = dealt(world, terms)
    for site in NAMES:
        work(world, site, parcels[site], the_spec(world, number))
    named = Survivors(terms.digest, NAMES)
    confirms = Bundle(terms.digest, tuple(agree(world, site, named)[0] for site in NAMES))
    return {site: Reveal.decode(agree(world, site, confirms)[0]) for site in NAMES}


def refused(world: World, words: str, call: Callable[[], object], site: str = "h01") -> None:
    """The call is refused, and the hospital stands where it stood."""
    sums_in_progress = world.hospitals[site].party._sums_in_progress
    before = dict(sums_in_progress._open)
    with pytest.raises(SecureSumError, match=words):
        call()
    assert sums_in_progress._open == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"consortium": "other"}, "another consortium or run"),
        ({"run": "run-2"}, "another consortium or run"),
        ({"run": ""}, "another consortium or run"),
        ({"roster": bytes(32)}, "not about the signed roster"),
        ({"number": 0}, r"number 0, which was used before"),
        ({"threshold": 1}, "threshold 1"),
        ({"threshold": 4}, "threshold 4"),
        ({"cohort": NAMES[:2]}, "policy asks for 3"),
        ({"cohort": ("h01", "h01", "h02")}, "names a hospital twice"),
        ({"cohort": NAMES[::-1]}, "not in order"),
        ({"cohort": ("h02", "h03", "h04")}, "'h04'"),
        ({"cohort": ("", "h01", "h02")}, "roster does not hold"),
    ],
)
def test_terms_that_are_not_as_they_must_be(
    world: World, change: dict[str, Any], words: str
) -> None:
    refused(world, words, lambda: agree(world, "h01", replace(TERMS, **change)))


def test_terms_without_oneself(tmp_path: Path) -> None:
    world = World(tmp_path, 4)
    terms = replace(TERMS, cohort=("h02", "h03", "h04"), threshold=3)
    refused(world, "does not name this hospital", lambda: agree(world, "h01", terms))


def test_an_empty_run_fits_any(tmp_path: Path, world: World) -> None:
    party = world.party("h01", run="")
    assert len(agreed(party, [replace(TERMS, run="anything").encode()])[0]) == 1


def test_the_roster_is_looked_at_anew_for_every_sum(tmp_path: Path, world: World) -> None:
    rolls = [
        Roll(ROSTER, world.public),
        Roll(ROSTER, {k: v for k, v in world.public.items() if k != "h03"}),
        Roll(bytes(32), world.public),
    ]
    party = Participation(
        Me("h01", world.keys["h01"], Limits()),
        "consortium",
        "run",
        lambda: rolls.pop(0),
        SumsInProgress(),
        RevealedSums(tmp_path, "study"),
    )
    party.agree([TERMS.encode()])
    with pytest.raises(
        SecureSumError, match="'h03', which the signed roster does not hold as valid"
    ):
        party.agree([replace(TERMS, number=2).encode()])
    with pytest.raises(SecureSumError, match="not about the signed roster"):
        party.agree([replace(TERMS, number=3).encode()])


@pytest.mark.parametrize("number", [1, 2])
def test_a_number_is_used_once_and_numbers_rise(world: World, number: int) -> None:
    agree(world, "h01", replace(TERMS, number=2))
    refused(
        world,
        "used before; numbers rise",
        lambda: agree(world, "h01", replace(TERMS, number=number, threshold=3)),
    )


def test_a_number_is_used_once_also_after_a_restart(world: World) -> None:
    opened(world, replace(TERMS, number=5))
    world.restart("h01")
    refused(
        world,
        "number 5, which was used before",
        lambda: agree(world, "h01", replace(TERMS, number=5)),
    )
    assert len(agree(world, "h01", replace(TERMS, number=6))) == 1


def test_keys_are_fresh_for_every_sum(world: World) -> None:
    adverts = [Advert.decode(agree(world, "h01", replace(TERMS, number=n))[0]) for n in (1, 2, 3)]
    assert len({key for a in adverts for key in (a.mask_key, a.channel_key, a.commitment)}) == 9


def test_messages_of_a_sum_that_nobody_began(world: World) -> None:
    for message in (
        Survivors(bytes(32), NAMES),
        SumResult(bytes(32), (3,) * 4, bytes(32)),
        Bundle(bytes(32), ()),
    ):
        refused(
            world, "in no such secure sum", lambda message=message: agree(world, "h01", message)
        )  # type: ignore[misc]


@pytest.mark.parametrize(
    "blob",
    [b"", b"\0", b"\x0a\x01", b"\x01\x01" + bytes(30), b"\xff" * 50, bytes([4, 1]) + bytes(90)],
)
def test_bytes_that_are_no_message(world: World, blob: bytes) -> None:
    agree(world, "h01", TERMS)
    refused(world, "secure sum", lambda: agree(world, "h01", blob))


def test_a_bundle_of_other_things_is_refused(world: World) -> None:
    parcels = dealt(world)
    refused(world, "not a Confirm|cannot reveal", lambda: agree(world, "h01", parcels["h01"]))
    refused(world, "cannot share", lambda: agree(world, "h01", keys_again(world)))


def keys_again(world: World) -> Bundle:
    """The adverts of this sum once more."""
    state = world.hospitals["h01"].party._sums_in_progress.get(TERMS.digest)
    return Bundle.of(TERMS.digest, list(state.adverts.values()))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"round": 2}, "round"),
        ({"model": b"x" * 32}, "model"),
        ({"layout": "other"}, "layout"),
        ({"size": 8}, "size"),
        ({"ring_bits": 64}, "ring_bits"),
        ({"fraction_bits": 3}, "fraction_bits"),
        ({"limit": 1.0}, "limit"),
        ({"lanes": ("weight", "patients")}, "lanes"),
        ({"kind": "tally"}, "kind"),
        ({"part": "test"}, "part"),
        ({"kind": "tally", "total": 1}, "kind, total"),
    ],
)
def test_an_order_that_is_not_the_study_s_is_refused_before_any_work(
    world: World, change: dict[str, Any], words: str
) -> None:
    parcels = dealt(world)
    right = the_spec(world)
    asked = replace(right, **change)
    refused(
        world,
        rf"differs from the signed study's in {words}\.$",
        lambda: work(world, "h01", parcels["h01"], asked, expected=right),
    )
    work(world, "h01", parcels["h01"], right)


def test_the_order_is_worked_out_from_the_number_of_hospitals_in_the_terms(world: World) -> None:
    parcels = dealt(world)
    seen = list[tuple[int, int]]()
    right = the_spec(world)

    def expected(cohort: int, total: int) -> SumSpec:
        seen.append((cohort, total))
        return right

    world.hospitals["h01"].party.prepare([right.encode(), parcels["h01"].encode()], expected)
    assert seen == [(3, world.total)]


def test_each_step_is_answered_on_its_own_and_what_is_refused_is_told(world: World) -> None:
    agree(world, "h01", TERMS)
    good = replace(TERMS, number=2)
    bad = replace(TERMS, number=3, roster=bytes(32))
    party = world.hospitals["h01"].party
    answers, refused_ = agreed(party, [b"x", bad.encode(), good.encode()])
    assert [Advert.decode(blob).terms for blob in answers] == [good.digest]
    assert (
        len(refused_) == 2
        and refused_[1] == say("sum.roster")
        and refused_[0] == say("sum.refused")
    )
    refused(world, "cut short|announces|not a", lambda: agree(world, "h01", b"x", bad))


@pytest.mark.parametrize(("specs", "bundles"), [(0, 1), (2, 1), (1, 0), (1, 2), (0, 0)])
def test_a_question_has_one_order_and_one_bundle(world: World, specs: int, bundles: int) -> None:
    parcels = dealt(world)
    right = the_spec(world)
    blobs = [right.encode()] * specs + [parcels["h01"].encode()] * bundles
    refused(
        world,
        r"has \d messages of kind (SumSpec|Bundle); 1 is expected",
        lambda: world.hospitals["h01"].party.prepare(blobs, lambda *_: right),
    )


def test_parcels_for_another_hospital_or_without_the_own(world: World) -> None:
    parcels = dealt(world)
    right = the_spec(world)
    refused(world, "A parcel for 'h02' came", lambda: work(world, "h01", parcels["h02"], right))
    without = replace(parcels["h01"], items=parcels["h01"].items[1:])
    refused(world, "does not list this hospital", lambda: work(world, "h01", without, right))
    fewer = replace(parcels["h01"], items=parcels["h01"].items[:2])
    refused(
        world, "2 hospitals dealt shares; 3 are needed", lambda: work(world, "h01", fewer, right)
    )


def test_a_sum_takes_one_vector(world: World) -> None:
    parcels = dealt(world)
    right = the_spec(world)
    work(world, "h01", parcels["h01"], right)
    refused(world, "that is masked cannot arm", lambda: work(world, "h01", parcels["h01"], right))
    refused(
        world,
        "that is masked cannot arm",
        lambda: work(world, "h01", parcels["h01"], the_spec(world, 2)),
    )


def test_a_second_sum_about_one_round_is_refused_before_any_work_also_after_a_restart(
    world: World,
) -> None:
    opened(world)
    for number in (2, 3):
        terms = replace(TERMS, number=number)
        parcels = dealt(world, terms)
        refused(
            world,
            "train in round 1 was opened before",
            lambda p=parcels: work(world, "h01", p["h01"], the_spec(world)),
        )  # type: ignore[misc]
        for site in NAMES:
            world.restart(site)


def test_of_two_sums_about_one_round_that_are_under_way_one_is_opened(world: World) -> None:
    """Both have vectors before either is opened."""
    signed = []
    for terms in (TERMS, replace(TERMS, number=2)):
        parcels = dealt(world, terms)
        for site in NAMES:
            work(world, site, parcels[site], the_spec(world))
        signed.append(
            Bundle(
                terms.digest,
                tuple(agree(world, site, Survivors(terms.digest, NAMES))[0] for site in NAMES),
            )
        )
    assert Reveal.decode(agree(world, "h01", signed[1])[0]).seed_shares
    refused(world, "opened before; a second one is refused", lambda: agree(world, "h01", signed[0]))


def test_the_note_is_on_disk_before_the_shares_leave_and_without_it_they_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels = dealt(world)
    for site in NAMES:
        work(world, site, parcels[site], the_spec(world))
    signed = Bundle(
        TERMS.digest, tuple(agree(world, site, Survivors(TERMS.digest, NAMES))[0] for site in NAMES)
    )
    with monkeypatch.context() as patch:
        patch.setattr("os.write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        refused(world, "disk may be full", lambda: agree(world, "h01", signed))
    answer = agree(world, "h01", signed)
    assert RevealedSums(world.folder / "h01", "study").last("run") == 1
    assert agree(world, "h01", signed) == answer  # the same once more, where the answer was lost
    assert len((world.folder / "h01" / "opened.jsonl").read_text().splitlines()) == 1


def test_the_same_survivors_are_confirmed_once_more_and_no_others(tmp_path: Path) -> None:
    world = World(tmp_path, 5)
    confirms: list[tuple[bytes, ...]] = []

    def watched(hospital: Any, question: Question, reply: Any) -> Any:
        survivors = [blob for blob in question.secure if blob[0] == Survivors.TAG]
        named = Survivors.decode(survivors[0])
        confirms.append(agreed(hospital.party, survivors)[0])
        with pytest.raises(SecureSumError, match="other survivors"):
            hospital.party.agree([replace(named, sites=named.sites[:4]).encode()])
        assert Confirm.decode(confirms[-1][0]) == Confirm.decode(reply.secure[0])
        return reply

    world.trouble["confirm", "h01"] = watched
    world.check(world.collect())
    assert len(confirms) == 1


def test_wrong_canaries_are_not_the_end_of_a_sum_that_goes_well(world: World) -> None:
    opened(world)
    refused(
        world,
        "canaries of a secure sum are wrong",
        lambda: agree(world, "h01", SumResult(TERMS.digest, (3, 3, 3, 2), bytes(32))),
    )
    assert agree(world, "h01", SumResult(TERMS.digest, (3,) * 4, bytes(32))) == ()


def test_a_model_that_the_last_sum_did_not_lead_to_is_refused(world: World) -> None:
    opened(world)
    terms = replace(TERMS, number=2)
    parcels = dealt(world, terms)
    right = the_spec(world, 2)
    wrong = SumResult(TERMS.digest, (3,) * 4, b"w" * 32)
    with pytest.raises(
        SecureSumError,
        match="The model is not the one that the last secure sum is said to have led to",
    ):
        work(world, "h01", parcels["h01"], right, wrong)
    work(world, "h02", parcels["h02"], right, SumResult(TERMS.digest, (3,) * 4, right.model))
    work(world, "h03", parcels["h03"], right, SumResult(TERMS.digest, (3,) * 4, bytes(32)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 32.001, -33.0])
@pytest.mark.parametrize("at", [0, 6])
def test_a_value_that_is_not_allowed_is_not_sent(world: World, value: float, at: int) -> None:
    parcels = dealt(world)
    right = the_spec(world)
    party = world.hospitals["h01"].party
    sealing = party.prepare([right.encode(), parcels["h01"].encode()], lambda *_: right)
    values = np.zeros(7, np.float32)
    values[at] = value
    with pytest.raises(SecureSumError, match="nothing of it is sent"):
        party.seal(sealing, values, 0.3, dict.fromkeys(right.lanes, 1))
    assert party._sums_in_progress.get(TERMS.digest).step == "armed"


@pytest.mark.parametrize(
    ("lane", "value"),
    [("weight", -1), ("weight", 2.5), ("steps", 2**53), ("loss", float("nan")), ("loss", 1e9)],
)
def test_a_lane_that_is_not_allowed_is_not_sent(world: World, lane: str, value: float) -> None:
    parcels = dealt(world)
    right = the_spec(world)
    party = world.hospitals["h01"].party
    sealing = party.prepare([right.encode(), parcels["h01"].encode()], lambda *_: right)
    with pytest.raises(SecureSumError, match="lane"):
        party.seal(
            sealing, np.zeros(7, np.float32), 0.3, dict.fromkeys(right.lanes, 1) | {lane: value}
        )
    assert party._sums_in_progress.get(TERMS.digest).step == "armed"


def test_what_is_sent_looks_the_same_whatever_is_in_it(world: World) -> None:
    """Words under masks fill the ring, also where a hospital's change is zero from end to end."""
    big = World(world.folder / "big", 3, size=20_000)
    for hospital in big.hospitals.values():
        hospital.change[:] = 0
    seen: list[Any] = []

    def watched(hospital: Any, question: Question, reply: Any) -> Any:
        seen.append(reply.delta.view(np.uint8).copy())
        return reply

    big.trouble = {("vector", name): watched for name in NAMES}
    collected = big.collect()
    assert not collected.vectors.mean(collected.lanes["weight"]).any()
    for vector in seen:
        counts = np.bincount(vector, minlength=256)
        assert (
            (counts - counts.mean()) ** 2 / counts.mean()
        ).sum() < 400  # chi-square, 255 degrees of freedom


def test_secrets_come_from_the_operating_system(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    honest = secrets.token_bytes

    def drawn(length: int) -> bytes:
        asked.append(length)
        return honest(length)

    monkeypatch.setattr(secrets, "token_bytes", drawn)
    agree(world, "h01", TERMS)
    assert asked == [32] * 4
