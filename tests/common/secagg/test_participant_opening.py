"""The hospital when a sum is opened.

Survivors, confirmations and results that must be refused change nothing; what is revealed, and what
is left.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from common.errors import SecureSumError
from common.secagg import participant_opening, shamir
from common.secagg.messages import SumResult, Survivors
from common.secagg.terms import Limits
from tests.common.secagg.hospital import ME, STATES, WORLD, me, messages, refused, states, take
from tests.common.secagg.world import World, secret


def survivors(*who: str, **changes: Any) -> Survivors:
    named: Survivors = messages()["confirm"]
    return dataclasses.replace(named, sites=who, **changes)


@pytest.mark.parametrize(
    ("named", "words"),
    [
        (survivors("h01", "h03", "h04", "h05"), "among the dropped"),
        (survivors("h01", ME, "h03"), "3 hospitals sent vectors; 4 are needed"),
        (survivors(ME), "1 hospitals"),
        (survivors(), "among the dropped"),
        (survivors("h01", ME, "h03", "h04", "h99"), "dealt no shares"),
        (survivors("h01", ME, ME, "h03", "h04"), "stand twice"),
        (survivors("h01", "h03", ME, "h04", "h05"), "not in order"),
        (survivors(*WORLD.names, terms=secret("another sum")), "another secure sum"),
    ],
)
def test_survivors_that_must_be_refused(named: Survivors, words: str) -> None:
    refused("confirm", named, words)


def test_survivors_are_among_those_whose_shares_came() -> None:
    state, _ = take("arm", states()["shared"], messages()["arm"][:4])
    state, _ = take("mask", state, secret("vector"))
    with pytest.raises(SecureSumError, match="dealt no shares"):
        take("confirm", state, survivors(*WORLD.names))
    assert take("confirm", state, survivors(*WORLD.names[:4]))[0].step == "confirmed"


def test_fewer_survivors_than_the_policy_asks_are_refused() -> None:
    refused(
        "confirm",
        survivors(*WORLD.names[:4]),
        "4 hospitals sent vectors; 5 are needed",
        who=me(limits=Limits(min_cohort=5)),
    )


def test_other_survivors_are_not_confirmed_a_second_time() -> None:
    for named in (survivors(*WORLD.names[:4]), survivors("h01", ME, "h03", "h05"), survivors()):
        refused(
            "confirm",
            named,
            "other survivors than those that this hospital has confirmed",
            at="confirmed",
        )
    refused(
        "confirm",
        survivors(*WORLD.names, terms=secret("another sum")),
        "another secure sum",
        at="confirmed",
    )


def test_the_same_survivors_get_the_same_signature_again() -> None:
    first = states()["confirmed"]
    assert take("confirm", first, messages()["confirm"]) == (first, first.confirmed)


# Confirmations


def confirmed(name: str = "h03", key: bytes = b"", **changes: Any) -> Any:
    honest = next(c for c in messages()["reveal"] if c.site == name)
    return dataclasses.replace(honest, **changes).signed(key or WORLD.me[name].key)


def with_confirm(changed: Any) -> list[Any]:
    return [changed if honest.site == "h03" else honest for honest in messages()["reveal"]]


@pytest.mark.parametrize(
    ("confirms", "words"),
    [
        ([], "0 hospitals confirm"),
        (messages()["reveal"][:3], "3 hospitals confirm the survivors; 4 are needed"),
        (messages()["reveal"][:1] * 5, "are needed"),
        ([*messages()["reveal"][:3], messages()["reveal"][0]], "are needed"),
        (with_confirm(confirmed(key=secret("server"))), "not signed by 'h03'"),
        (
            with_confirm(dataclasses.replace(confirmed(), signature=bytes(64))),
            "not signed by 'h03'",
        ),
        (with_confirm(dataclasses.replace(confirmed("h04"), site="h03")), "not signed by 'h03'"),
        (with_confirm(confirmed(survivors=WORLD.names[:4])), "'h03' has confirmed other survivors"),
        (with_confirm(confirmed(survivors=())), "'h03' has confirmed other survivors"),
        (with_confirm(confirmed(context=secret("another order"))), "'h03' has confirmed other"),
        (with_confirm(confirmed(terms=secret("another sum"))), "another secure sum"),
        (with_confirm(confirmed(site="h99")), "'h99', who is no survivor"),
    ],
)
@pytest.mark.parametrize("at", ["confirmed", "revealed"])
def test_confirmations_that_must_be_refused(confirms: list[Any], words: str, at: str) -> None:
    refused("reveal", confirms, words, at=at)


def test_a_dropped_hospital_confirms_nothing() -> None:
    """Three survivors and the signature of one who dropped out are fewer than four."""
    world = World(6)
    now = world.confirmations(world.run("vectors"), world.names[:5])
    answers = [now.answers[name] for name in world.names[:3]]
    stranger = dataclasses.replace(answers[0], site="h06").signed(world.me["h06"].key)
    with pytest.raises(SecureSumError, match="'h06', who is no survivor"):
        participant_opening.reveal(world.me[ME], now.sites[ME], [*answers, stranger])


def test_as_many_as_the_threshold_are_enough() -> None:
    for left_out in WORLD.names:
        chosen = [c for c in messages()["reveal"] if c.site != left_out]
        assert take("reveal", states()["confirmed"], chosen)[1] == states()["revealed"].revealed


def test_a_second_revelation_is_the_first() -> None:
    first = states()["revealed"]
    assert take("reveal", first, messages()["reveal"][:4]) == (first, first.revealed)


@pytest.mark.parametrize("gone", [(), ("h06",), ("h01",), ("h01", "h06")])
def test_one_kind_of_share_for_each_hospital(gone: tuple[str, ...]) -> None:
    world = World(6, limits=Limits(colluders=0))
    there = [name for name in world.names if name not in gone]
    now = world.revelations(world.confirmations(world.run("vectors"), there))
    for name in there:
        answer = now.answers[name]
        held = world.run("vectors").sites[name].shares
        assert [who for who, _ in answer.seed_shares] == there
        assert [who for who, _ in answer.key_shares] == list(gone)
        assert all(share == held[who][0] for who, share in answer.seed_shares)
        assert all(share == held[who][1] for who, share in answer.key_shares)
        assert {who for who, _ in answer.canaries} == set(world.names) - {name}
        assert {len(words) for _, words in answer.canaries} == {32}


def test_no_secret_is_left_after_the_revelation() -> None:
    state = states()["revealed"]
    fresh = WORLD.fresh[ME]
    assert state.fresh is None and not state.shares and not state.canary_pads
    with pytest.raises(SecureSumError, match="erased"):
        state.secrets  # noqa: B018  (the property raises)
    rest = repr(dataclasses.asdict(states()["closed"]))
    assert states()["closed"].revealed is None
    assert not any(
        repr(value)[2:-1] in rest
        for value in (fresh.mask_key, fresh.channel_key, fresh.seed, fresh.polynomials)
    )


@pytest.mark.parametrize("state", STATES)
def test_no_secret_is_shown(state: str) -> None:
    """Neither of one's own nor a peer's share may come into a log by way of a traceback."""
    held = states()["armed"]
    hidden = [
        *dataclasses.astuple(WORLD.fresh[ME]),
        *(s for pair in held.shares.values() for s in pair),
        *held.canary_pads.values(),
    ]
    shown = repr(states()[state]) + repr(me()) + repr(WORLD.fresh[ME])
    assert len(hidden) == 4 + 10 + 4
    assert not any(repr(value)[2:-1] in shown or value.hex() in shown for value in hidden)
    assert repr(me().key)[2:-1] not in shown


def test_shares_below_the_threshold_do_not_give_the_seed() -> None:
    """Any four of the five shares that h03 dealt give its seed; the same three never do."""
    vectors = WORLD.run("vectors")
    dealt = {i: vectors.sites[name].shares["h03"][0] for i, name in enumerate(WORLD.names, 1)}
    for left_out in dealt:
        four = {x: share for x, share in dealt.items() if x != left_out}
        assert shamir.combine(four) == WORLD.fresh["h03"].seed
        three = dict(list(four.items())[:3])
        try:
            assert shamir.combine(three) != WORLD.fresh["h03"].seed
        except SecureSumError:
            continue


# Result


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (SumResult(WORLD.terms.digest, (5, 5, 5, 4), bytes(32)), "canaries"),
        (SumResult(WORLD.terms.digest, (4, 4, 4, 4), bytes(32)), "canaries"),
        (SumResult(WORLD.terms.digest, (6, 4, 5, 5), bytes(32)), "canaries"),
        (SumResult(WORLD.terms.digest, (5, 5, 5), bytes(32)), "canaries"),
        (SumResult(WORLD.terms.digest, (5, 5, 5, 5, 5), bytes(32)), "canaries"),
        (SumResult(WORLD.terms.digest, (), bytes(32)), "canaries"),
        (SumResult(secret("another sum"), (5, 5, 5, 5), bytes(32)), "another secure sum"),
    ],
)
def test_a_result_that_must_be_refused(result: SumResult, words: str) -> None:
    refused("close", result, words)
