"""Secure sums with real hospitals over a transport that fails at every exchange.

The right mean, a new attempt, or a void sum; never a hang.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.secagg import participation
from common.errors import RoundError
from common.protocol.envelopes import Question, Reply
from common.secagg import participant as steps
from common.secagg.encoding import tag_of
from common.secagg.mask_streams import Pad
from common.secagg.messages import Advert, Bundle, Masked, Parcel, Reveal, SumSpec
from common.secagg.participant_state import Fresh, Me, ParticipantState
from common.sentences.table import say
from server.aggregation.secure_sums import Sum, VoidError
from tests.server.parties import (
    DISK,
    NO_DISK,
    STAGES,
    Hospital,
    Trouble,
    World,
    bent,
    forged,
    once,
    silence,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def three(tmp_path: Path) -> World:
    return World(tmp_path, 3)


def test_the_first_sum_takes_five_exchanges_and_every_later_one_three(world: World) -> None:
    for number, kind in enumerate(("tally", "train", "evaluate", "train", "evaluate"), 1):
        opened = (
            world.collect(kind=kind) if kind == "train" else world.collect(kind=kind, number=number)
        )
        assert (opened.exchanges, opened.attempts, opened.dropped) == (
            5 if number == 1 else 3,
            1,
            {},
        )
        assert opened.survivors == world.names
        if kind == "train":
            world.check(opened)
    assert [set(exchange.values()) for exchange in world.exchanges[:5]] == [
        {stage} for stage in STAGES
    ]
    assert all(len(exchange) == 5 for exchange in world.exchanges)


@pytest.mark.parametrize("count", [3, 4, 12])
@pytest.mark.parametrize("ring_bits", [32, 64])
def test_the_mean_is_that_of_float64(tmp_path: Path, count: int, ring_bits: int) -> None:
    world = World(tmp_path, count, size=33, ring_bits=ring_bits)
    for _ in range(2):
        world.check(world.collect())


def test_every_sum_has_a_number_and_keys_of_its_own(world: World) -> None:
    for _ in range(3):
        world.collect()
    keys = [
        key
        for h in world.hospitals.values()
        for a in h.adverts
        for key in (a.mask_key, a.channel_key, a.commitment)
    ]
    assert len(keys) == 5 * 4 * 3 == len(set(keys))


def test_the_server_is_told_of_every_vector_as_it_comes(world: World) -> None:
    replies: list[tuple[str, str]] = []
    world.trouble["vector", "h02"] = _faulty
    world.collect(say=lambda site, reply: replies.append((site, reply.fault)))
    assert replies == [(name, DISK.render() if name == "h02" else "") for name in world.names]


def _faulty(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    return Reply(hospital.name, question.kind, sentence=DISK)


def _lost(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    return silence(question)


def _empty(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    return Reply(hospital.name, question.kind)


def _garbage(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    noise = np.random.default_rng(1).bytes
    vector = None if reply.delta is None else np.frombuffer(noise(reply.delta.nbytes), np.float32)
    return replace(
        reply,
        delta=vector,
        secure=(b"", b"\0", *(bytes((tag, 1)) + noise(40) for tag in range(12))),
    )


def _cut(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    return replace(reply, secure=tuple(blob[:-1] for blob in reply.secure))


def _twice(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    return replace(reply, secure=reply.secure + reply.secure)


def _never(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    """Stands for a question that does not arrive."""
    return reply


TROUBLES: dict[str, Trouble] = {
    "question lost": _never,
    "answer lost": _lost,
    "fault": _faulty,
    "empty": _empty,
    "garbage": _garbage,
    "cut short": _cut,
    "said twice": _twice,
    "forged": forged,
}


def disturb(world: World, stage: str, site: str, name: str) -> None:
    if name == "question lost":
        world.away.add((stage, site))
    else:
        world.trouble[stage, site] = TROUBLES[name]


@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("stage", STAGES)
def test_one_hospital_in_trouble_at_any_exchange_costs_its_vector_at_most(
    world: World, stage: str, name: str
) -> None:
    disturb(world, stage, "h03", name)
    opened = world.collect()
    world.check(opened, *(["h03"] if stage in STAGES[:3] else []))
    assert set(opened.dropped if stage in STAGES[:3] else opened.late) == {"h03"}
    assert (opened.attempts, opened.exchanges) == (1, 5)


@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("stage", STAGES[2:])
def test_one_hospital_in_trouble_in_a_later_sum(world: World, stage: str, name: str) -> None:
    world.check(world.collect())
    disturb(world, stage, "h03", name)
    opened = world.collect()
    world.check(opened, *(["h03"] if stage == "vector" else []))
    assert (opened.attempts, opened.exchanges) == (1, 3) and set(
        opened.dropped if stage == "vector" else opened.late
    ) == {"h03"}


def _sums(world: World, number: int, cohort: tuple[str, ...] = ()) -> list[Sum]:
    return [world.collect(cohort) for _ in range(number)]


@pytest.mark.parametrize("name", ["question lost", "answer lost", "fault", "forged"])
def test_a_hospital_that_missed_a_sum_is_back_soon(world: World, name: str) -> None:
    world.collect()
    disturb(world, "vector", "h03", name)
    world.check(world.collect(), "h03")
    world.away, world.trouble = set(), {}
    world.check(_sums(world, 4)[-1])


def test_a_hospital_whose_worker_was_started_anew_is_back_in_the_sum_after_the_next(
    world: World,
) -> None:
    world.collect()
    world.restart("h03")
    world.check(world.collect(), "h03")
    world.check(world.collect())


def test_hospitals_that_were_not_drawn_before_take_part(tmp_path: Path) -> None:
    world = World(tmp_path, 7)
    for cohort in (world.names[:5], world.names[2:], world.names[:5], world.names):
        opened = world.collect(cohort)
        assert (opened.survivors, opened.dropped, opened.attempts) == (cohort, {}, 1)


def test_a_hospital_that_stays_silent_is_asked_ever_more_rarely(world: World) -> None:
    for stage in STAGES:
        disturb(world, stage, "h02", "question lost")
    for opened in _sums(world, 30):
        world.check(opened, "h02")
    asked_at = [i for i, exchange in enumerate(world.exchanges) if "h02" in exchange]
    assert 2 <= len(asked_at) <= 10
    assert asked_at[-1] - asked_at[-2] > asked_at[1] - asked_at[0]


@pytest.mark.parametrize("name", ["fault", "empty", "garbage", "forged", "cut short"])
@pytest.mark.parametrize("stage", STAGES[:3])
def test_with_too_few_left_a_new_sum_with_fresh_keys_is_tried_at_once(
    three: World, stage: str, name: str
) -> None:
    three.trouble[stage, "h02"] = once(TROUBLES[name])
    opened = three.collect()
    three.check(opened)
    assert opened.attempts == 2
    keys = [advert.mask_key for hospital in three.hospitals.values() for advert in hospital.adverts]
    assert len(set(keys)) == len(keys) >= 6


@pytest.mark.parametrize("stage", STAGES[:3])
def test_one_silence_does_not_end_a_run_of_three(three: World, stage: str) -> None:
    three.trouble[stage, "h02"] = once(_lost)
    opened = three.collect()
    three.check(opened)
    assert opened.attempts == 2


@pytest.mark.parametrize("stage", STAGES[:3])
def test_too_few_in_every_attempt_is_one_sentence(three: World, stage: str) -> None:
    three.trouble[stage, "h02"] = _faulty
    with pytest.raises(
        RoundError,
        match=r"^Too few hospitals for a secure sum, in 3 attempts\. 2 hospitals .*; "
        r"3 are needed\.",
    ):
        three.collect()
    assert sum("keys" in exchange.values() for exchange in three.exchanges) == 3


def test_the_sentence_names_who_and_why(three: World) -> None:
    three.trouble["vector", "h02"] = _faulty
    with pytest.raises(RoundError, match=r"h02: " + re.escape(NO_DISK)):
        three.collect()


@pytest.mark.parametrize("stage", STAGES[:2])
def test_the_sentence_names_who_and_why_also_before_the_vectors(three: World, stage: str) -> None:
    three.trouble[stage, "h02"] = _faulty
    with pytest.raises(RoundError, match=r"h02: " + re.escape(NO_DISK)):
        three.collect()


@pytest.mark.parametrize("stage", STAGES[:2])
def test_who_is_missing_from_a_sum_is_told_with_the_reason(world: World, stage: str) -> None:
    world.trouble[stage, "h02"] = _faulty
    assert world.collect().dropped == {"h02": NO_DISK}


@pytest.mark.parametrize("stage", STAGES[3:])
def test_nobody_whose_vector_is_in_the_sum_is_called_dropped(world: World, stage: str) -> None:
    world.trouble[stage, "h02"] = _faulty
    opened = world.collect()
    assert not set(opened.dropped) & set(opened.survivors)


def test_a_sum_that_cannot_be_opened_is_void_and_hospitals_refuse_it_ever_after(
    world: World,
) -> None:
    world.collect()
    for site in ("h02", "h03"):
        world.trouble["reveal", site] = _lost
    with pytest.raises(
        VoidError,
        match=r"cannot be opened: 3 hospitals revealed their shares; 4 are needed\. h02: No answer",
    ):
        world.collect()
    world.trouble = {}
    assert {h.worked for h in world.hospitals.values()} == {2}
    with pytest.raises(
        RoundError,
        match=r"secure sum for train in round 2 was opened before; a second one is refused",
    ):
        world.collect(number=2)
    assert {h.worked for h in world.hospitals.values()} == {2}
    world.check(world.collect(number=3))


def test_nobody_refuses_the_same_round_where_nothing_was_revealed(world: World) -> None:
    for site in ("h02", "h03"):
        world.trouble["confirm", site] = once(_faulty)
    opened = world.collect()
    world.check(opened)
    assert opened.attempts == 2 and {h.worked for h in world.hospitals.values()} == {2}


@pytest.mark.parametrize("size", [-4, 4, 400])
def test_a_vector_of_another_length_is_refused(world: World, size: int) -> None:
    def stretched(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        assert reply.delta is not None
        return replace(reply, delta=np.resize(reply.delta, reply.delta.size + size // 4))

    world.trouble["vector", "h04"] = stretched
    opened = world.collect()
    world.check(opened, "h04")
    assert opened.dropped["h04"].startswith("A masked vector has ")


def test_a_vector_that_was_changed_on_the_way_is_refused(world: World) -> None:
    def changed(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        assert reply.delta is not None
        words = reply.delta.view(np.uint32).copy()
        words[0] ^= 1
        return replace(reply, delta=words.view(np.float32))

    world.trouble["vector", "h04"] = changed
    opened = world.collect()
    world.check(opened, "h04")
    assert opened.dropped == {"h04": "The vector of 'h04' is not the one that it vouches for."}


def test_another_hospital_s_vector_sent_once_more_is_refused(world: World) -> None:
    replies: list[Reply] = []

    def first(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        replies.append(reply)
        return reply

    world.trouble = {
        ("vector", "h01"): first,
        ("vector", "h02"): lambda hospital, question, reply: replies[0],
    }
    world.check(world.collect(), "h02")


def _other_share(hospital: Hospital, message: Reveal) -> Reveal:
    (dealer, share), *rest = message.seed_shares
    return replace(message, seed_shares=((dealer, bytes(len(share))), *rest)).signed(hospital.key)


def test_a_wrong_share_is_its_sender_s_lie_and_the_sum_is_right(world: World) -> None:
    world.trouble["reveal", "h03"] = bent(Reveal, _other_share)
    opened = world.collect()
    world.check(opened)
    assert opened.dropped == {} and opened.late == {"h03": "'h03' revealed a wrong share of 'h01'."}


def test_who_revealed_a_wrong_share_is_left_out_afterwards(world: World) -> None:
    world.trouble["reveal", "h03"] = once(bent(Reveal, _other_share))
    _sums(world, 2)
    world.check(world.collect(), "h03")


def _cheat(monkeypatch: pytest.MonkeyPatch, step: str, cheat: Callable[..., Any]) -> None:
    """Let h03's own code do a step otherwise; ``cheat`` gets the honest step and its arguments."""
    honest = getattr(steps, step)
    bad = {name: getattr(steps, name) for name in dir(steps)} | {
        step: lambda me, *args: cheat(honest, me, *args) if me.site == "h03" else honest(me, *args)
    }
    monkeypatch.setattr(
        participation,
        "steps",
        type("Steps", (), {name: staticmethod(f) if callable(f) else f for name, f in bad.items()}),
    )


