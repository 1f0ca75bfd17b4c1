"""How many cores a process may use, and what keeps Flower to itself."""

from __future__ import annotations

import os

import pytest

from common import environment


def test_the_affinity_counts_not_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5, 9}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert environment.usable() == 3


@pytest.mark.parametrize(("count", "usable"), [(8, 8), (None, 1)])
def test_where_there_is_no_affinity_the_machine_counts(
    monkeypatch: pytest.MonkeyPatch, count: int | None, usable: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert environment.usable() == usable


def test_flower_is_told_to_call_nobody() -> None:
    assert environment.FLOWER["FLWR_TELEMETRY_ENABLED"] == "0"
    assert environment.FLOWER["FLWR_DISABLE_UPDATE_CHECK"] == "1"
