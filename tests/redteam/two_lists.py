"""Attacks on who survived.

A hospital told that it dropped out, two lists, a second opening, bent signatures, other peers,
other orders.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import numpy as np

from client.secagg.revealed_sums import RevealedSums
from common import networks
from common.protocol import sum_specs
from common.secagg import derive, participant_opening
from common.secagg.messages import Advert, Confirm, SumSpec, Terms
from tests.redteam.attack import Attack, both, changed, replaced
from tests.redteam.drive import Sum, exact, forged, without
from tests.redteam.keys import UNSIGNED
from tests.redteam.stage import NAMES, VICTIM, Stage

FIRST = (VICTIM, "birch", "cedar")
SECOND = tuple(without())
"""Two lists of survivors.

Under the first hospitals give shares of the victim's own mask, under the second of its mask key.
"""
Bend = Callable[[list[Confirm], list[Confirm]], list[Confirm]]


def split(held: Sum, bend: Bend = lambda own, others: own) -> bool:
    """Tell two hospitals the one list and two the other.

    Whether shares of both kinds came, which exclude each other.

    Args:
        held: with all vectors.
        bend: what a hospital is shown, from the signatures under its own list and those under the
            other.
    """
    lists = {VICTIM: FIRST, "birch": FIRST, "cedar": SECOND, "doum": SECOND}
    confirms = {name: held.confirm(name, names) for name, names in lists.items()}
    sides = [[confirms[VICTIM], confirms["birch"]], [confirms["cedar"], confirms["doum"]]]
    for name, names in lists.items():
        own, others = sides if names == FIRST else sides[::-1]
        held.reveal(name, bend(own, others))
    return bool(held.shares[VICTIM, "seed"]) and bool(held.shares[VICTIM, "key"])


def both_kinds(bend: Bend) -> Callable[[Stage], bool]:
    """Shares of the victim's own mask and of its mask key."""
    return lambda stage: split(Sum(stage).keys().deal().tally(), bend)


def _invented(own: list[Confirm], others: list[Confirm]) -> list[Confirm]:
    """A third signature under the own list, by the server."""
    third = next(name for name in own[0].survivors if name not in {confirm.site for confirm in own})
    return [*own, forged(own[0], secrets.token_bytes(32), site=third)]


def called_dropped(stage: Stage) -> bool:
    """Its vector is there, and it is to sign a list without itself."""
    held = Sum(stage).keys().deal().tally()
    return VICTIM not in held.confirm(VICTIM, SECOND).survivors


def counted_twice(stage: Stage) -> bool:
    """Two survivors look like three."""
    named = (VICTIM, "birch", "birch")
    return Sum(stage).keys().deal().tally().confirm(VICTIM, named).survivors == named


def second_list(stage: Stage) -> bool:
    """A hospital that has signed one list signs another of the same sum."""
    held = Sum(stage).keys().deal().tally()
    return held.confirm("birch", NAMES).survivors != held.confirm("birch", SECOND).survivors


def second_opening(stage: Stage) -> bool:
    """The sum over four is opened.

    Then over three, which turns the victim into one that dropped out.
    """
    held = Sum(stage).keys().deal().tally()
    held.open(NAMES)
    again = [held.confirm(name, SECOND) for name in SECOND]
    for name in SECOND:
        held.reveal(name, again)
    return exact(held.read())


def other_peers(stage: Stage) -> bool:
    """The victim hears of three hospitals that dealt shares, the others of four."""
    held = Sum(stage).keys().deal().tally(**{VICTIM: FIRST})
    confirms = [held.confirm(name, FIRST) for name in FIRST]
    return all(held.reveal(name, confirms) for name in FIRST)


def other_models(stage: Stage) -> bool:
    """The victim scores another model than the others (Pasquini and others, CCS 2022).

    Its part of the sum then stands out.
    """
    held = Sum(stage).keys().deal()
    study = stage.study
    layout, start, _ = networks.start_weights(study, stage.folder)
    metrics = tuple(networks.task(study).higher_is_better)
    for name in NAMES:
        model = start if name == VICTIM else np.zeros_like(start)
        spec = sum_specs.specify(
            study, "evaluate", 4, part="test", model=model, layout=layout.digest, metrics=metrics
        )
        given = held.delivered(name)
        held.vector(
            name,
            spec,
            given,
            model=model,
            layout=layout.digest,
            settings={"part": "test", "roster": stage.roster},
        )
    return bool(held.open(NAMES))


def _no_order(terms: Terms, adverts: Sequence[Advert], spec: SumSpec) -> bytes:
    return terms.digest


_CONTEXT = (
    "if confirmation.context != state.context or confirmation.survivors != state.survivors:",
    "if confirmation.survivors != state.survivors:",
)
_ANY_LIST = (_CONTEXT[0], "if False:")
_ENOUGH = "if count < state.terms.threshold:"
_LEFT = (
    "return (dataclasses.replace(state, step='revealed', fresh=None, shares={}, canary_pads={}, "
    "revealed=revelation), revelation)"
)
_ONE_LIST = changed(
    participant_opening, "confirm", ("if state.confirmed is not None:", "if False:")
)

ATTACKS = (
    Attack(
        "own id among the dropped",
        called_dropped,
        changed(
            participant_opening, "confirm", ("if me.site not in survivors.sites:", "if False:")
        ),
    ),
    Attack(
        "survivors listed twice",
        counted_twice,
        changed(
            participant_opening,
            "confirm",
            ("if tuple(sorted(set(survivors.sites))) != survivors.sites:", "if False:"),
        ),
    ),
    Attack(
        "both kinds of shares: two lists",
        both_kinds(lambda own, others: own),
        changed(participant_opening, "reveal", (_ENOUGH, "if False:")),
    ),
    Attack(
        "two lists: one signature shown twice",
        both_kinds(lambda own, others: [*own, own[0]]),
        changed(
            participant_opening, "reveal", (_ENOUGH, "if len(confirms) < state.terms.threshold:")
        ),
    ),
    Attack(
        "two lists: signatures under the other list",
        both_kinds(lambda own, others: own + others),
        changed(
            participant_opening,
            "reveal",
            _ANY_LIST,
            ("if confirmation.site not in state.survivors:", "if False:"),
        ),
    ),
    Attack("two lists: forged signatures", both_kinds(_invented), UNSIGNED),
    Attack("second list before the opening", second_list, _ONE_LIST),
    Attack(
        "second opening with another set",
        second_opening,
        both(
            _ONE_LIST,
            changed(participant_opening, "reveal", (_LEFT, "return state, revelation")),
            replaced(RevealedSums, "note", lambda *_: None),
        ),
    ),
    Attack(
        "different lists of peers", other_peers, changed(participant_opening, "reveal", _CONTEXT)
    ),
    Attack(
        "different models to different hospitals",
        other_models,
        replaced(derive, "context", _no_order),
    ),
)
