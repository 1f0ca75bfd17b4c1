"""The worker: data, network and device of a hospital, behind one narrow port (:meth:`Worker.answer`: question in, answer out).

What is costly stays resident: decoded images per hospital, and per study one network with its optimiser, which the virtual hospitals of a
simulation share.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from client.audit import log as audit_log
from client.dataset.loader import SiteDataset
from client.policy import withdrawals
from client.secagg import membership
from client.secagg.participation import Participation
from client.site import Site
from client.training import device, evaluation, local_training, optimizer_state
from client.training.optimizer_state import OptimizerStore
from client.worker import admission
from client.worker.engine import Engine
from client.worker.release_rules import FEWEST
from common import networks
from common.errors import SecureSumError, WireError
from common.privacy import pipeline
from common.privacy.sealing import share
from common.privacy.stage import Rules
from common.protocol import sum_specs
from common.protocol.envelopes import Question, Reply
from common.secagg.messages import SumSpec
from common.sentences.table import say
from common.study import study as studies
from common.study.study import Study
from common.tasks import Task
from common.update import Update, Vector

_workers: dict[tuple[Site, str], Worker] = {}
_engines: dict[tuple[str, str], Engine] = {}


def resident(site: Site, plan: Question, run: str = "") -> Worker:
    """The worker of a hospital for a study in a run, kept between questions; "join" looks at the folder anew."""
    wanted = study(plan)
    key = (site, f"{wanted.digest} {run}")
    if key not in _workers or plan.kind == "join":
        _workers[key] = Worker(site, wanted, run, scoring=plan.settings.get("scoring") is True)
    return _workers[key]


def study(plan: Question) -> Study:
    """The study of a question, checked by this side's rules.

    Raises:
        StudyError: a field is wrong.
    """
    return _study(json.dumps(plan.study, sort_keys=True))


def forget() -> None:
    """Drop every resident worker and network (between two runs in one process)."""
    _workers.clear()
    _engines.clear()
    optimizer_state.forget()


@lru_cache(maxsize=16)
def _study(text: str) -> Study:
    return studies.parse(json.loads(text))


class _Opened:
    """A hospital's data as they were opened, and which withdrawals they leave out."""

    def __init__(self, bank: SiteDataset, general: Task, withdrawn_: tuple[int, int]) -> None:
        self.bank, self.withdrawn, self._general = bank, withdrawn_, general

    @cached_property
    def task(self) -> Task:
        """The study's task, fitted to the hospital's own training images."""
        return self._general.for_site(self.bank.samples("train"))


