"""Settings classes: what a TOML table may hold, and the sentence for what it may not."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

import pytest

from common.errors import StudyError
from common.study import config, toml
from common.study.config import setting


@dataclass(frozen=True)
class Options:
    """Every kind of field."""

    classes: tuple[str, ...] = setting(doc="names of the classes")
    rate: float = setting(0.5, doc="a rate", low=0.0, high=1.0)
    steps: int = setting(3, doc="number of steps", low=1)
    deepest: int = setting(-1, doc="a whole number below zero", high=-1)
    fast: bool = setting(False, doc="whether to hurry")
    kind: str = setting("a", doc="which kind", choices=("alpha", "beta", "a"))
    window: tuple[float, ...] | None = setting(None, doc="a range, if fixed")
    size: tuple[int, ...] = setting((64, 64), doc="pixels", low=1, high=512)


def load(text: str) -> Options:
    return config.load(Options, tomllib.loads(text), "task")


def test_defaults_and_given_values() -> None:
    options = load('classes = ["x", "y"]\nrate = 1\nwindow = [0, 2.5]')
    assert options == Options(("x", "y"), 1.0, 3, -1, False, "a", (0.0, 2.5), (64, 64))
    assert isinstance(options.rate, float)
    assert options.window is not None
    assert all(isinstance(v, float) for v in options.window)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "task.classes is missing; give a list, each a text in quotes: names of the classes."),
        ('classes = "x"', 'task.classes is "x"; give a list, each a text in quotes.'),
        ("classes = [1]", "task.classes[0] is 1; give a text in quotes."),
        (
            "classes = []\nrat = 1",
            "task.rat is not a setting (did you mean 'rate'?); allowed here: ",
        ),
        ("classes = []\nrate = 1.5", "task.rate is 1.5; allowed: 0 to 1."),
        (
            f"classes = []\nrate = {10**400}",
            f"task.rate is {'1' + '0' * 115} ...; give a number of",
        ),
        (
            f"classes = []\nsteps = {-(10**400)}",
            f"task.steps is -{'1' + '0' * 114} ...; allowed: 1",
        ),
        ("classes = []\nrate = nan", "task.rate is nan; give a finite number."),
        ("classes = []\nrate = inf", "task.rate is inf; give a finite number."),
        ('classes = []\nrate = "1"', 'task.rate is "1"; give a number.'),
        ("classes = []\nrate = true", "task.rate is true; give a number."),
        ("classes = []\nsteps = 0", "task.steps is 0; allowed: 1 or more."),
        ("classes = []\nsteps = 1.0", "task.steps is 1.0; give a whole number."),
        ("classes = []\nsteps = true", "task.steps is true; give a whole number."),
        ("classes = []\ndeepest = 0", "task.deepest is 0; allowed: -1 or less."),
        ("classes = []\nfast = 1", "task.fast is 1; give true or false."),
        (
            'classes = []\nkind = "alhpa"',
            'task.kind is "alhpa" (did you mean "alpha"?); allowed: "alpha", "beta", "a".',
        ),
        ("classes = []\nwindow = 3", "task.window is 3; give a list, each a number."),
        ("classes = []\nsize = [64, 0]", "task.size is 0; allowed: 1 to 512."),
        ("classes = []\nsize = [64.5]", "task.size[0] is 64.5; give a whole number."),
        ("classes = []\n[size]\nx = 1", "task.size is {x = 1}; give a list, each a whole number."),
    ],
)
def test_a_wrong_table_is_refused_with_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(StudyError) as caught:
        load(text)
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).endswith(".")


def test_describe_lists_every_field_in_order() -> None:
    rows = list(config.describe(Options, "task"))
    assert rows[0] == (
        "task.classes",
        "required",
        "a list, each a text in quotes",
        "names of the classes",
    )
    assert rows[1] == ("task.rate", "0.5", "a number, 0 to 1", "a rate")
    assert [row[1] for row in rows] == [
        "required",
        "0.5",
        "3",
        "-1",
        "false",
        '"a"',
        "none",
        "[64, 64]",
    ]
    assert [row[2] for row in rows][2:6] == [
        "a whole number, 1 or more",
        "a whole number, -1 or less",
        "true or false",
        "alpha | beta | a",
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"classes": ["x"]},
        {"classes": ["x", 'y"\\'], "window": [0.5, 1e9], "fast": True, "rate": 1e-7},
    ],
)
def test_to_table_is_undone_by_load(given: dict[str, Any]) -> None:
    options = config.load(Options, given, "task")
    text = toml.dumps(config.to_table(options))
    assert load(text) == options
    assert ("window" in text) is ("window" in given)
