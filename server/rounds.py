"""One round as straight-line code: the file to read first.

draw -> ask -> (screen -> fold, one answer at a time) -> mean -> strategy's step -> model -> record

With secure aggregation the middle is: ask -> (add masked vectors as they arrive) -> survivors
signed -> masks off -> mean.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common import seeds
from common.errors import RoundError
from common.privacy import pipeline
from common.protocol import sum_specs
from common.protocol.envelopes import Question
from common.secagg.messages import SumSpec
from common.strategies import State, Strategy
from common.study import plugins
from common.study.study import Study
from common.update import Layout, Vector
from server.aggregation.screen import RefusedError, Screen
from server.aggregation.secure_sums import Sums, VoidError
from server.aggregation.weighted_sum import WeightedSum
from server.participants import Member
from server.round_record import RoundNotes, RoundRecord, Watch
from server.transport import Transport


@dataclass
class Federation:
    """The state of a federation between two rounds."""

    study: Study
    layout: Layout
    model: Vector
    members: Sequence[Member]
    rounds_done: int = 0
    memory: State = field(default_factory=dict)
    repeat: int = 1
    """How many times the study's local steps each member takes.

    Above 1 in the pooled comparison.
    """
    sums: Sums | None = None
    """The secure sums of the run; None if updates come as they are."""
    total: int = 0
    """All members' weight, as the tally under masks found it."""
    counted: dict[str, int] = field(default_factory=dict)
    """What the network's counters have counted at all hospitals together."""
    heads: dict[str, Any] = field(default_factory=dict)
    """Signed heads of the hospitals' own records, the newest of each.

    Every hospital gets those of all, so that nobody rewrites the past.
    """

    def count(self, counters: Mapping[str, int]) -> None:
        """Add what a round counted."""
        for name in self.layout.counters:
            self.counted[name] = self.counted.get(name, 0) + counters.get(name, 0)


def run(federation: Federation, transport: Transport, watch: Watch) -> Iterator[RoundRecord]:
    """Run the remaining rounds; after each, ``federation`` holds the new model.

    Raises:
        RoundError: fewer than ``federation.min_sites`` updates were accepted; the model is that of
            the round before.
    """
    while federation.rounds_done < federation.study.federation.rounds:
        yield one_round(federation, transport, watch)


def one_round(federation: Federation, transport: Transport, watch: Watch) -> RoundRecord:
    """Run one round and move ``federation`` to its result."""
    began = time.perf_counter()
    number = federation.rounds_done + 1
    federation.model = transport.park(federation.model)
    chosen = draw(federation.study, federation.members, number)
    question = training_question(federation, number)
    notes = RoundNotes(number, chosen, watch)
    mean = (
        plain_mean(federation, transport, question, notes)
        if federation.sums is None
        else masked_mean(federation, federation.sums, question, notes)
    )
    if mean is None:
        federation.rounds_done += 1
    else:
        advance(federation, pipeline.restored(mean))
    federation.heads |= notes.heads
    return notes.record(time.perf_counter() - began, transport.traffic.take())


def plain_mean(
    federation: Federation, transport: Transport, question: Question, notes: RoundNotes
) -> Vector:
    """Ask, screen and fold one answer at a time: the weighted mean of the accepted updates.

    Raises:
        RoundError: they are fewer than ``federation.min_sites``.
    """
    study = federation.study.federation
    rule = study.weight
    members = {m.node: m for m in notes.chosen}
    screen = Screen(question.round, federation.layout, study.largest_change)
    total = WeightedSum(
        federation.layout.size, study.largest_change, sum(m.weight(rule) for m in notes.chosen)
    )
    for node, reply in transport.ask(dict.fromkeys(members, question), study.deadline):
        site = members[node].site
        try:
            update = screen.accept(reply, members[node].weight(rule))
        except RefusedError as reason:
            notes.refuse(site, str(reason))
        else:
            total.fold([update.delta], [update.weight])
            notes.accept(site, update, reply.values.get("notes"))
            notes.head(site, reply.values.get("head"))
            federation.count(update.counted)
            del update
        del reply
    if len(notes.loss) < study.min_sites:
        reasons = "; ".join(f"{r['site']}: {r['reason']}" for r in notes.refused)
        raise RoundError(
            f"Round {question.round} has {len(notes.loss)} accepted updates; "
            f"federation.min_sites asks for {study.min_sites}. {reasons}"
        )
    return total.mean()


def masked_mean(
    federation: Federation, secure: Sums, question: Question, notes: RoundNotes
) -> Vector | None:
    """Ask, add masked vectors as they arrive, take the masks off the sum.

    Returns:
        the same mean as :func:`plain_mean`, of changes that nobody sees; None if the sum is void.

    Raises:
        RoundError: too few hospitals took part.
    """
    study = federation.study
    names = [member.site for member in notes.chosen]

    def spec(cohort: int) -> SumSpec:
        layout = federation.layout
        return sum_specs.specify(
            study,
            "train",
            cohort,
            number=question.round,
            model=federation.model,
            layout=layout.digest,
            total=federation.total,
            counters=layout.counters,
        )

    try:
        opened = secure.collect(question, spec, names, notes.take_answer, study.federation.deadline)
    except VoidError as error:
        notes.void = str(error)
        return None
    weight = opened.lanes["weight"]
    if not 0 < weight <= federation.total:
        notes.void = (
            f"The hospitals' weights add up to {weight:g}; "
            f"above 0 and at most the tally's {federation.total} is possible."
        )
        return None
    notes.take_sum(opened, federation.total / weight)
    federation.count(
        {name: int(opened.lanes[sum_specs.counter(name)]) for name in federation.layout.counters}
    )
    return opened.vectors.mean(weight)


def draw(study: Study, members: Sequence[Member], number: int) -> list[Member]:
    """The members of one round: all, or a seeded share of them."""
    count = max(study.federation.min_sites, round(study.federation.fraction * len(members)), 1)
    if count >= len(members):
        return list(members)
    ranking = np.random.default_rng(seeds.derive(study.seed, "draw", number)).permutation(
        len(members)
    )
    return [members[i] for i in sorted(ranking[:count])]


def training_question(federation: Federation, number: int) -> Question:
    """The question that starts a hospital's training."""
    settings: dict[str, Any] = {
        "repeat": federation.repeat,
        **({"heads": federation.heads} if federation.heads else {}),
    }
    return Question(
        "train",
        federation.study.to_table(),
        number,
        federation.layout.digest,
        federation.model,
        settings,
    )


def advance(federation: Federation, mean: Vector) -> None:
    """Strategy's server half, then the new model; refuses a step that is not finite."""
    strategy: Strategy = plugins.load(
        "common.strategies", federation.study.strategy.name, "STRATEGY"
    )
    memory, step = strategy.step(federation.study.strategy.options, federation.memory, mean)
    if not np.isfinite(step.sum(dtype=np.float64)):
        raise RoundError(
            "The strategy's step is not finite; the model stays as it was. "
            "Lower strategy.server_rate."
        )
    step += federation.model
    federation.model = step
    federation.memory = memory
    federation.rounds_done += 1
