"""Sentences on a hospital's own rules and processes: their subjects, hours and numbers."""

from __future__ import annotations

from common.sentences._hospital import HOSPITAL
from common.sentences.table import say


def test_the_codes_are_of_these_subjects() -> None:
    subjects = {"approval", "compute", "coordinator", "failure", "outbox", "policy"}
    subjects |= {"record", "site", "training", "wall", "worker"}
    assert {code.split(".")[0] for code in HOSPITAL} == subjects


def test_hours_are_shown_as_the_policy_spells_them() -> None:
    assert say("policy.hours", hours=["20:00-06:30", "12:00-13:00"]).render() == (
        "This hospital's policy (hours) answers at 20:00-06:30, 12:00-13:00 by its own clock;"
        " ask again then."
    )


def test_an_error_that_nobody_foresaw_is_told_by_a_listed_kind() -> None:
    sentence = say("failure.unexpected", kind="SmithAnnaError")
    assert "Smith" not in sentence.render()
