"""One round as straight-line code: the file to read first.

draw -> ask -> (screen -> fold, one answer at a time) -> mean -> strategy's step -> new model -> record

With secure aggregation the middle is: ask -> (add masked vectors as they arrive) -> survivors signed -> masks off -> mean.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common import seeds
from common.errors import RoundError, SignatureError
from common.privacy import pipeline
from common.protocol import sum_specs
from common.protocol.envelopes import Question, Reply
from common.secagg.messages import SumSpec
from common.sentences import table as sentences
from common.strategies import State, Strategy
from common.study import plugins
from common.study.study import Study
from common.trust import tree_heads
from common.update import Layout, Update, Vector
from server.aggregation.screen import RefusedError, Screen
from server.aggregation.secure_sums import Sum, Sums, VoidError, is_finite
from server.aggregation.weighted_sum import WeightedSum
from server.participants import Member
from server.transport import Transport

Watch = Callable[[int, str, int, int], None]
"""Told ``(round, site, done, of)`` after each answer, for progress."""


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
    """How many times the study's local steps each member takes (above 1 for the pooled comparison)."""
    sums: Sums | None = None
    """The secure sums of the run; None if updates come as they are."""
    total: int = 0
    """All members' weight, as the tally under masks found it."""
    counted: dict[str, int] = field(default_factory=dict)
    """What the network's counters have counted at all hospitals together."""
    heads: dict[str, Any] = field(default_factory=dict)
    """Signed heads of the hospitals' own records, the newest of each; every hospital gets those of all, so that nobody rewrites the past."""

    def count(self, found: Mapping[str, int]) -> None:
        """Add what a round counted."""
        for name in self.layout.counters:
            self.counted[name] = self.counted.get(name, 0) + found.get(name, 0)


@dataclass(frozen=True)
class RoundRecord:
    """What one round leaves in ``rounds.jsonl``; ``loss`` and ``weights`` hold those hospitals only whose values the server may know."""

    round: int
    seconds: float
    training_seconds: float
    accepted: tuple[str, ...]
    refused: tuple[Mapping[str, str], ...]
    loss: Mapping[str, float]
    weights: Mapping[str, float]
    bytes: Mapping[str, int]
    notes: Mapping[str, str] = field(default_factory=dict)
    """What hospitals say about how they computed, e.g. that a GPU's memory was full."""
    mean_loss: float | None = None
    """Mean over the hospitals, each with its weight."""
    secure: Mapping[str, Any] | None = None
    """``{"cohort", "survivors", "dropped", "attempts", "exchanges"}`` of a sum under masks."""
    void: str = ""
    """Why the round came to nothing; the model did not move."""
    heads: Mapping[str, Any] = field(default_factory=dict)
    """Signed heads of the hospitals' own records that came with the answers."""


def run(federation: Federation, transport: Transport, watch: Watch) -> Iterator[RoundRecord]:
    """Run the remaining rounds; after each, ``federation`` holds the new model.

    Raises:
        RoundError: fewer than ``federation.min_sites`` updates were accepted; the model is that of the round before.
    """
    while federation.rounds_done < federation.study.federation.rounds:
        yield one_round(federation, transport, watch)


def one_round(federation: Federation, transport: Transport, watch: Watch) -> RoundRecord:
    """Run one round and move ``federation`` to its result."""
    began, number = time.perf_counter(), federation.rounds_done + 1
    federation.model = transport.park(federation.model)
    chosen = draw(federation.study, federation.members, number)
    plan, notes = training_question(federation, number), _Notes(number, chosen, watch)
    mean = (
        plain_mean(federation, transport, plan, notes)
        if federation.sums is None
        else masked_mean(federation, federation.sums, plan, notes)
    )
    if mean is None:
        federation.rounds_done += 1
    else:
        advance(federation, pipeline.restored(mean))
    federation.heads |= notes.heads
    return notes.record(time.perf_counter() - began, transport.traffic.take())


def plain_mean(
    federation: Federation, transport: Transport, plan: Question, notes: _Notes
) -> Vector:
    """Ask, screen and fold one answer at a time: the weighted mean of the accepted updates.

    Raises:
        RoundError: they are fewer than ``federation.min_sites``.
    """
    study, rule = federation.study.federation, federation.study.federation.weight
    asked = {m.node: m for m in notes.chosen}
    screen = Screen(plan.round, federation.layout, study.largest_change)
    total = WeightedSum(
        federation.layout.size, study.largest_change, sum(m.weight(rule) for m in notes.chosen)
    )
    for node, reply in transport.ask(dict.fromkeys(asked, plan), study.deadline):
        site = asked[node].site
        try:
            update = screen.accept(reply, asked[node].weight(rule))
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
        told = "; ".join(f"{r['site']}: {r['reason']}" for r in notes.refused)
        raise RoundError(
            f"Round {plan.round} has {len(notes.loss)} accepted updates; federation.min_sites asks for {study.min_sites}. {told}"
        )
    return total.mean()