def _wrong_mask(
    honest: Any, me: Me, state: ParticipantState, delivered: Any, spec: SumSpec
) -> tuple[ParticipantState, Pad]:
    return honest(me, state, delivered, spec)[0], Pad([(bytes(32), 1)])


def _other_secret(honest: Any, me: Me, state: ParticipantState, adverts: Any) -> Any:
    """Shares of another seed than the one that it is bound to."""
    fresh = replace(state.secrets, seed=bytes(31) + b"\1")
    after, dealt = honest(me, replace(state, fresh=fresh), adverts)
    return replace(after, fresh=state.fresh), dealt


@pytest.mark.parametrize(
    ("step", "cheat", "pattern"),
    [("arm", _wrong_mask, "the mask of h03"), ("share", _other_secret, "'h03' dealt")],
)
@pytest.mark.parametrize("count", [4, 5])
def test_a_cheater_is_named_and_left_out_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, cheat: Any, pattern: str, count: int
) -> None:
    world = World(tmp_path, count)
    world.collect()
    _cheat(monkeypatch, step, cheat)
    if step == "share":  # the shares for this sum were dealt with the last
        world.check(world.collect())
    with pytest.raises(VoidError, match=pattern):
        world.collect()
    for opened in _sums(world, 3):
        world.check(opened, "h03")
        assert opened.dropped == {}
    assert not any("h03" in exchange for exchange in world.exchanges[-9:])


