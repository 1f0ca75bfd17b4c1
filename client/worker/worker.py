"""The worker: data, network and device of a hospital, behind :meth:`Worker.answer`.

What is costly stays resident: decoded images per hospital, and per study one network with its
optimizer, which the virtual hospitals of a simulation share.
"""

from __future__ import annotations

import json
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from client.secagg import membership
from client.secagg.participation import Participation
from client.site import Site
from client.training import evaluation, optimizer_state
from client.worker import admission, expected_sums
from client.worker.engine import Engine
from client.worker.release_rules import FEWEST
from client.worker.site_data import SiteData
from client.worker.training_rounds import TrainingRounds
from common.errors import SecureSumError, WireError
from common.privacy.sealing import share
from common.protocol.envelopes import Question, Reply
from common.secagg.messages import SumSpec
from common.sentences.table import say
from common.study import study as studies
from common.study.study import Study
from common.update import Update, Vector

_PARTS = ("train", "validation", "test", "all")

_workers: dict[tuple[Site, str], Worker] = {}
_engines: dict[tuple[str, str], Engine] = {}


def resident(site: Site, question: Question, run: str = "") -> Worker:
    """The worker of a hospital for a study in a run, kept between questions.

    "join" looks at the folder anew.
    """
    asked = study(question)
    key = (site, f"{asked.digest} {run}")
    if key not in _workers or question.kind == "join":
        scoring = question.settings.get("scoring") is True
        _workers[key] = Worker(site, asked, run, scoring=scoring)
    return _workers[key]


def study(question: Question) -> Study:
    """The study of a question, checked by this side's rules.

    Raises:
        StudyError: a field is wrong.
    """
    return _study(json.dumps(question.study, sort_keys=True))


def forget() -> None:
    """Drop every resident worker and network (between two runs in one process)."""
    _workers.clear()
    _engines.clear()
    optimizer_state.forget()


@lru_cache(maxsize=16)
def _study(text: str) -> Study:
    return studies.parse(json.loads(text))


