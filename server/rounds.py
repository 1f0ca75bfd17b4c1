"""One round as straight-line code: the file to read first.

draw -> ask -> (screen -> fold, one answer at a time) -> mean -> strategy's step -> new model -> record
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common import plugins, seeds
from common.errors import RoundError
from common.strategies import State, Strategy
from common.study import Study
from common.update import Layout, Update, Vector
from common.wire import Plan
from server.aggregate import WeightedSum
from server.roster import Member
from server.screen import RefusedError, Screen
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


@dataclass(frozen=True)
class Record:
    """What one round leaves in ``rounds.jsonl``."""

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


def run(federation: Federation, transport: Transport, watch: Watch) -> Iterator[Record]:
    """Run the remaining rounds; after each, ``federation`` holds the new model.

    Raises:
        RoundError: fewer than ``federation.min_sites`` updates were accepted; the model is that of the round before.
    """
    while federation.rounds_done < federation.study.federation.rounds:
        yield one_round(federation, transport, watch)


def one_round(federation: Federation, transport: Transport, watch: Watch) -> Record:
    """Run one round and move ``federation`` to its result."""
    began, study, number = time.perf_counter(), federation.study, federation.rounds_done + 1
    federation.model = transport.park(federation.model)
    rule = study.federation.weight
    chosen = draw(study, federation.members, number)
    asked = {m.node: m for m in chosen}
    screen = Screen(number, federation.layout, study.federation.largest_change)
    total = WeightedSum(federation.layout.size, study.federation.largest_change, sum(m.weight(rule) for m in chosen))
    notes = _Notes()
    plan = training_plan(federation, number)
    for node, reply in transport.ask(dict.fromkeys(asked, plan)):
        site = asked[node].site
        try:
            update = screen.accept(reply, asked[node].weight(rule))
        except RefusedError as reason:
            notes.refuse(site, str(reason))
        else:
            total.fold([update.delta], [update.weight])
            notes.accept(site, update, reply.values.get("notes"))
            del update
        del reply
        watch(number, site, notes.answers, len(chosen))
    if len(notes.loss) < study.federation.min_sites:
        told = "; ".join(f"{r['site']}: {r['reason']}" for r in notes.refused)
        raise RoundError(
            f"Round {number} has {len(notes.loss)} accepted updates; federation.min_sites asks for {study.federation.min_sites}. {told}"
        )
    mean = total.mean()
    del total
    advance(federation, mean)
    return notes.record(number, time.perf_counter() - began, transport.traffic.take())


def draw(study: Study, members: Sequence[Member], number: int) -> list[Member]:
    """The members of one round: all, or a seeded share of them."""
    wanted = max(study.federation.min_sites, round(study.federation.fraction * len(members)), 1)
    if wanted >= len(members):
        return list(members)
    order = np.random.default_rng(seeds.derive(study.seed, "draw", number)).permutation(len(members))
    return [members[i] for i in sorted(order[:wanted])]


def training_plan(federation: Federation, number: int) -> Plan:
    """The question that starts a hospital's training."""
    settings: dict[str, Any] = {"repeat": federation.repeat}
    return Plan("train", federation.study.to_table(), number, federation.layout.digest, federation.model, settings)


def advance(federation: Federation, mean: Vector) -> None:
    """Strategy's server half, then the new model; refuses a step that is not finite."""
    strategy: Strategy = plugins.load("common.strategies", federation.study.strategy.name, "STRATEGY")
    memory, step = strategy.step(federation.study.strategy.options, federation.memory, mean)
    if not np.isfinite(step.sum(dtype=np.float64)):
        raise RoundError("The strategy's step is not finite; the model stays as it was. Lower strategy.server_rate.")
    step += federation.model
    federation.model, federation.memory = step, memory
    federation.rounds_done += 1


@dataclass
class _Notes:
    """What happened in a round so far."""

    refused: list[dict[str, str]] = field(default_factory=list)
    loss: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def answers(self) -> int:
        return len(self.loss) + len(self.refused)

    def refuse(self, site: str, reason: str) -> None:
        self.refused.append({"site": site, "reason": reason})

    def accept(self, site: str, update: Update, said: object) -> None:
        self.loss[site], self.weights[site] = update.loss, update.weight
        self.seconds += update.seconds
        if isinstance(said, list) and said:
            self.said[site] = " ".join(str(note) for note in said[:5])[:500]

    def record(self, number: int, seconds: float, traffic: Mapping[str, int]) -> Record:
        accepted = tuple(sorted(self.loss))
        loss, weights = ({site: values[site] for site in accepted} for values in (self.loss, self.weights))
        return Record(number, seconds, self.seconds, accepted, tuple(self.refused), loss, weights, traffic, self.said)
