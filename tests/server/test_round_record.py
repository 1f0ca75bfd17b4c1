"""What a round leaves behind: who is in it, who is not, and what the server may know."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from common.sentences.table import say
from common.update import Update
from server.aggregation.secure_sums import Sum
from server.round_record import RoundNotes
from tests.benchmarks import null

FULL = say("training.parts", images=8, parts=2)


@pytest.fixture
def progress() -> list[tuple[int, str, int, int]]:
    return []


@pytest.fixture
def notes(progress: list[tuple[int, str, int, int]]) -> RoundNotes:
    return RoundNotes(3, null.members(4), lambda *arguments: progress.append(cast(Any, arguments)))


def update(weight: float, loss: float) -> Update:
    return Update(np.zeros(1, np.float32), weight, loss, 1, 2.0)


def test_the_mean_loss_is_weighted_and_names_come_sorted(notes: RoundNotes) -> None:
    notes.accept("site2", update(30, 1.0), [FULL.to_json()])
    notes.accept("site1", update(10, 3.0), None)
    notes.refuse("site3", "No.")
    record = notes.record(9.0, {"up": 1, "down": 2})
    assert (record.round, record.accepted, record.mean_loss) == (3, ("site1", "site2"), 1.5)
    assert list(record.loss) == list(record.weights) == ["site1", "site2"]
    assert record.refused == ({"site": "site3", "reason": "No."},)
    assert record.notes == {"site2": FULL.render()}
    assert (record.seconds, record.training_seconds) == (9.0, 4.0)
    assert record.bytes == {"up": 1, "down": 2}


def test_the_watch_hears_of_every_answer(
    notes: RoundNotes, progress: list[tuple[int, str, int, int]]
) -> None:
    notes.accept("site1", update(1, 1.0), None)
    notes.refuse("site2", "No.")
    assert progress == [(3, "site1", 1, 4), (3, "site2", 2, 4)]


@pytest.mark.parametrize("head", [None, 3, {}, {"site": "site1"}])
def test_what_is_no_head_is_not_kept(notes: RoundNotes, head: object) -> None:
    notes.head("site1", head)
    assert notes.record(1.0, {}).heads == {}


def opened(**change: Any) -> Sum:
    fields: dict[str, Any] = {
        "vectors": None,
        "lanes": {"seconds": 6.0, "loss": 0.25},
        "cohort": 4,
        "survivors": ("site1", "site2"),
        "dropped": {"site4": "No answer.", "site3": "Full."},
        "late": {"site1": "x" * 900},
        "values": {},
        "attempts": 2,
        "exchanges": 7,
    }
    return Sum(**{**fields, **change})


def test_a_sum_says_who_is_in_it_and_the_mean_loss(notes: RoundNotes) -> None:
    notes.take_sum(opened(), 2.0)
    record = notes.record(1.0, {})
    assert (record.accepted, record.mean_loss, record.loss) == (("site1", "site2"), 0.5, {})
    assert [entry["site"] for entry in record.refused] == ["site3", "site4"]
    assert record.secure == {
        "cohort": 4,
        "survivors": 2,
        "dropped": ["site3", "site4"],
        "attempts": 2,
        "exchanges": 7,
    }
    assert len(record.notes["site1"]) == 500


def test_own_numbers_are_kept_of_survivors_and_where_they_are_finite(notes: RoundNotes) -> None:
    values = {
        "site1": {"loss": 0.5, "weight": float("nan")},
        "site2": {"loss": "low", "weight": 7},
        "site3": {"loss": 0.1, "weight": 9},
    }
    notes.take_sum(opened(values=values), 1.0)
    record = notes.record(1.0, {})
    assert (record.loss, record.weights) == ({"site1": 0.5}, {"site2": 7.0})
