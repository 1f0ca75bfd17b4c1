"""Each rule lets through what its name says and nothing that only looks like it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from client.site import Site
from client.worker.release_rules import COUNTS, METRICS, RULES, ReleaseContext, without_counts
from common.sentences.table import say
from tests.client.hostile import KINDS, MASKED, PLAIN, SECRET, signed_question, small_study

NOTE = say("training.parts", images=8, parts=2).to_json()


@pytest.fixture
def context(site: Site) -> ReleaseContext:
    study = small_study()
    return ReleaseContext(site, signed_question(study, "train"), study)


@pytest.mark.parametrize(
    ("kind", "name", "right", "wrong"),
    [
        ("join", "train", [0, 12, 1 << 40], [-1, True, 1.0, "3", None, (1 << 40) + 1]),
        ("join", "pooled", [True, False], [0, 1, "yes", None]),
        ("join", "reasons", [[], [{**NOTE, "images": 3}]], [[NOTE], [{"images": 3}], NOTE, [3]]),
        ("train", "loss", [0, 0.5, -1.5], [-1, math.nan, math.inf, True, "0.5"]),
        ("train", "notes", [[], [NOTE] * 50], [[NOTE] * 51, [SECRET], SECRET, [None]]),
        (
            "train",
            "counted",
            [{}, {"a.num_batches_tracked": 3}, {"model.1.N.num_batches_tracked": 0}],
            [{"a": 3}, {f"{SECRET}.num_batches_tracked": 3}, {"num_batches_tracked": 0.5}, []],
        ),
        ("train", "head", [None], [SECRET, {}, {"site": "south"}]),
        (
            "evaluate",
            "metrics",
            [{}, {"dice": 0.5}, {"dice": None}],
            [{SECRET: 0.5}, {"dice": "x"}, [0.5]],
        ),
        ("evaluate", "intervals", [{"dice": [0.1, 0.9]}], [{"dice": [0.1]}, {"dice": [None, 1]}]),
        (
            "evaluate",
            "compute",
            [{}, {"precision": "bf16", "threads": 2, "note": None, "channels_last": True}],
            [{"precision": SECRET}, {"device": SECRET}, {"host": "x"}, {"threads": -1}],
        ),
    ],
)
def test_a_rule_tells_right_from_wrong(
    context: ReleaseContext, kind: str, name: str, right: list[Any], wrong: list[Any]
) -> None:
    rule, _ = RULES[kind][name]
    assert [value for value in right if not rule(context, value)] == []
    assert [value for value in wrong if rule(context, value)] == []


def test_every_question_has_its_table_and_every_switch_is_the_policy_s() -> None:
    assert set(RULES) == set(KINDS)
    switches = {switch for table in RULES.values() for _, switch in table.values()}
    assert switches == {COUNTS, METRICS, ""}


@pytest.mark.parametrize("masked", [MASKED, PLAIN])
def test_a_context_knows_whether_updates_are_masked(site: Site, masked: bool) -> None:
    study = small_study(masked)
    assert ReleaseContext(site, signed_question(study, "join"), study).secure is masked


def test_pictures_need_a_folder_of_phantoms(
    context: ReleaseContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rule, switch = RULES["evaluate"]["examples"]
    pictures = [{"caption": "phantom 1", "image": "data:image/png;base64,AAAA"}]
    assert switch == METRICS and not rule(context, pictures)
    monkeypatch.setattr(Site, "synthetic", property(lambda _: True))
    assert rule(context, pictures) and not rule(context, [{"caption": 3}])


def test_without_counts_neither_sentences_nor_digits_tell_one() -> None:
    values = {
        "notes": [NOTE],
        "metrics": {"accuracy": 58 / 71, "auc": None, "dice": 1.0},
        "intervals": {"accuracy": [0.71234, 0.91234]},
        "compute": {"note": NOTE, "threads": 2, "channels_last": True},
    }
    short = say("training.parts", images=8, parts=2).without_counts().to_json()
    assert without_counts(values) == {
        "notes": [short],
        "metrics": {"accuracy": 0.817, "auc": None, "dice": 1.0},
        "intervals": {"accuracy": [0.712, 0.912]},
        "compute": {"note": short, "threads": 2, "channels_last": True},
    }
    assert short["arguments"] == {}
