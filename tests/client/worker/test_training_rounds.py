"""A round is trained once.

Patients who left are not in it, and its change keeps the policy's norm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from client.policy import withdrawals
from client.training.local_training import Trainer
from client.worker import worker as workers
from common.protocol.envelopes import Question, Reply
from tests.client.worker.hospitals import (
    NAMES,
    Make,
    own,
)


def test_the_same_round_once_more_is_answered_without_training_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int]] = []
    honest = Trainer.run

    def run(self: Trainer, task: Any, dataset: Any, site: str, number: int, steps: int) -> Any:
        trained.append((site, number))
        return honest(self, task, dataset, site, number, steps)

    monkeypatch.setattr(Trainer, "run", run)
    consortium = make()
    federation, failed = consortium.begin(), list[Question]()

    def once(name: str, question: Question, reply: Reply) -> Reply:
        if question.kind != "train" or name != "north" or failed:
            return reply
        failed.append(question)
        return Reply(name, "train", fault="The answer was lost.")

    consortium.trouble = once
    record = consortium.round(federation)
    assert record.secure is not None and record.secure["attempts"] == 2 and record.accepted == NAMES
    assert trained == [(name, 1) for name in NAMES]
    consortium.round(federation)
    assert trained == [(name, number) for number in (1, 2) for name in NAMES]


def test_the_second_attempt_gives_the_same_sum(make: Make) -> None:
    models = []
    for broken in (False, True):
        consortium = make()
        federation, failed = consortium.begin(), list[Question]()

        def once(
            name: str,
            question: Question,
            reply: Reply,
            failed: list[Question] = failed,
            broken: bool = broken,
        ) -> Reply:
            if not broken or question.kind != "train" or name != "west" or failed:
                return reply
            failed.append(question)
            return Reply(name, "train", fault="The answer was lost.")

        consortium.trouble = once
        consortium.round(federation)
        models.append(federation.model)
        for site in consortium.sites.values():
            for file in site.state.iterdir():
                file.unlink()
    assert np.array_equal(models[0], models[1])


def test_a_change_is_scaled_down_to_the_policy_s_norm_and_that_is_written_down(make: Make) -> None:
    consortium = make(dict.fromkeys(NAMES, own(largest_norm=0.001)))
    federation = consortium.begin()
    before = federation.model.copy()
    consortium.round(federation)
    assert 0 < float(np.linalg.norm(federation.model - before)) <= 0.00101
    for name in NAMES:
        [line] = consortium.audit_entries(name, "clipped")
        assert line["round"] == 1 and line["allowed"] == 0.001 < line["norm"]


def test_a_change_within_the_norm_is_left_alone(make: Make) -> None:
    consortium = make(dict.fromkeys(NAMES, own(largest_norm=1e6)))
    consortium.round(consortium.begin())
    assert not any(consortium.audit_entries(name, "clipped") for name in NAMES)


def test_the_next_round_is_without_the_patient(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    honest = Trainer.run

    def run(self: Trainer, task: Any, dataset: Any, site: str, number: int, steps: int) -> Any:
        seen.append((site, number, len(dataset.samples("train"))))
        return honest(self, task, dataset, site, number, steps)

    monkeypatch.setattr(Trainer, "run", run)
    consortium = make()
    federation = consortium.begin()
    consortium.round(federation)
    training = workers.resident(
        consortium.sites["north"], Question("agree", consortium.study.to_table()), "run-1"
    )._data.dataset
    places = training._places("train")
    image = training._caches[0].manifest.cases[places[0].index].image.name
    withdrawals.add(consortium.sites["north"].state, f"P{int(image[5:8]):03}")
    consortium.round(federation)
    sizes = {(site, number): size for site, number, size in seen}
    assert sizes["north", 2] == sizes["north", 1] - 1
    assert all(sizes[name, 2] == sizes[name, 1] for name in NAMES if name != "north")


def test_a_round_that_is_asked_for_once_more_is_without_the_patient(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int]] = []
    honest = Trainer.run

    def run(self: Trainer, task: Any, dataset: Any, site: str, number: int, steps: int) -> Any:
        trained.append((site, number))
        return honest(self, task, dataset, site, number, steps)

    monkeypatch.setattr(Trainer, "run", run)
    consortium = make()
    federation, lost = consortium.begin(), list[Question]()

    def once(name: str, question: Question, reply: Reply) -> Reply:
        if question.kind != "train" or name != "north" or lost:
            return reply
        lost.append(question)
        for patient in range(8):
            withdrawals.add(consortium.sites["north"].state, f"P{patient:03}")
        return Reply(name, "train", fault="The answer was lost.")

    consortium.trouble = once
    consortium.round(federation)
    assert trained.count(("north", 1)) == 2