def test_without_the_cheater_too_few_are_left_and_the_sentence_says_why(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cheat(monkeypatch, "arm", _wrong_mask)
    with pytest.raises(VoidError):
        three.collect()
    with pytest.raises(
        RoundError, match=r"2 hospitals can take part; .*min_cohort asks for 3. h03: .*canaries"
    ):
        three.collect()


LOW = b"\1" + bytes(31)
KEYS: dict[str, Callable[[Advert], Advert]] = {
    "one key twice": lambda advert: replace(advert, channel_key=advert.mask_key),
    "zero": lambda advert: replace(advert, mask_key=bytes(32)),
    "channel of low order": lambda advert: replace(advert, channel_key=LOW),
    "mask of low order": lambda advert: replace(advert, mask_key=LOW),
}


def _bad_keys(name: str) -> Callable[..., tuple[ParticipantState, Advert]]:
    def cheat(
        honest: Any, me: Me, terms: Any, identities: Any, fresh: Fresh
    ) -> tuple[ParticipantState, Advert]:
        state, advert = honest(me, terms, identities, fresh)
        bad = KEYS[name](advert).signed(me.key)
        return replace(state, adverts={me.site: bad}), bad

    return cheat


@pytest.mark.parametrize("name", KEYS)
def test_bad_keys_for_the_next_sum_do_not_void_this_one(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    world.collect()
    _cheat(monkeypatch, "advertise", _bad_keys(name))
    world.check(world.collect())
    world.check(world.collect(), "h03")


@pytest.mark.parametrize("name", KEYS)
def test_bad_keys_leave_out_their_owner_only(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _cheat(monkeypatch, "advertise", _bad_keys(name))
    world.check(world.collect(), "h03")


def _spoilt(hospital: Hospital, bundle: Bundle) -> Bundle:
    """Parcels that do not open, signed all the same; its own is good."""
    items = []
    for item in bundle.items:
        if tag_of(item) == Parcel.TAG and (parcel := Parcel.decode(item)).to != hospital.name:
            items.append(
                replace(parcel, sealed=parcel.sealed[:-1] + bytes([parcel.sealed[-1] ^ 1]))
                .signed(hospital.key)
                .encode()
            )
        else:
            items.append(item)
    return replace(bundle, items=tuple(items))


def test_parcels_that_do_not_open_leave_out_their_dealer_only(world: World) -> None:
    world.trouble["parcels", "h03"] = world.trouble["reveal", "h03"] = bent(Bundle, _spoilt)
    world.check(world.collect(), "h03")


@pytest.mark.parametrize("liars", [("h02",), ("h02", "h04")])
def test_a_few_who_accuse_a_dealer_wrongly_do_not_have_it_left_out(
    tmp_path: Path, liars: tuple[str, ...]
) -> None:
    world = World(tmp_path, 7)
    for name in liars:
        world.trouble["vector", name] = lambda hospital, question, reply: Reply(
            hospital.name, "", values={"accused": "h03"}, sentence=say("sum.sealed", hospital="h03")
        )
    world.check(world.collect(), *liars)
    world.trouble = {}
    world.check(world.collect())


def test_parcels_that_one_cannot_open_cost_that_one_at_most(world: World) -> None:
    def spoil_first(hospital: Hospital, bundle: Bundle) -> Bundle:
        items = list(bundle.items)
        items[0] = _spoilt(hospital, bundle).items[0]
        return replace(bundle, items=tuple(items))

    world.trouble["parcels", "h03"] = bent(Bundle, spoil_first)
    world.check(world.collect(), "h01")


def test_a_vector_for_other_survivors_cannot_be_passed_off(world: World) -> None:
    """A Masked of another context, well signed."""
    world.trouble["vector", "h03"] = bent(
        Masked, lambda hospital, message: replace(message, context=bytes(32)).signed(hospital.key)
    )
    opened = world.collect()
    world.check(opened, "h03")
    assert opened.dropped == {"h03": "'h03' masked its vector for other keys or another order."}


def test_one_vector_is_alive_at_a_time(world: World) -> None:
    alive: list[weakref.ref[Any]] = []
    alive_before: list[int] = []

    def watched(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        alive_before.append(sum(ref() is not None for ref in alive))
        alive.append(weakref.ref(reply.delta))
        return reply

    world.trouble = {("vector", name): watched for name in world.names}
    world.collect()
    assert alive_before == [0] * 5
