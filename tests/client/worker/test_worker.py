"""A hospital's worker under its own rules: what it refuses, keeps to itself, and writes down."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.policy.policy import OPEN, Policy
from client.training.local_training import Trainer
from client.worker import worker as workers
from common.protocol.envelopes import Question
from common.secagg.messages import Terms
from common.simulation.run import simulate
from common.trust import roster as rosters
from server import evaluate
from server.participants import Member
from tests import small
from tests.client.worker.hospitals import (
    CA,
    KEY,
    NAMES,
    NOW,
    Make,
    layout_of_study,
    own,
    refused,
    roster,
    sites_train,
    start,
)


def test_what_a_strict_hospital_says_when_it_joins(make: Make) -> None:
    consortium = make()
    reply = consortium.put("north", Question("join", consortium.study.to_table()))
    assert reply.fault == "" and dict(reply.values) == {
        "counts": "kept",
        "metrics": "kept",
        "pooled": False,
        "trains": True,
    }
    assert consortium.audit_entries("north")[-1]["left"] == [
        "counts",
        "metrics",
        "pooled",
        "trains",
    ]


@pytest.mark.parametrize(
    ("own", "counts", "metrics"),
    [
        (own(share_counts=True), True, False),
        (own(share_metrics=True), False, True),
        (OPEN, True, True),
    ],
)
def test_what_a_policy_lets_out_when_it_joins(
    make: Make, own: Policy, counts: bool, metrics: bool
) -> None:
    consortium = make({"north": own})
    values = consortium.put("north", Question("join", consortium.study.to_table())).values
    assert ("train" in values and values["patients"] == 10) is counts and (
        "metrics" not in values
    ) is metrics
    assert ("counts" not in values) is counts


def test_a_plain_study_is_refused_and_where_it_is_allowed_nothing_is_kept(make: Make) -> None:
    consortium = make({"north": own(plain_updates=True)}, secure_aggregation={"enabled": False})
    question = Question("join", consortium.study.to_table())
    refused(
        consortium,
        "east",
        question,
        (
            "secure_aggregation.enabled = false; this hospital's policy (plain_updates) "
            "allows masked updates only"
        ),
    )
    assert consortium.put("north", question).values["train"] > 0


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (own(max_rounds=1), "has 2 rounds; this hospital's policy (max_rounds) allows 1"),
        (own(largest_change=1.0), "largest_change is 32; this hospital's policy allows 1"),
    ],
)
@pytest.mark.parametrize("kind", ["join", "agree", "tally", "train", "evaluate"])
def test_a_study_that_the_policy_forbids_is_refused_at_every_question(
    make: Make, own: Policy, words: str, kind: str
) -> None:
    consortium, (layout, weights) = make({"north": own}), start()
    model = weights if kind in ("train", "evaluate") else None
    refused(
        consortium,
        "north",
        Question(kind, consortium.study.to_table(), 1, layout, model, {"part": "test"}),
        words,
    )


def test_a_network_that_the_policy_does_not_list_is_not_trained(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium, (layout, weights) = (
        make({"north": own(layouts=("a" * 64,)), "east": own(layouts=(start()[0],))}),
        start(),
    )
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))
    question = Question("train", consortium.study.to_table(), 1, layout, weights)
    refused(consortium, "north", question, "this hospital's policy (layouts)")
    refused(consortium, "east", question, "0 messages of kind SumSpec")


def test_a_masked_study_is_never_trained_in_clear(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium, (layout, weights) = make(), start()
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))
    refused(
        consortium,
        "north",
        Question("train", consortium.study.to_table(), 1, layout, weights),
        "0 messages of kind SumSpec; 1 is expected",
    )
    refused(
        consortium,
        "north",
        Question("tally", consortium.study.to_table()),
        "0 messages of kind SumSpec; 1 is expected",
    )


def test_metrics_are_told_in_clear_only_where_the_policy_allows_it(make: Make) -> None:
    consortium, (layout, weights) = make({"north": own(share_metrics=True)}), start()
    question = Question(
        "evaluate", consortium.study.to_table(), 0, layout, weights, {"part": "test"}
    )
    refused(
        consortium,
        "east",
        question,
        "policy (share_metrics) keeps its own metrics; they can be asked for under masks only",
    )
    assert set(consortium.put("north", question).values["metrics"]) >= {"dice"}


@pytest.mark.parametrize("part", ["everything", "", None, 3])
def test_an_unknown_part_is_refused(make: Make, part: object) -> None:
    consortium, (layout, weights) = make({"north": OPEN}), start()
    question = Question("evaluate", consortium.study.to_table(), 0, layout, weights, {"part": part})
    refused(consortium, "north", question, "asks to evaluate an unknown part")


def test_rounds_under_masks_and_nothing_in_clear(make: Make) -> None:
    consortium = make()
    federation = consortium.begin()
    before = federation.model
    records = [consortium.round(federation) for _ in range(2)]
    assert all(
        r.accepted == NAMES
        and r.void == ""
        and r.loss == {}
        and r.weights == {}
        and r.refused == ()
        for r in records
    )
    assert federation.total == sum(sites_train(consortium).values()) and not np.array_equal(
        federation.model, before
    )
    released = [
        set(reply.values)
        for _, question, reply in consortium.heard
        if question.kind in ("train", "tally", "agree")
    ]
    assert set().union(*released) == {"notes", "head"}
    for name in NAMES:
        lines = consortium.audit_entries(name)
        assert len(lines) == sum(1 for who, _, _ in consortium.heard if who == name) and not any(
            "fault" in line for line in lines
        )
        assert [line["left"] for line in lines if line["kind"] == "train"] == [
            ["head", "notes", "vector", "Masked"]
        ] * 2
        assert {line["run"] for line in lines} == {"run-1"}


def test_what_a_policy_lets_out_in_a_round(make: Make) -> None:
    consortium = make({"north": own(share_counts=True), "west": own(share_metrics=True)})
    record = consortium.round(consortium.begin())
    assert set(record.weights) == {"north"} and set(record.loss) == {"west"}
    released = {
        name: set(reply.values)
        for name, question, reply in consortium.heard
        if question.kind == "train"
    }
    always = {"notes", "head"}
    assert released == {
        "east": always,
        "north": always | {"weight", "steps", "counted"},
        "west": always | {"loss", "seconds"},
    }


def test_a_total_that_is_too_small_tells_nothing_of_one_s_weight(make: Make) -> None:
    """Whether it is refused would weigh the hospital.

    So all answer, and the round comes to nothing.
    """
    consortium = make()
    federation = consortium.begin()
    before, federation.total = federation.model, 1
    record = consortium.round(federation)
    assert "at most the tally's 1 is possible" in record.void and np.array_equal(
        federation.model, before
    )
    assert not any(
        reply.fault for _, question, reply in consortium.heard if question.kind == "train"
    )


def test_scores_under_masks_are_those_in_clear(make: Make) -> None:
    means = []
    for rules in (own(), OPEN):
        consortium = make(dict.fromkeys(NAMES, rules))
        federation = consortium.begin() if rules is not OPEN else None
        weights = start()[1]
        members = [
            Member(node, name, {}, tells_metrics=rules is OPEN)
            for node, name in enumerate(NAMES, 1)
        ]
        secure = federation.sums if federation else None
        settings = {"part": "train", "intervals": True}
        scores = evaluate.score(
            consortium,
            consortium.study,
            federation.layout if federation else layout_of_study(),
            weights,
            members,
            settings,
            0,
            secure,
        )  # type: ignore[arg-type]
        assert (
            scores.faults == {} and scores.hospitals == 3 and bool(scores.sites) is (rules is OPEN)
        )
        means.append(scores.mean())
        released = [
            set(reply.values)
            for _, question, reply in consortium.heard
            if question.kind == "evaluate"
        ]
        assert rules is OPEN or released == [{"compute"}] * 3
    assert means[0].keys() == means[1].keys()
    for metric, value in means[1].items():
        assert means[0][metric] == (None if value is None else pytest.approx(value, abs=1e-8))


def test_an_older_roster_is_refused_at_every_question_that_brings_it(make: Make) -> None:
    consortium = make()
    digest = rosters.verify(roster(2), KEY.certificate, CA.certificate, "trial", NOW).digest
    terms = Terms("trial", "run-1", 1, NAMES, 2, digest).encode()
    table = consortium.study.to_table()
    assert (
        consortium.put(
            "north", Question("agree", table, settings={"roster": roster(2)}, secure=(terms,))
        ).fault
        == ""
    )
    question = Question("agree", table, settings={"roster": roster(1)}, secure=(terms,))
    refused(consortium, "north", question, "version 1, and version 2 was seen before")
    workers.forget()
    refused(consortium, "north", question, "version 1, and version 2 was seen before")
    refused(
        consortium, "north", replace(question, settings={"roster": "x"}), "The roster is not signed"
    )


def test_a_study_that_needs_more_hospitals_than_the_policy_binds_the_hospital(make: Make) -> None:
    consortium = make(secure_aggregation={"min_cohort": 4})
    digest = rosters.verify(roster(), KEY.certificate, CA.certificate, "trial", NOW).digest
    terms = Terms("trial", "run-1", 1, NAMES, 2, digest).encode()
    question = Question(
        "agree", consortium.study.to_table(), settings={"roster": roster()}, secure=(terms,)
    )
    refused(
        consortium,
        "north",
        question,
        "A secure sum over 3 hospitals is proposed; this hospital's policy asks for 4",
    )


def test_how_many_images_were_scored_is_a_count_too(make: Make) -> None:
    consortium, (layout, weights) = make({"north": own(share_metrics=True), "east": OPEN}), start()
    question = Question(
        "evaluate", consortium.study.to_table(), 0, layout, weights, {"part": "test"}
    )
    assert (
        not {"images", "patients"} & set(consortium.put("north", question).values)
        and consortium.put("east", question).values["images"] > 0
    )


def test_a_sentence_with_a_number_of_the_hospital_s_own_does_not_leave(make: Make) -> None:
    consortium = make({"east": OPEN}, data={"min_patients": 50})
    question = Question("join", consortium.study.to_table())
    refused(
        consortium,
        "north",
        question,
        "The hospital's data do not serve this study; its own log says why.",
    )
    assert "50" in (consortium.sites["north"].state / "site.log").read_text()
    refused(consortium, "east", question, "50")


def test_a_hospital_that_only_scores_weighs_nothing_and_is_never_trained(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    consortium = make({"north": own(training=False)})
    federation = consortium.begin()
    counted = sites_train(consortium)
    assert federation.total == counted["east"] + counted["west"] and counted["north"] > 0
    assert (
        consortium.put("north", Question("join", consortium.study.to_table())).values["trains"]
        is False
    )
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))
    layout, weights = start()
    refused(
        consortium,
        "north",
        Question("train", consortium.study.to_table(), 1, layout, weights),
        "lets models be scored here, not trained",
    )


def test_a_run_scores_such_a_hospital_and_does_not_ask_it_to_train(tmp_path: Path) -> None:
    folder = small.federation(tmp_path / "hosp", sites=3)
    rules = (
        "training = false\nplain_updates = true\nshare_counts = true\nshare_metrics = "
        "true\nfloor = 0\n"
    )
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
