"""A hospital's own rules.

Strict where nothing is said, one sentence where a study breaks one, stopped where the file is not
clear.
"""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from client.policy import policy
from client.policy.policy import OPEN, Policy
from common.errors import InputError, SiteError
from common.study.sections import SecureAggregation
from common.study.study import Study
from tests.benchmarks import null

SECURE = replace(null.study(20), secure_aggregation=SecureAggregation(enabled=True))


def federated(study: Study, **change: object) -> Study:
    return replace(study, federation=replace(study.federation, **change))  # type: ignore[arg-type]


def test_what_is_not_said_is_strict() -> None:
    silent = Policy()
    assert (silent.plain_updates, silent.share_counts, silent.share_metrics, silent.min_cohort) == (
        False,
        False,
        False,
        3,
    )
    silent.check(SECURE)


def test_the_written_file_explains_every_field_and_reads_back(tmp_path: Path) -> None:
    own = Policy(
        plain_updates=True, min_cohort=5, colluders=2, largest_norm=1.5, layouts=("a" * 64,)
    )
    path = tmp_path / "policy.toml"
    path.write_text(own.to_toml())
    assert policy.read(path) == own
    text = Policy().to_toml()
    assert set(tomllib.loads(text)) == {field.name for field in fields(Policy)}
    assert text.count("#") >= len(fields(Policy))


def test_an_empty_file_is_the_strict_policy(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("")
    assert policy.read(tmp_path / "policy.toml") == Policy()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("share_count = true", "share_count"),
        ("plain_updates = 1", "plain_updates"),
        ('plain_updates = "yes"', "plain_updates"),
        ("min_cohort = 2", "min_cohort"),
        ("min_cohort = 3.5", "min_cohort"),
        ("max_rounds = 0", "max_rounds"),
        ("largest_norm = -1.0", "largest_norm"),
        ("largest_norm = nan", "largest_norm"),
        ("largest_change = 0.0", "largest_change"),
        ("largest_change = 1e9", "largest_change"),
        ("colluders = -2", "colluders"),
        ("layouts = 3", "layouts"),
        ("layouts = [3]", "layouts"),
        ("plain_updates =", "TOML"),
        ("min_cohort = 3\nmin_cohort = 4", "TOML"),
    ],
)
def test_a_file_that_is_not_clear_stops_the_hospital(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        policy.read(tmp_path / "policy.toml")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"\0"])
def test_a_file_that_cannot_be_read_stops_the_hospital(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "policy.toml").write_bytes(content)
    with pytest.raises(InputError):
        policy.read(tmp_path / "policy.toml")


@pytest.mark.parametrize(
    ("own", "study", "words"),
    [
        (
            Policy(),
            null.study(20),
            (
                r"secure_aggregation.enabled = false; "
                r"this hospital's policy \(plain_updates\) allows masked updates only"
            ),
        ),
        (
            Policy(max_rounds=19),
            SECURE,
            r"has 20 rounds; this hospital's policy \(max_rounds\) allows 19",
        ),
        (
            Policy(largest_change=1.0),
            SECURE,
            "largest_change is 32; this hospital's policy allows 1",
        ),
        (Policy(plain_updates=True, max_rounds=5), null.study(6), "max_rounds"),
    ],
)
def test_a_study_that_breaks_a_rule_is_refused_in_one_sentence(
    own: Policy, study: Study, words: str
) -> None:
    with pytest.raises(SiteError, match=words):
        own.check(study)


def test_layouts_are_those_listed_or_that_of_the_study() -> None:
    own = Policy(layouts=("a" * 64, "b" * 64))
    own.check(SECURE)
    own.check(SECURE, "b" * 64)
    Policy().check(SECURE, "c" * 64)
    with pytest.raises(
        SiteError, match=r"layout is not among those that this hospital's policy \(layouts\) allows"
    ):
        own.check(SECURE, "c" * 64)


def test_limits_are_allowed_up_to_themselves() -> None:
    Policy(max_rounds=20, largest_change=32.0).check(SECURE)


def test_in_a_simulation_everything_is_allowed() -> None:
    for study in (null.study(100_000), federated(SECURE, largest_change=1024.0)):
        OPEN.check(study, "a" * 64)


@pytest.mark.parametrize(
    "text",
    [
        'hours = ["8:00-18:00"]',
        'hours = ["08:00"]',
        'hours = ["08:00-18:00 "]',
        'hours = ["24:00-06:00"]',
        'hours = ["08:00-24:01"]',
        'hours = ["08:60-18:00"]',
        'hours = ["08:00-18:00", ""]',
        'hours = "08:00-18:00"',
        "hours = [8]",
        "floor = -1",
        "floor = 2.5",
        "min_noise = -0.1",
        "min_noise = inf",
        "rounds_per_day = -1",
        "megabytes_per_day = nan",
        'approval = "no"',
        "training = 0",
        'studies = "lungs"',
        "metrics = [1]",
        "coordinators = [123456]",
    ],
)
def test_a_rule_that_is_not_clear_stops_the_hospital(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(InputError, match=text.split(" ", maxsplit=1)[0]):
        policy.read(tmp_path / "policy.toml")


def test_what_is_not_said_asks_a_person_and_tells_nothing_of_few_patients() -> None:
    silent = Policy()
    assert (silent.approval, silent.floor, silent.training, silent.min_noise) == (
        True,
        10,
        True,
        0.0,
    )
    assert (
        silent.studies
        == silent.tasks
        == silent.models
        == silent.metrics
        == silent.coordinators
        == silent.hours
        == ()
    )


def test_the_day_s_limits_of_a_simulation_are_out_of_reach() -> None:
    assert (
        OPEN.approval is False
        and OPEN.floor == 0
        and OPEN.rounds_per_day >= 1_000_000
        and OPEN.megabytes_per_day >= 1e9
    )
