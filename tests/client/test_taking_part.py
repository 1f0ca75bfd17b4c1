"""Hospitals that take part in some of it: those that only score models, and those whose patients leave in the middle of a run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client.policy import withdrawals
from client.training.local_training import Trainer
from client.worker import worker as workers
from common.protocol.envelopes import Question, Reply
from common.simulation.run import simulate
from tests import small
from tests.client.worker import test_worker
from tests.client.worker.test_worker import NAMES, Make, own, refused, sites_train, start

data, make = test_worker.data, test_worker.make


def test_a_hospital_that_only_scores_weighs_nothing_and_is_never_trained(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make({"north": own(training=False)})
    federation = made.begin()
    counted = sites_train(made)
    assert federation.total == counted["east"] + counted["west"] and counted["north"] > 0
    assert made.put("north", Question("join", made.study.to_table())).values["trains"] is False
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))
    layout, weights = start()
    refused(
        made,
        "north",
        Question("train", made.study.to_table(), 1, layout, weights),
        "lets models be scored here, not trained",
    )


def test_a_run_scores_such_a_hospital_and_does_not_ask_it_to_train(tmp_path: Path) -> None:
    folder = small.federation(tmp_path / "hosp", sites=3)
    rules = "training = false\nplain_updates = true\nshare_counts = true\nshare_metrics = true\nfloor = 0\n"
    (folder / "site1" / "policy.toml").write_text(rules)
    simulate(
        small.study(tmp_path / "s.toml"),
        folder,
        tmp_path / "out",
        engine="inline",
        device="cpu",
        quiet=True,
    )
    report: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text())
    lines = [
        json.loads(line) for line in (tmp_path / "out" / "rounds.jsonl").read_text().splitlines()
    ]
    assert [line["accepted"] for line in lines] == [["site0", "site2"]] * 2 and all(
        not line["refused"] for line in lines
    )
    assert report["status"] == "finished" and report["excluded"] == {}
    federated = report["metrics"]["federated"]
    assert set(federated["sites"]) == {"site0", "site1", "site2"}


def test_the_next_question_is_without_the_patient(make: Make) -> None:
    made = make({"north": own(share_counts=True)})
    ask = Question("join", made.study.to_table())
    before = made.put("north", ask).values
    withdrawals.add(made.sites["north"].state, "P003")
    after = made.put("north", ask).values
    assert before["patients"] == after["patients"] + 1
    changed = [part for part in ("train", "validation", "test") if before[part] != after[part]]
    assert len(changed) == 1 and before[changed[0]] == after[changed[0]] + 1


def test_the_next_round_is_without_the_patient(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    honest = Trainer.run

    def run(self: Trainer, task: Any, bank: Any, site: str, number: int, steps: int) -> Any:
        seen.append((site, number, len(bank.samples("train"))))
        return honest(self, task, bank, site, number, steps)

    monkeypatch.setattr(Trainer, "run", run)
    made = make()
    federation = made.begin()
    made.round(federation)
    training = workers.resident(
        made.sites["north"], Question("agree", made.study.to_table()), "run-1"
    )._bank
    places = training._places("train")
    image = training._caches[0].manifest.cases[places[0].index].image.name
    withdrawals.add(made.sites["north"].state, f"P{int(image[5:8]):03}")
    made.round(federation)
    sizes = {(site, number): size for site, number, size in seen}
    assert sizes["north", 2] == sizes["north", 1] - 1
    assert all(sizes[name, 2] == sizes[name, 1] for name in NAMES if name != "north")


def test_a_damaged_list_stops_the_hospital_in_the_middle_of_a_run(make: Make) -> None:
    made = make()
    made.begin()
    state = made.sites["north"].state
    (state / withdrawals.NAME).write_bytes(b"{")
    for kind in ("join", "tally"):
        reply = made.put("north", Question(kind, made.study.to_table()))
        assert reply.fault and reply.delta is None and not reply.secure
    refused(
        made,
        "north",
        Question("join", made.study.to_table()),
        "The list of withdrawn patients cannot be read",
    )


def test_a_round_that_is_asked_for_once_more_is_without_the_patient(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int]] = []
    honest = Trainer.run

    def run(self: Trainer, task: Any, bank: Any, site: str, number: int, steps: int) -> Any:
        trained.append((site, number))
        return honest(self, task, bank, site, number, steps)

    monkeypatch.setattr(Trainer, "run", run)
    made = make()
    federation, lost = made.begin(), list[Question]()

    def once(name: str, plan: Question, reply: Reply) -> Reply:
        if plan.kind != "train" or name != "north" or lost:
            return reply
        lost.append(plan)
        for patient in range(8):
            withdrawals.add(made.sites["north"].state, f"P{patient:03}")
        return Reply(name, "train", fault="The answer was lost.")

    made.trouble = once
    made.round(federation)
    assert trained.count(("north", 1)) == 2


def test_a_question_for_scoring_does_not_lower_the_least_number_of_patients(make: Make) -> None:
    made = make(
        {"north": own(plain_updates=True)},
        data={"min_patients": 11},
        secure_aggregation={"enabled": False},
    )
    layout, weights = start()
    train = Question("train", made.study.to_table(), 1, layout, weights)
    refused(made, "north", train, "its own log says why")
    assert not made.put(
        "north", Question("join", made.study.to_table(), settings={"scoring": True})
    ).fault
    assert made.put("north", replace(train)).fault, "an update over ten patients left"
