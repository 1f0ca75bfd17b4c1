"""The sections of a study file: every default could have been written by hand."""

from __future__ import annotations

import dataclasses
import tomllib
from typing import Any

import pytest

from common.errors import StudyError
from common.study import config, toml
from common.study.sections import SECTIONS, Named, Training

sections = pytest.mark.parametrize("name", SECTIONS)
BOUNDED = [
    (name, field.name, side)
    for name, cls in SECTIONS.items()
    for field in dataclasses.fields(cls)
    for side in ("low", "high")
    if field.metadata[side] is not None
]


def load(name: str, table: dict[str, Any]) -> Any:
    return config.load(SECTIONS[name], table, name)


def field(name: str, place: str) -> dataclasses.Field[Any]:
    return next(f for f in dataclasses.fields(SECTIONS[name]) if f.name == place)


@sections
def test_every_default_is_allowed_and_survives_the_file(name: str) -> None:
    """Limits are checked for what is read only: a default beyond its own would go unnoticed."""
    defaults = SECTIONS[name]()
    table = tomllib.loads(toml.dumps(config.to_table(defaults)))
    assert load(name, table) == load(name, {}) == defaults


@pytest.mark.parametrize(("name", "place", "side"), BOUNDED)
def test_a_limit_is_allowed_and_what_lies_beyond_is_not(name: str, place: str, side: str) -> None:
    kind = type(field(name, place).default)
    edge = kind(field(name, place).metadata[side])
    assert getattr(load(name, {place: edge}), place) == edge
    step = kind(1) if kind is int else max(abs(edge), 1.0) * 1e-3
    beyond = edge - step if side == "low" else edge + step
    with pytest.raises(StudyError, match=f"{name}.{place} is .*; allowed: "):
        load(name, {place: beyond})


@sections
def test_limits_and_choices_exclude_each_other(name: str) -> None:
    for one in dataclasses.fields(SECTIONS[name]):
        low, high, choices = (one.metadata[key] for key in ("low", "high", "choices"))
        assert choices is None or (low is None and high is None)
        assert choices is None or one.default in choices


def test_a_plug_in_stands_in_the_file_beside_its_settings() -> None:
    named = Named("adam", Training(batch_size=3))
    assert named.to_table("step")["step"] == "adam"
    assert named.to_table()["name"] == "adam" and named.to_table()["batch_size"] == 3
