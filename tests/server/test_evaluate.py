"""Scores of one model on many hospitals, in clear or as means under masks.

No hospital's nonsense ends a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.protocol.envelopes import Question, Reply
from common.sentences.table import say
from common.study import study as studies
from common.study.study import Study
from common.update import Layout
from server import evaluate
from server.evaluate import Scores
from server.participants import Member
from tests import small
from tests.server.parties import DISK, NO_DISK, World

LAYOUT, MODEL = Layout(("w",), ((7,),)), np.ones(7, np.float32)


@pytest.fixture(scope="module")
def study() -> Study:
    return studies.parse({**small.TABLE, "secure_aggregation": {"enabled": True}})


def make_world(folder: Path, study: Study, count: int = 4) -> World:
    world = World(folder, count, own_study=study)
    for i, hospital in enumerate(world.hospitals.values()):
        hospital.lanes = {"images": 10, "patients": 5, "dice": 0.5 + i / 10, "hd95": 1.0 + i}
    return world


def score(
    world: World,
    study: Study,
    members: list[Member] | None = None,
    model: Any = MODEL,
    part: str = "test",
    number: int = 0,
) -> Scores:
    return evaluate.score(
        world, study, LAYOUT, model, members or world.members(), {"part": part}, number, world.sums
    )  # type: ignore[arg-type]


def test_where_hospitals_keep_their_metrics_means_come_from_one_sum(
    tmp_path: Path, study: Study
) -> None:
    world = make_world(tmp_path, study)
    scores = score(world, study)
    assert scores.means["dice"] == pytest.approx(0.65, abs=1e-8) and scores.means[
        "hd95"
    ] == pytest.approx(2.5, abs=1e-8)
    assert (scores.sites, scores.intervals, scores.images, scores.faults, scores.hospitals) == (
        {},
        {},
        {},
        {},
        4,
    )
    assert scores.to_json() == {"sites": {}, "mean": scores.means, "intervals": {}, "hospitals": 4}


def test_a_metric_is_the_mean_over_those_where_it_is_defined(tmp_path: Path, study: Study) -> None:
    world = make_world(tmp_path, study)
    world.hospitals["h01"].lanes |= {"defined hd95": 0, "hd95": 0.0}
    scores = score(world, study)
    assert scores.means["hd95"] == pytest.approx((2 + 3 + 4) / 3, abs=1e-8)


@pytest.mark.parametrize("defined", [0, 1, 2])
def test_a_metric_that_is_defined_at_too_few_is_no_mean(
    tmp_path: Path, study: Study, defined: int
) -> None:
    world = make_world(tmp_path, study)
    for name in world.names[defined:]:
        world.hospitals[name].lanes |= {"defined hd95": 0, "hd95": 0.0}
    scores = score(world, study)
    assert scores.means["hd95"] is None and scores.means["dice"] is not None


def test_who_may_tell_tells_besides(tmp_path: Path, study: Study) -> None:
    world = make_world(tmp_path, study)
    world.hospitals["h02"].clear = {
        "metrics": {"dice": 0.6},
        "images": 10,
        "compute": {"device": "cpu"},
    }
    world.hospitals["h03"].clear = {
        "compute": {"threads": 2, "note": say("compute.study").to_json()}
    }
    members = [replace(m, tells_metrics=m.site == "h02") for m in world.members()]
    scores = score(world, study, members)
    assert (
        scores.sites == {"h02": {"dice": 0.6}}
        and scores.images == {"h02": 10}
        and scores.compute == {"device": "cpu", "threads": 2, "note": say("compute.study").render()}
    )
    assert scores.computers == {"h02": {"device": "cpu"}, "h03": {"threads": 2}}
    assert scores.grouped_computers() == [
        {"device": "cpu", "sites": ["h02"]},
        {"threads": 2, "sites": ["h03"]},
    ]
    assert scores.mean()["dice"] == pytest.approx(0.65, abs=1e-8) and scores.hospitals == 4


def test_a_hospital_that_fails_is_named_and_the_mean_is_over_the_others(
    tmp_path: Path, study: Study
) -> None:
    world = make_world(tmp_path, study)
    world.hospitals["h04"].study = replace(
        study, federation=replace(study.federation, largest_change=1.0)
    )
    scores = score(world, study)
    assert scores.hospitals == 3 and scores.means["dice"] == pytest.approx(0.6, abs=1e-8)
    assert (
        list(scores.faults) == ["h04"] and "differs from the signed study's" in scores.faults["h04"]
    )


def test_too_few_are_no_scores_and_no_end_of_the_run(tmp_path: Path, study: Study) -> None:
    world = make_world(tmp_path, study, 3)
    world.trouble["vector", "h01"] = lambda hospital, question, reply: Reply(
        "h01", "evaluate", sentence=DISK
    )
    scores = score(world, study)
    assert (
        scores.mean() == {}
        and scores.hospitals == 0
        and set(scores.faults) == {"h01", "h02", "h03"}
    )
    assert f"h01: {NO_DISK}" in scores.faults["h02"]


def test_one_model_is_scored_once_on_a_part_and_again_where_the_model_moved(
    tmp_path: Path, study: Study
) -> None:
    world = make_world(tmp_path, study)
    assert score(world, study, part="validation", number=1).hospitals == 4
    repeated = score(world, study, part="validation", number=2)
    assert repeated.hospitals == 0 and "evaluate in round 1 was" not in str(repeated.faults)
    assert all(
        "A secure sum for evaluate in round 2 was opened before" in fault
        for fault in repeated.faults.values()
    )
    assert score(world, study, part="validation", number=3, model=MODEL * 2).hospitals == 4
    assert score(world, study, part="test").hospitals == 4


class Plain:
    """A transport with given answers."""

    def __init__(self, values: Mapping[int, Any]) -> None:
        self._values = values

    def ask(
        self, questions: Mapping[int, Question], deadline: float | None = None
    ) -> Iterator[tuple[int, Reply]]:
        for node in questions:
            yield node, Reply(f"h{node:02}", "evaluate", values=self._values[node])


GOOD = {
    "metrics": {"dice": 0.5},
    "images": 3,
    "intervals": {"dice": [0.4, 0.6]},
    "compute": {"device": "cpu"},
}


def plain(study: Study, values: Mapping[int, Any]) -> Scores:
    members = [Member(node, f"h{node:02}", {}) for node in values]
    transport: Any = Plain(values)
    return evaluate.score(transport, study, LAYOUT, MODEL, members, {"part": "test"})


def test_in_clear_every_hospital_is_told_apart(study: Study) -> None:
    scores = plain(study, {1: {**GOOD, "metrics": {"dice": None, "hd95": 2.0}}, 2: GOOD})
    assert (
        list(scores.sites) == ["h01", "h02"]
        and scores.mean() == {"dice": 0.5, "hd95": 2.0}
        and scores.hospitals == 2
    )


@pytest.mark.parametrize("metrics", [None, [], "x", {"dice": "high"}, {"dice": [1]}])
def test_metrics_that_are_no_table_are_a_fault(study: Study, metrics: object) -> None:
    scores = plain(study, {1: {**GOOD, "metrics": metrics}, 2: GOOD})
    assert scores.faults == {"h01": "The answer holds no table of metrics."} and list(
        scores.sites
    ) == ["h02"]


NONSENSE = [
    ("images", "many"),
    ("images", None),
    ("intervals", 3),
    ("intervals", "x"),
    ("compute", "x"),
    ("compute", 3),
    ("examples", 3),
]


@pytest.mark.parametrize(("key", "value"), NONSENSE)
def test_nonsense_beside_the_metrics_does_not_end_the_run(
    study: Study, key: str, value: object
) -> None:
    scores = plain(study, {1: {**GOOD, key: value}, 2: GOOD})
    assert scores.sites["h02"] == {"dice": 0.5}


@pytest.mark.parametrize("value", ["x", 3, [1]])
def test_nonsense_beside_a_masked_vector_does_not_end_the_run(
    tmp_path: Path, study: Study, value: object
) -> None:
    world = make_world(tmp_path, study)
    world.hospitals["h02"].clear = {"compute": value}
    assert score(world, study).hospitals == 4


def test_how_a_hospital_computes_is_told_in_a_sentence_of_the_table() -> None:
    gpu = say("compute.gpu")
    assert evaluate._computer({"device": "CPU", "note": gpu.to_json()}) == {
        "device": "CPU",
        "note": gpu.render(),
    }
    assert evaluate._computer({"note": "Smith, Anna"}) == {"note": say("message.unknown").render()}
    assert (
        evaluate._computer({"device": "CPU", "note": None}) == {"device": "CPU"}
        and evaluate._computer("Smith") == {}
    )