def masked_mean(
    federation: Federation, secure: Sums, plan: Question, notes: _Notes
) -> Vector | None:
    """Ask, add masked vectors as they arrive, take the masks off the sum: the same mean, of changes that nobody sees; None if the sum is void.

    Raises:
        RoundError: too few hospitals took part.
    """
    study, names = federation.study, [m.site for m in notes.chosen]

    def order(cohort: int) -> SumSpec:
        layout, total = federation.layout, federation.total
        return sum_specs.specify(
            study,
            "train",
            cohort,
            number=plan.round,
            model=federation.model,
            layout=layout.digest,
            total=total,
            counters=layout.counters,
        )

    try:
        found = secure.collect(plan, order, names, notes.heard, study.federation.deadline)
    except VoidError as error:
        notes.void = str(error)
        return None
    weight = found.lanes["weight"]
    if not 0 < weight <= federation.total:
        notes.void = f"The hospitals' weights add up to {weight:g}; above 0 and at most the tally's {federation.total} is possible."
        return None
    notes.summed(found, federation.total / weight)
    federation.count(
        {name: int(found.lanes[sum_specs.counter(name)]) for name in federation.layout.counters}
    )
    return found.added.mean(weight)


def draw(study: Study, members: Sequence[Member], number: int) -> list[Member]:
    """The members of one round: all, or a seeded share of them."""
    wanted = max(study.federation.min_sites, round(study.federation.fraction * len(members)), 1)
    if wanted >= len(members):
        return list(members)
    order = np.random.default_rng(seeds.derive(study.seed, "draw", number)).permutation(
        len(members)
    )
    return [members[i] for i in sorted(order[:wanted])]


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
            "The strategy's step is not finite; the model stays as it was. Lower strategy.server_rate."
        )
    step += federation.model
    federation.model, federation.memory = step, memory
    federation.rounds_done += 1


@dataclass
class _Notes:
    """What happened in a round so far."""

    number: int
    chosen: Sequence[Member]
    watch: Watch
    refused: list[dict[str, str]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    loss: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    answers: int = 0
    mean_loss: float | None = None
    secure: dict[str, Any] | None = None
    void: str = ""
    heads: dict[str, Any] = field(default_factory=dict)

    def head(self, site: str, signed: object) -> None:
        """Take a signed head in the form that travels; whether it is true is for the hospitals to say."""
        try:
            if tree_heads.read(signed).site == site:
                self.heads[site] = signed
        except SignatureError:
            return

    def refuse(self, site: str, reason: str) -> None:
        self.refused.append({"site": site, "reason": reason})
        self._told(site)

    def accept(self, site: str, update: Update, said: object) -> None:
        self.accepted.append(site)
        self.loss[site], self.weights[site] = update.loss, update.weight
        self.seconds += update.seconds
        self._say(site, said)
        self.mean_loss = sum(self.loss[s] * w for s, w in self.weights.items()) / sum(
            self.weights.values()
        )
        self._told(site)

    def heard(self, site: str, reply: Reply) -> None:
        """A masked vector came, or a fault."""
        self._told(site)

    def summed(self, found: Sum, scale: float) -> None:
        """A sum under masks was opened; what hospitals said in clear besides is kept where it is a number. ``scale``: total weight by that summed."""
        self.accepted += found.survivors
        for site, why in found.late.items():
            self.said[site] = why[:500]
        self.refused += [
            {"site": site, "reason": reason} for site, reason in sorted(found.dropped.items())
        ]
        for site, values in found.values.items():
            self._say(site, values.get("notes"))
            self.head(site, values.get("head"))
            for key, kept in (("loss", self.loss), ("weight", self.weights)):
                if site in found.survivors and is_finite(values.get(key)):
                    kept[site] = float(values[key])
        self.seconds += found.lanes["seconds"]
        self.mean_loss = found.lanes["loss"] * scale
        names = {
            "cohort": found.cohort,
            "survivors": len(found.survivors),
            "dropped": sorted(found.dropped),
        }
        self.secure = {**names, "attempts": found.attempts, "exchanges": found.exchanges}

    def _say(self, site: str, said: object) -> None:
        if isinstance(said, list) and said:
            self.said[site] = " ".join(sentences.told(said, 5))

    def _told(self, site: str) -> None:
        self.answers += 1
        self.watch(self.number, site, self.answers, len(self.chosen))

    def record(self, seconds: float, traffic: Mapping[str, int]) -> RoundRecord:
        return RoundRecord(
            round=self.number,
            seconds=seconds,
            training_seconds=self.seconds,
            accepted=tuple(sorted(self.accepted)),
            refused=tuple(self.refused),
            loss=dict(sorted(self.loss.items())),
            weights=dict(sorted(self.weights.items())),
            bytes=traffic,
            notes=self.said,
            mean_loss=self.mean_loss,
            secure=self.secure,
            void=self.void,
            heads=dict(sorted(self.heads.items())),
        )
