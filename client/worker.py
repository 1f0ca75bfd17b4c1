"""The worker: data, network and device of a hospital, behind one narrow port (:meth:`Worker.answer`: question in, answer out).

What is costly stays resident: decoded images per hospital, and per study one network with its optimiser, which the virtual hospitals of a
simulation share.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from client import device, evaluation, moments, training
from client.dataset import Bank
from client.moments import Drawer
from client.site import Site
from client.training import Trainer
from common import network
from common import study as studies
from common.errors import WireError
from common.study import Study
from common.tasks import Task
from common.update import Layout, Update, Vector
from common.wire import Plan, Reply

_workers: dict[tuple[Site, str], Worker] = {}
_engines: dict[tuple[str, str], Engine] = {}


def resident(site: Site, plan: Plan) -> Worker:
    """The worker of a hospital for a study, kept between questions; "join" looks at the folder anew."""
    wanted = study(plan)
    key = (site, wanted.digest)
    if key not in _workers or plan.kind == "join":
        _workers[key] = Worker(site, wanted, scoring=plan.settings.get("scoring") is True)
    return _workers[key]


def study(plan: Plan) -> Study:
    """The study of a question, checked by this side's rules.

    Raises:
        StudyError: a field is wrong.
    """
    return _study(json.dumps(plan.study, sort_keys=True))


def forget() -> None:
    """Drop every resident worker and network (between two runs in one process)."""
    _workers.clear()
    _engines.clear()
    moments.forget()


@lru_cache(maxsize=16)
def _study(text: str) -> Study:
    return studies.parse(json.loads(text))


class Engine:
    """The resident network of a study, with its trainer and the global weights of the round."""

    def __init__(self, study: Study, wanted: str, task: Task, bank: Bank) -> None:
        trial = training.measured(task, bank, study, lambda: network.build(study))
        self.compute = device.choose(wanted, study.training.precision, trial)
        built = network.build(study)
        self.layout: Layout = network.layout(built)
        self.trainer = Trainer(self.compute.place(built, study.data.dimensions), study, self.compute)

    def load(self, plan: Plan) -> Vector:
        """Put a plan's weights into the network and return them.

        Raises:
            WireError: they are for another network.
        """
        model = plan.model
        if model is None or model.size != self.layout.size or plan.layout != self.layout.digest:
            found = "none" if model is None else model.size
            raise WireError(f"The message's model has {found} weights of another layout; the study's network has {self.layout.size}.")
        network.unpack(self.trainer.network, model)
        return model

    def change(self, start: Vector) -> Vector:
        """Present weights minus ``start``."""
        delta = network.pack(self.trainer.network)
        return np.subtract(delta, start, out=delta)


class Worker:
    """One hospital working on one study.

    Args:
        scoring: it only scores a finished model, for which one patient is enough.
    """

    def __init__(self, site: Site, study: Study, scoring: bool = False) -> None:
        self._site, self._study = site, study
        self._data = replace(study.data, min_patients=1) if scoring else study.data
        self._drawer = Drawer(site, study.digest)
        self._keeps_moments = study.training.optimizer_state == "keep"

    def answer(self, plan: Plan) -> Reply:
        """Answer a question.

        Raises:
            SiteError: the hospital cannot do it; the public sentence says why.
            WireError: the question breaks the protocol.
        """
        work = {"join": self._join, "train": self._train, "evaluate": self._evaluate}[plan.kind]
        return work(plan)

    @cached_property
    def _general_task(self) -> Task:
        return network.task(self._study)

    @cached_property
    def _bank(self) -> Bank:
        bank = Bank.open(self._site.folders, replace(self._study, data=self._data), self._general_task, self._site.log)
        return bank.to(device.device(self._site.device))

    @cached_property
    def _task(self) -> Task:
        return self._general_task.for_site(self._bank.samples("train"))

    @cached_property
    def _engine(self) -> Engine:
        key = (self._study.digest, self._site.device)
        if key not in _engines:
            _engines[key] = Engine(self._study, self._site.device, self._task, self._bank)
        return _engines[key]

    def _join(self, plan: Plan) -> Reply:
        if plan.settings.get("scoring") is not True:
            self._bank.check_shapes()
        values = {**self._bank.counts, "reasons": self._bank.reasons, "pooled": self._site.pooled}
        return Reply(self._site.name, plan.kind, values=values)

    def _train(self, plan: Plan) -> Reply:
        start = self._engine.load(plan)
        images = len(self._bank.samples("train"))
        steps = training.steps_per_round(self._study.training, images, _whole(plan.settings, "repeat", 1))
        trainer = self._engine.trainer
        trainer.restore(self._drawer.take() if self._keeps_moments and plan.round > 1 else {})
        loss, seconds = trainer.run(self._task, self._bank, self._site.name, plan.round, steps)
        self._keep(plan.round)
        update = Update(self._engine.change(start), self._weight(), loss, steps, seconds)
        notes, trainer.notes = trainer.notes, []
        values = {"weight": update.weight, "loss": loss, "steps": steps, "seconds": seconds, "notes": notes}
        return Reply(self._site.name, plan.kind, plan.round, plan.layout, values, update.delta)

    def _evaluate(self, plan: Plan) -> Reply:
        self._engine.load(plan)
        part = plan.settings.get("part")
        if part not in ("train", "validation", "test", "all"):
            raise WireError(f"A message asks to evaluate the part {part!r}; allowed: train, validation, test, all.")
        samples = self._bank.samples(part)
        values = evaluation.score(
            self._engine.trainer.network, self._task, samples, self._study, self._engine.compute, bool(plan.settings.get("intervals"))
        )
        if plan.settings.get("examples") and self._site.synthetic:
            values["examples"] = evaluation.examples(self._engine.trainer.network, self._task, samples, self._engine.compute)
        return Reply(self._site.name, plan.kind, plan.round, plan.layout, {**values, "compute": self._engine.compute.to_json()})

    def _weight(self) -> float:
        rule, counts = self._study.federation.weight, self._bank.counts
        return 1.0 if rule == "equal" else float(counts["train_patients" if rule == "patients" else "train"])

    def _keep(self, round_number: int) -> None:
        if self._keeps_moments and round_number < self._study.federation.rounds:
            self._drawer.put(self._engine.trainer.moments())
        else:
            self._drawer.clear()


def _whole(settings: Any, key: str, default: int) -> int:
    value = settings.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        raise WireError(f"A message's {key} is {value!r}; a whole number from 1 to 100000 is allowed.")
    return value
