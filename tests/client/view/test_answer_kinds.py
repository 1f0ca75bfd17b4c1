"""What left is told in words for people."""

from __future__ import annotations

from typing import Any

import pytest

from client.view.answer_kinds import kinds


@pytest.mark.parametrize(
    ("question", "left", "words"),
    [
        (
            "train",
            ["head", "notes", "vector", "Masked"],
            ["weight changes, masked", "notes", "signed head of the journal"],
        ),
        ("train", ["notes", "vector"], ["weight changes in clear", "notes"]),
        (
            "train",
            ["loss", "weight", "vector"],
            ["weight changes in clear", "counts in clear", "scores in clear"],
        ),
        ("tally", ["vector", "Masked"], ["counts, masked"]),
        ("evaluate", ["vector", "Masked", "compute"], ["scores, masked", "readiness"]),
        ("evaluate", ["metrics", "examples"], ["scores in clear", "pictures of phantoms"]),
        ("join", ["counts", "metrics", "pooled", "trains"], ["readiness"]),
        ("join", ["patients", "trains", "metrics"], ["counts in clear", "readiness"]),
        ("agree", ["Advert", "Parcel"], ["keys for masks"]),
        ("agree", None, []),
        ("later", ["genome"], ["other: genome"]),
    ],
)
def test_kinds_of_what_left(question: str, left: Any, words: list[str]) -> None:
    assert kinds(question, left, refused=False) == words
    assert kinds(question, left, refused=True) == ["refusals"]