class Worker:
    """One hospital working on one study.

    Args:
        site: the hospital.
        study: the study.
        run: name of the run that the coordinator signed; empty in a simulation.
        scoring: it only scores a finished model, for which one patient is enough.
    """

    def __init__(self, site: Site, study: Study, run: str = "", scoring: bool = False) -> None:
        self._site = site
        self._study = study
        self._run = run
        self._scores_only = scoring
        self._signed_roster: Any = None
        self._data = SiteData(site, study, scoring)
        self._rounds = TrainingRounds(site, study, run, self._data)

    def answer(self, question: Question) -> Reply:
        """Answer a question.

        Raises:
            SiteError: the hospital cannot do it; the public sentence says why.
            WireError: the question breaks the protocol.
        """
        if self._data.close_if_withdrawn():
            self._rounds.forget()
        if self._scores_only and question.kind in ("tally", "train"):
            raise WireError(say("message.scoring_only"))
        kinds = {
            "join": self._join,
            "agree": self._agree,
            "tally": self._tally,
            "train": self._train,
            "evaluate": self._evaluate,
        }
        return kinds[question.kind](question)

    @cached_property
    def _engine(self) -> Engine:
        key = (self._study.digest, self._site.device)
        if key not in _engines:
            _engines[key] = Engine(
                self._study, self._site.device, self._data.task, self._data.dataset
            )
        return _engines[key]

    @cached_property
    def _participation(self) -> Participation:
        return membership.participation(self._site, self._run, self._study)

    def _join(self, question: Question) -> Reply:
        dataset = self._data.dataset
        if question.settings.get("scoring") is not True:
            dataset.check_shapes()
        values = {
            **dataset.counts,
            "reasons": dataset.reasons,
            "pooled": self._site.pooled,
            "trains": admission.trains(self._site, self._study),
            FEWEST: dataset.fewest_patients(),
        }
        return Reply(self._site.name, question.kind, values=values)

    def _agree(self, question: Question) -> Reply:
        signed = question.settings.get("roster")
        # It comes with every question of a run; a check of its signatures once is enough.
        if signed is not None and signed != self._signed_roster:
            membership.accept(self._site, signed)
            self._signed_roster = signed
        messages = self._participation.agree(question.secure)
        refused = [sentence.to_json() for sentence in self._participation.refused]
        return Reply(
            self._site.name,
            question.kind,
            question.round,
            values={"refused": refused} if refused else {},
            secure=messages,
        )

    def _tally(self, question: Question) -> Reply:
        sealing = self._participation.prepare(
            question.secure, lambda cohort, _: expected_sums.counts_spec(self._study, cohort)
        )
        trains = admission.trains(self._site, self._study)
        weight = int(self._data.weight) if trains else 0
        vector, messages = self._participation.seal(
            sealing, _no_values(), 0.0, {"weight": weight, **self._data.dataset.counts}
        )
        return Reply(self._site.name, question.kind, delta=vector, secure=messages)

    def _train(self, question: Question) -> Reply:
        start = self._engine.load(question)
        self._site.policy.check(self._study, self._engine.layout.digest)
        if not self._study.secure_aggregation.enabled:
            update = self._rounds.train(question, start, self._engine)
            return self._trained(question, update, update.delta, ())
        sealing = self._participation.prepare(
            question.secure,
            lambda cohort, total: expected_sums.training_spec(
                self._study, question, self._engine.layout, cohort, total
            ),
        )
        key = (sealing.spec.round, sealing.spec.model)
        update = self._rounds.train_once(key, question, start, self._engine)
        part = share(update.weight, sealing.spec.total)
        vector, messages = self._participation.seal(
            sealing, update.delta, part, expected_sums.training_lanes(update, part)
        )
        return self._trained(question, update, vector, messages)

    def _trained(
        self, question: Question, update: Update, vector: Vector, messages: tuple[bytes, ...]
    ) -> Reply:
        return Reply(
            self._site.name,
            question.kind,
            question.round,
            question.layout,
            values=self._rounds.values(update, self._engine),
            delta=vector,
            secure=messages,
        )

    def _evaluate(self, question: Question) -> Reply:
        self._engine.load(question)
        part = question.settings.get("part")
        if part not in _PARTS:
            text = f"A message asks to evaluate the part {part!r}; allowed: {', '.join(_PARTS)}."
            raise WireError(text, say("message.part"))
        secure = self._study.secure_aggregation.enabled
        policy = self._site.policy
        if secure and not question.secure and not policy.share_metrics:
            raise SecureSumError(say("sum.metrics_kept"))
        # Before the work: a sum that is refused costs no scoring.
        sealing = (
            self._participation.prepare(
                question.secure, lambda cohort, _: self._scoring_spec(question, cohort)
            )
            if question.secure
            else None
        )
        values = self._scores(question, part)
        vector: Vector | None = None
        messages: tuple[bytes, ...] = ()
        if sealing is not None:
            lanes = expected_sums.metric_lanes(values["metrics"], policy.metrics)
            vector, messages = self._participation.seal(sealing, _no_values(), 0.0, lanes)
        return Reply(
            self._site.name,
            question.kind,
            question.round,
            question.layout,
            values=values,
            delta=vector,
            secure=messages,
        )

    def _scoring_spec(self, question: Question, cohort: int) -> SumSpec:
        metrics = tuple(self._data.general_task.higher_is_better)
        return expected_sums.scoring_spec(
            self._study, question, self._engine.layout, cohort, metrics
        )

    def _scores(self, question: Question, part: str) -> dict[str, Any]:
        """Metrics of the network on a part of the data; pictures only where all is synthetic."""
        engine = self._engine
        network = engine.trainer.network
        samples = self._data.dataset.samples(part)
        values = evaluation.score(
            network,
            self._data.task,
            samples,
            study=self._study,
            compute=engine.compute,
            intervals=bool(question.settings.get("intervals")),
        )
        if question.settings.get("examples") and self._site.synthetic:
            values["examples"] = evaluation.examples(
                network, self._data.task, samples, engine.compute
            )
        return {**values, "compute": engine.compute.to_json(), FEWEST: values["patients"]}


def _no_values() -> Vector:
    """The body of a sum that has lanes only."""
    return np.empty(0, np.float32)
