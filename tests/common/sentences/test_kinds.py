"""Types of arguments: each takes what is of its form, and nothing that could identify anybody."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.sentences import kinds
from common.sentences.kinds import LARGEST_WHOLE, Kind
from common.sentences.table import Sentence, say


@given(st.integers())
def test_a_whole_number_has_six_digits_at_most(number: int) -> None:
    value = dict(say("sum.number", number=number).arguments)["number"]
    assert value == min(max(number, 0), LARGEST_WHOLE)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_number_is_finite_and_coarse(number: float) -> None:
    value = dict(say("policy.min_noise", asked=number).arguments)["asked"]
    assert isinstance(value, float) and math.isfinite(value) and value == float(f"{value:.3g}")


@pytest.mark.parametrize("value", [True, 1.0, -1, LARGEST_WHOLE + 1, "3", None, [3], math.nan])
def test_a_whole_number_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Sentence.from_json({"code": "sum.number", "arguments": {"number": value}})


@pytest.mark.parametrize("value", [True, 1, 0.12345, math.inf, 1e12, "3"])
def test_a_number_of_another_form_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        Sentence.from_json({"code": "policy.min_noise", "arguments": {"asked": value}})


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.WORD, "Anna\nSmith"),
        (kinds.WORD, ""),
        (kinds.WORD, "x" * 201),
        (kinds.SETTING, "data.Smith"),
        (kinds.SETTING, "a.b.c.d.e"),
        (kinds.HOSPITAL, "north/../south"),
        (kinds.SPANS, ("25:00-06:00",)),
        (kinds.SPANS, ["20:00-06:00"]),
        (kinds.WORDS, ("x",) * 65),
        (kinds.literal("a", "b"), "c"),
        (kinds.reason({}), "mask.size"),
    ],
)
def test_what_is_of_another_form_does_not_fit(kind: Kind, value: object) -> None:
    assert not kind.fits(value)


def test_what_is_on_no_list_becomes_the_general_word() -> None:
    kind = kinds.literal("labels.csv", other="A table")
    assert kind.converted("labels.csv") == "labels.csv"
    assert kind.converted("/data/smith.csv") == "A table"
    assert kind.fits("A table") and not kind.fits("/data/smith.csv")


def test_of_many_values_the_first_are_kept() -> None:
    converted = kinds.WORDS.converted([f"class {i}" for i in range(100)])
    assert isinstance(converted, tuple) and len(converted) == 64
    assert kinds.WORDS.fits(converted)
    assert kinds.WORDS.show(()) == "none"


def test_a_row_knows_which_of_its_arguments_are_counts() -> None:
    entry = kinds.row("{n} of {m}", "some", n=kinds.COUNT, m=kinds.WHOLE)
    assert entry.counts == {"n"}
    reason = kinds.reason({"x.y": entry})
    assert reason.show("x.y") == "some"
