"""A hospital's training rounds for one study, and what it keeps from one to the next."""

from __future__ import annotations

from typing import Any

from client.audit import log as audit_log
from client.site import Site
from client.training import local_training
from client.training.optimizer_state import OptimizerStore
from client.worker.engine import Engine
from client.worker.release_rules import FEWEST
from client.worker.site_data import SiteData
from common.errors import WireError
from common.privacy import pipeline
from common.privacy.stage import Rules
from common.protocol.envelopes import Question
from common.sentences.table import say
from common.study.study import Study
from common.update import Update, Vector

Key = tuple[int, bytes]
"""A round and the digest of the model that it starts from."""


class TrainingRounds:
    """The rounds that one hospital trains.

    Args:
        site: the hospital.
        study: the study.
        run: name of the run that the coordinator signed.
        data: the hospital's data.
    """

    def __init__(self, site: Site, study: Study, run: str, data: SiteData) -> None:
        self._site = site
        self._study = study
        self._run = run
        self._data = data
        self._store = OptimizerStore(site, study.digest)
        self._keeps_state = study.training.optimizer_state == "keep"
        self.last: tuple[Key, Update] | None = None

    def train_once(self, key: Key, question: Question, start: Vector, engine: Engine) -> Update:
        """The update of a round; trained only if the last round was another."""
        # A sum that failed is asked for once more with fresh keys: the change must be the same.
        if self.last is None or self.last[0] != key:
            self.last = key, self.train(question, start, engine)
        return self.last[1]

    def train(self, question: Question, start: Vector, engine: Engine) -> Update:
        """Train from ``start``, which the network holds, and limit the change once.

        Raises:
            WireError: the question's number of repetitions is out of range.
        """
        dataset = self._data.dataset
        images = len(dataset.samples("train"))
        steps = local_training.steps_per_round(self._study.training, images, _repeat(question))
        trainer = engine.trainer
        # The network is resident and may have served another hospital: its state never stays.
        kept = self._keeps_state and question.round > 1
        trainer.restore(self._store.take() if kept else {})
        loss, seconds = trainer.run(
            self._data.task, dataset, self._site.name, question.round, steps
        )
        self._keep_state(question.round, engine)
        delta = engine.change(start)
        self._limit(delta, question.round)
        return Update(delta, self._data.weight, loss, steps, seconds, engine.counted())

    def values(self, update: Update, engine: Engine) -> dict[str, Any]:
        """What goes with an update; the outbox takes out what the policy keeps."""
        notes = engine.trainer.notes
        engine.trainer.notes = []
        return {
            "notes": notes,
            "weight": update.weight,
            "steps": update.steps,
            "counted": update.counted,
            "loss": update.loss,
            "seconds": update.seconds,
            FEWEST: self._data.dataset.counts["train_patients"],
        }

    def forget(self) -> None:
        """Train the last round anew if it is asked for again: a patient has left."""
        self.last = None

    def _limit(self, delta: Vector, round_number: int) -> None:
        rules = Rules(self._site.policy.largest_norm)
        for event, facts in pipeline.altered(delta, rules).items():
            audit_log.note(
                self._site.state, event=event, run=self._run, round=round_number, **facts
            )

    def _keep_state(self, round_number: int, engine: Engine) -> None:
        if self._keeps_state and round_number < self._study.federation.rounds:
            self._store.put(engine.trainer.optimizer_state())
        else:
            self._store.clear()


def _repeat(question: Question) -> int:
    value = question.settings.get("repeat", 1)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        text = f"A message's repeat is {value!r}; a whole number from 1 to 100000 is allowed."
        raise WireError(text, say("message.setting", name="repeat"))
    return value