class Worker:
    """One hospital working on one study.

    Args:
        run: name of the run that the coordinator signed; empty in a simulation.
        scoring: it only scores a finished model, for which one patient is enough.
    """

    def __init__(self, site: Site, study: Study, run: str = "", scoring: bool = False) -> None:
        self._site, self._study, self._run = site, study, run
        self._signed: Any = None
        self._opened: _Opened | None = None
        self._done: tuple[tuple[int, bytes], Update] | None = None
        self._scores_only = scoring
        self._reading = (
            replace(study, data=replace(study.data, min_patients=1)) if scoring else study
        )
        self._drawer = OptimizerStore(site, study.digest)
        self._keeps_moments = study.training.optimizer_state == "keep"

    def answer(self, plan: Question) -> Reply:
        """Answer a question.

        Raises:
            SiteError: the hospital cannot do it; the public sentence says why.
            WireError: the question breaks the protocol.
        """
        if (
            self._opened is not None
            and withdrawals.version(self._site.state) != self._opened.withdrawn
        ):
            self._opened = None  # a patient has left: every part is opened anew
            self._done = None
        if self._scores_only and plan.kind in ("tally", "train"):
            raise WireError(say("message.scoring_only"))
        kinds = {
            "join": self._join,
            "agree": self._agree,
            "tally": self._tally,
            "train": self._train,
            "evaluate": self._evaluate,
        }
        return kinds[plan.kind](plan)

    @cached_property
    def _general_task(self) -> Task:
        return networks.task(self._study)

    @property
    def _data(self) -> _Opened:
        if self._opened is None:
            version = withdrawals.version(self._site.state)
            gone = withdrawals.reader(self._site.state)
            bank = SiteDataset.open(
                self._site.folders, self._reading, self._general_task, self._site.log, gone=gone
            )
            self._opened = _Opened(
                bank.to(device.device(self._site.device)), self._general_task, version
            )
        return self._opened

    @property
    def _bank(self) -> SiteDataset:
        return self._data.bank

    @property
    def _task(self) -> Task:
        return self._data.task

    @cached_property
    def _engine(self) -> Engine:
        key = (self._study.digest, self._site.device)
        if key not in _engines:
            _engines[key] = Engine(self._study, self._site.device, self._task, self._bank)
        return _engines[key]

    @cached_property
    def _party(self) -> Participation:
        return membership.party(self._site, self._run, self._study)

    def _join(self, plan: Question) -> Reply:
        if plan.settings.get("scoring") is not True:
            self._bank.check_shapes()
        values = {
            **self._bank.counts,
            "reasons": self._bank.reasons,
            "pooled": self._site.pooled,
            "trains": admission.trains(self._site, self._study),
        }
        return Reply(
            self._site.name, plan.kind, values={**values, FEWEST: self._bank.fewest_patients()}
        )

    def _agree(self, plan: Question) -> Reply:
        signed = plan.settings.get("roster")
        if signed is not None and signed != self._signed:
            membership.accept(self._site, signed)
            self._signed = signed
        answers, refused = self._party.agree(plan.secure), self._party.refused
        return Reply(
            self._site.name,
            plan.kind,
            plan.round,
            values={"refused": [sentence.to_json() for sentence in refused]} if refused else {},
            secure=answers,
        )

    def _tally(self, plan: Question) -> Reply:
        sealing = self._party.prepare(
            plan.secure, lambda cohort, total: sum_specs.specify(self._study, "tally", cohort)
        )
        weight = int(self._weight()) if admission.trains(self._site, self._study) else 0
        lanes = {"weight": weight, **self._bank.counts}
        vector, said = self._party.seal(sealing, np.empty(0, np.float32), 0.0, lanes)
        return Reply(self._site.name, plan.kind, delta=vector, secure=said)

    def _train(self, plan: Question) -> Reply:
        start = self._engine.load(plan)
        self._site.policy.check(self._study, self._engine.layout.digest)
        if not self._study.secure_aggregation.enabled:
            update = self._update(plan, start)
            return Reply(
                self._site.name,
                plan.kind,
                plan.round,
                plan.layout,
                self._told(update),
                update.delta,
            )
        sealing = self._party.prepare(
            plan.secure, lambda cohort, total: self._order(plan, cohort, total)
        )
        about = sealing.order.round, sealing.order.model
        if (
            self._done is None or self._done[0] != about
        ):  # else a new sum, with fresh keys, asks for the same once more
            self._done = about, self._update(plan, start)
        update = self._done[1]
        part = share(update.weight, sealing.order.total)
        lanes = {
            "weight": int(update.weight),
            "steps": update.steps,
            "loss": part * update.loss,
            "seconds": update.seconds,
        }
        lanes |= {sum_specs.counter(name): count for name, count in update.counted.items()}
        vector, said = self._party.seal(sealing, update.delta, part, lanes)
        return Reply(
            self._site.name, plan.kind, plan.round, plan.layout, self._told(update), vector, said
        )

    def _order(self, plan: Question, cohort: int, total: int) -> SumSpec:
        """The order that the signed study calls for in this round.

        Raises:
            SecureSumError: the round is not one of the study's, or hospitals are to train unequally.
        """
        if not 1 <= plan.round <= self._study.federation.rounds:
            raise SecureSumError(
                say("sum.round", round=plan.round, rounds=self._study.federation.rounds)
            )
        if plan.settings.get("repeat", 1) != 1:
            raise SecureSumError(say("sum.repeat"))
        layout = self._engine.layout
        return sum_specs.specify(
            self._study,
            "train",
            cohort,
            number=plan.round,
            model=plan.model,
            layout=layout.digest,
            total=total,
            counters=layout.counters,
        )

    def _update(self, plan: Question, start: Vector) -> Update:
        """Train, and take the change through what is done to it once, however often a sum asks for it."""
        images = len(self._bank.samples("train"))
        steps = local_training.steps_per_round(
            self._study.training, images, _whole(plan.settings, "repeat", 1)
        )
        trainer = self._engine.trainer
        trainer.restore(self._drawer.take() if self._keeps_moments and plan.round > 1 else {})
        loss, seconds = trainer.run(self._task, self._bank, self._site.name, plan.round, steps)
        self._keep(plan.round)
        delta = self._engine.change(start)
        for event, facts in pipeline.altered(delta, Rules(self._site.policy.largest_norm)).items():
            audit_log.note(self._site.state, event=event, run=self._run, round=plan.round, **facts)
        return Update(delta, self._weight(), loss, steps, seconds, self._engine.counted())

    def _told(self, update: Update) -> dict[str, Any]:
        """What is known beside an update; the outbox takes out what the policy keeps."""
        notes, self._engine.trainer.notes = self._engine.trainer.notes, []
        told = {
            "notes": notes,
            "weight": update.weight,
            "steps": update.steps,
            "counted": update.counted,
        }
        return {
            **told,
            "loss": update.loss,
            "seconds": update.seconds,
            FEWEST: self._bank.counts["train_patients"],
        }

    def _evaluate(self, plan: Question) -> Reply:
        self._engine.load(plan)
        part = plan.settings.get("part")
        if part not in ("train", "validation", "test", "all"):
            text = f"A message asks to evaluate the part {part!r}; allowed: train, validation, test, all."
            raise WireError(text, say("message.part"))
        secure, policy = self._study.secure_aggregation.enabled, self._site.policy
        if secure and not plan.secure and not policy.share_metrics:
            raise SecureSumError(say("sum.metrics_kept"))
        sealing = (
            self._party.prepare(plan.secure, lambda cohort, total: self._scoring(plan, cohort))
            if plan.secure
            else None
        )
        samples, network_ = self._bank.samples(part), self._engine.trainer.network
        values = evaluation.score(
            network_,
            self._task,
            samples,
            self._study,
            self._engine.compute,
            bool(plan.settings.get("intervals")),
        )
        lanes = _lanes(values["metrics"], policy.metrics)
        sealed = (
            (None, ())
            if sealing is None
            else self._party.seal(sealing, np.empty(0, np.float32), 0.0, lanes)
        )
        if plan.settings.get("examples") and self._site.synthetic:
            values["examples"] = evaluation.examples(
                network_, self._task, samples, self._engine.compute
            )
        values |= {"compute": self._engine.compute.to_json(), FEWEST: values["patients"]}
        return Reply(self._site.name, plan.kind, plan.round, plan.layout, values, *sealed)

    def _scoring(self, plan: Question, cohort: int) -> SumSpec:
        if not 0 <= plan.round <= self._study.federation.rounds:
            raise SecureSumError(
                say("sum.scored_round", round=plan.round, rounds=self._study.federation.rounds)
            )
        part, layout, metrics = (
            str(plan.settings["part"]),
            self._engine.layout.digest,
            tuple(self._general_task.higher_is_better),
        )
        return sum_specs.specify(
            self._study,
            "evaluate",
            cohort,
            number=plan.round,
            part=part,
            model=plan.model,
            layout=layout,
            metrics=metrics,
        )

    def _weight(self) -> float:
        rule, counts = self._study.federation.weight, self._bank.counts
        return (
            1.0
            if rule == "equal"
            else float(counts["train_patients" if rule == "patients" else "train"])
        )

    def _keep(self, round_number: int) -> None:
        if self._keeps_moments and round_number < self._study.federation.rounds:
            self._drawer.put(self._engine.trainer.moments())
        else:
            self._drawer.clear()


def _whole(settings: Any, key: str, default: int) -> int:
    value = settings.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        text = f"A message's {key} is {value!r}; a whole number from 1 to 100000 is allowed."
        raise WireError(text, say("message.setting", name=key))
    return value


def _lanes(metrics: Mapping[str, float | None], allowed: Sequence[str]) -> dict[str, float | int]:
    """A hospital's metrics as the lanes of a sum: one that is undefined, or that the policy keeps, counts as nothing."""
    lanes: dict[str, float | int] = {}
    for metric, value in metrics.items():
        known = value is not None and math.isfinite(value) and (not allowed or metric in allowed)
        lanes |= {
            sum_specs.defined(metric): int(known),
            metric: float(value) if known and value is not None else 0.0,
        }
    return lanes
