"""Rounds over an in-process grid: drawing, weights, order, deadline."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from common.errors import RoundError
from common.protocol.envelopes import Question, Reply
from common.sentences.table import say
from common.simulation.inline import InlineGrid
from server import rounds
from server.participants import Member
from server.round_record import RoundRecord
from server.rounds import Federation
from server.transport import Transport
from tests.benchmarks import null
from tests.server.parties import DISK, NO_DISK, World

WATCH = lambda number, site, done, of: None  # noqa: E731

FULL = say("training.parts", images=8, parts=2)


def _federation(sites: int = 4, number: int = 3, **settings: Any) -> Federation:
    study = null.study(number)
    federation = dataclasses.replace(study.federation, **settings)
    study = dataclasses.replace(study, federation=federation)
    return Federation(study, null.layout(1000), np.zeros(1000, np.float32), null.members(sites))


def test_every_round_adds_the_constant() -> None:
    federation = _federation()
    records = list(rounds.run(federation, Transport(InlineGrid(null.client(), 4)), WATCH))
    assert np.allclose(federation.model, 3e-3) and [r.round for r in records] == [1, 2, 3]
    assert (
        records[0].accepted == ("site1", "site2", "site3", "site4")
        and records[0].bytes["up"] > 4 * 4000
    )


def test_a_share_of_the_hospitals_is_drawn_by_the_seed() -> None:
    federation = _federation(10, fraction=0.3)
    drawn = [
        [m.site for m in rounds.draw(federation.study, federation.members, r)] for r in range(1, 30)
    ]
    assert all(len(d) == 3 for d in drawn) and len({tuple(d) for d in drawn}) > 10
    assert drawn[4] == [m.site for m in rounds.draw(federation.study, federation.members, 5)]
    assert {site for d in drawn for site in d} == {m.site for m in federation.members}


class _Reversed(InlineGrid):
    """Answers arrive in the opposite order, and each only at the second time of asking."""

    def __init__(self, nodes: int) -> None:
        super().__init__(null.client(), nodes)
        self._asked_before: set[str] = set()

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        for identifier in message_ids:
            if identifier in self._asked_before or int(identifier) % 2:
                yield from super().pull_messages([identifier])
            self._asked_before.add(identifier)


def test_the_order_of_arrival_does_not_change_a_bit() -> None:
    models = []
    for grid in (InlineGrid(null.client(), 4), _Reversed(4)):
        federation = _federation()
        list(rounds.run(federation, Transport(grid), WATCH))
        models.append(federation.model.tobytes())
    assert models[0] == models[1]


class _Silent(InlineGrid):
    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return super().pull_messages([i for i in message_ids if i != "1"])


def test_a_silent_hospital_misses_the_deadline_and_nobody_else_does() -> None:
    transport = Transport(_Silent(null.client(), 3))
    federation = _federation(3)
    question = rounds.training_question(federation, 1)
    answers = dict(transport.ask(dict.fromkeys([1, 2, 3], question), deadline=0.2))
    assert "deadline" in answers[1].fault and not answers[2].fault and not answers[3].fault


def test_weights_follow_the_study() -> None:
    counts = {
        "train": 30,
        "train_patients": 12,
        "validation": 0,
        "test": 0,
        "patients": 15,
        "left_out": 0,
    }
    member = Member(1, "north", counts)
    assert [member.weight(rule) for rule in ("patients", "images", "equal")] == [12.0, 30.0, 1.0]


def test_a_step_that_is_not_finite_is_refused_and_the_model_stays() -> None:
    federation = _federation()
    with pytest.raises(RoundError, match="not finite"):
        rounds.advance(federation, np.full(1000, np.inf, np.float32))
    assert federation.rounds_done == 0 and not federation.model.any()


def test_a_question_carries_the_model_and_the_study() -> None:
    question: Question = rounds.training_question(_federation(), 2)
    assert question.round == 2 and question.model is not None and question.study["name"] == "null"


def masked(tmp_path: Path, sites: int = 4, **settings: Any) -> tuple[World, Federation]:
    """A federation whose updates are summed under masks."""
    world = World(tmp_path, sites)
    study = dataclasses.replace(
        world.study, federation=dataclasses.replace(world.study.federation, **settings)
    )
    world.study = study
    for hospital in world.hospitals.values():
        hospital.study = study
    layout = null.layout(world.size, tensors=1)
    federation = Federation(
        study,
        layout,
        np.zeros(world.size, np.float32),
        world.members(),
        sums=world.sums,
        total=world.total,
    )
    return world, federation


def go(world: World, federation: Federation) -> RoundRecord:
    return rounds.one_round(federation, world, WATCH)  # type: ignore[arg-type]


def changes(world: World, *without: str) -> np.ndarray:
    hospitals = [h for h in world.hospitals.values() if h.name not in without]
    mean: np.ndarray = np.average(
        [h.change for h in hospitals], axis=0, weights=[h.weight for h in hospitals]
    )
    return mean


def test_a_round_under_masks_moves_the_model_by_the_weighted_mean(tmp_path: Path) -> None:
    world, federation = masked(tmp_path)
    first, second = go(world, federation), go(world, federation)
    assert (
        np.allclose(federation.model, 2 * changes(world), atol=1e-6) and federation.rounds_done == 2
    )
    assert first.secure == {
        "cohort": 4,
        "survivors": 4,
        "dropped": [],
        "attempts": 1,
        "exchanges": 5,
    }
    assert second.secure is not None and second.secure["exchanges"] == 3
    assert (first.accepted, first.refused, first.loss, first.weights, first.void) == (
        world.names,
        (),
        {},
        {},
        "",
    )
    losses = [h.weight / 100 for h in world.hospitals.values()]
    assert first.mean_loss == pytest.approx(
        np.average(losses, weights=[h.weight for h in world.hospitals.values()]), abs=1e-6
    )
    assert first.training_seconds == pytest.approx(4)


def test_a_hospital_that_fails_is_refused_with_its_reason_and_the_mean_is_over_the_others(
    tmp_path: Path,
) -> None:
    world, federation = masked(tmp_path)
    world.trouble["vector", "h02"] = lambda hospital, question, reply: Reply(
        "h02", "train", sentence=DISK
    )
    record = go(world, federation)
    assert np.allclose(federation.model, changes(world, "h02"), atol=1e-6)
    assert record.refused == ({"site": "h02", "reason": NO_DISK},) and record.accepted == (
        "h01",
        "h03",
        "h04",
    )
    assert record.secure is not None and (record.secure["dropped"], record.secure["survivors"]) == (
        ["h02"],
        3,
    )
    losses = [world.hospitals[n].weight / 100 for n in record.accepted]
    assert record.mean_loss == pytest.approx(
        np.average(losses, weights=[world.hospitals[n].weight for n in record.accepted]), abs=1e-6
    )


def test_what_a_hospital_may_tell_is_kept_where_it_is_a_number(tmp_path: Path) -> None:
    world, federation = masked(tmp_path)
    for name, clear in zip(
        world.names,
        (
            {"loss": 0.5, "weight": 7},
            {"loss": "low"},
            {"loss": True, "notes": [FULL.to_json(), "Smith, Anna"]},
            {},
        ),
        strict=True,
    ):
        world.hospitals[name].clear = clear
    record = go(world, federation)
    assert (record.loss, record.weights, record.notes) == (
        {"h01": 0.5},
        {"h01": 7.0},
        {"h03": f"{FULL.render()} {say('message.unknown').render()}"},
    )


def test_a_void_round_leaves_the_model_and_the_next_one_goes_on(tmp_path: Path) -> None:
    world, federation = masked(tmp_path)
    for name in ("h01", "h02"):
        world.trouble["reveal", name] = lambda hospital, question, reply: Reply(
            hospital.name, "agree", sentence=DISK
        )
    record = go(world, federation)
    assert (
        record.void.startswith("The sum cannot be opened: 2 hospitals revealed")
        and record.accepted == ()
        and record.mean_loss is None
    )
    assert record.secure is None and not federation.model.any() and federation.rounds_done == 1
    world.trouble = {}
    assert go(world, federation).void == "" and np.allclose(
        federation.model, changes(world), atol=1e-6
    )


@pytest.mark.parametrize("weight", [0, 900, 1 << 50])
def test_weights_that_cannot_be_make_a_round_void(tmp_path: Path, weight: int) -> None:
    world, federation = masked(tmp_path)
    for hospital in world.hospitals.values():
        hospital.lanes = {"weight": weight}
    record = go(world, federation)
    assert record.void == (
        f"The hospitals' weights add up to {4 * weight:g}; "
        "above 0 and at most the tally's 1000 is possible."
    )
    assert not federation.model.any()


def test_too_few_hospitals_under_masks_end_the_run_with_their_reasons(tmp_path: Path) -> None:
    world, federation = masked(tmp_path, 3)
    world.trouble["vector", "h02"] = lambda hospital, question, reply: Reply(
        "h02", "train", sentence=DISK
    )
    with pytest.raises(
        RoundError, match=r"Too few hospitals for a secure sum.*h02: " + re.escape(NO_DISK)
    ):
        go(world, federation)
    assert federation.rounds_done == 0 and not federation.model.any()


@pytest.mark.parametrize("stage", ["confirm", "reveal"])
def test_nobody_is_accepted_and_refused_in_one_round(tmp_path: Path, stage: str) -> None:
    world, federation = masked(tmp_path, 5)
    world.trouble[stage, "h02"] = lambda hospital, question, reply: Reply(
        "h02", "agree", sentence=DISK
    )
    record = go(world, federation)
    assert not set(record.accepted) & {r["site"] for r in record.refused}


def test_a_share_of_the_hospitals_is_summed_under_masks(tmp_path: Path) -> None:
    world, federation = masked(tmp_path, 6, fraction=0.5, min_sites=3)
    drawn = set()
    for _ in range(5):
        before = federation.model.copy()
        record = go(world, federation)
        assert (
            len(record.accepted) == 3
            and record.refused == ()
            and record.secure is not None
            and record.secure["attempts"] == 1
        )
        assert np.allclose(
            federation.model - before,
            changes(world, *(set(world.names) - set(record.accepted))),
            atol=1e-6,
        )
        drawn.add(record.accepted)
    assert len(drawn) > 1


def test_the_watch_is_told_of_every_hospital(tmp_path: Path) -> None:
    world, federation = masked(tmp_path)
    calls: list[tuple[int, str, int, int]] = []
    watch: Callable[..., None] = lambda *progress: calls.append(progress)  # noqa: E731
    rounds.one_round(federation, world, watch)  # type: ignore[arg-type]
    assert calls == [(1, name, i, 4) for i, name in enumerate(world.names, 1)]
