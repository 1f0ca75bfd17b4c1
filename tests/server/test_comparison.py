"""Comparisons that cannot be made are refused before anything is trained."""

from __future__ import annotations

from typing import Any, cast

import pytest

from common.errors import ArgumentError
from server import comparison
from server.participants import Member, Participants
from server.session import RunRequest, Session
from tests.benchmarks import null

COUNTS = null.members(1)[0].counts


class Half:
    """A session that has no more than its request and its hospitals."""

    def __init__(self, compare: tuple[str, ...], *members: Member) -> None:
        self.request = RunRequest("study.toml", "run", compare=compare)
        self.roster = Participants(members, {})


def compare(kinds: tuple[str, ...], *members: Member) -> None:
    session: Any = Half(kinds, *members)
    comparison.compare(cast(Session, session))


@pytest.mark.parametrize("kind", ["local", "pooled"])
def test_every_hospital_must_share_its_counts_and_metrics(kind: str) -> None:
    members = (
        Member(1, "north", COUNTS),
        Member(2, "valley", {}),
        Member(3, "harbour", COUNTS, tells_metrics=False),
    )
    with pytest.raises(ArgumentError, match=r"the policy of valley, harbour keeps them\."):
        compare((kind,), *members)


def test_pooling_needs_everybody_s_images_on_one_machine() -> None:
    with pytest.raises(ArgumentError, match="it works in simulation only"):
        compare(("pooled",), Member(1, "north", COUNTS))


def test_without_a_comparison_nothing_is_asked_of_hospitals() -> None:
    compare((), Member(1, "north", {}))
