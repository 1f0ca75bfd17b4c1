"""What an optimiser remembers is kept per hospital, wherever it lies, and is private."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from client.training import optimizer_state
from client.training.optimizer_state import OptimizerStore
from client.virtual_site import VirtualSite

KEPT = {"0.exp_avg": torch.arange(6.0).reshape(2, 3), "0.step": torch.tensor(4.0)}


@pytest.fixture(autouse=True)
def _nothing_in_memory() -> Iterator[None]:
    optimizer_state.forget()
    yield
    optimizer_state.forget()


def drawer(folder: Path, resident: bool, study: str = "a" * 64) -> OptimizerStore:
    return OptimizerStore(VirtualSite("north", (), folder, resident=resident), study)


@pytest.mark.parametrize("resident", [True, False])
def test_what_was_put_is_taken(tmp_path: Path, resident: bool) -> None:
    drawer(tmp_path, resident).put(KEPT)
    taken = drawer(tmp_path, resident).take()
    assert set(taken) == set(KEPT) and all(torch.equal(taken[key], KEPT[key]) for key in KEPT)
    assert any(tmp_path.glob("moments-*")) is not resident


def test_nothing_was_put(tmp_path: Path) -> None:
    assert drawer(tmp_path, False).take() == {}


def test_a_full_memory_goes_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer_state, "MEMORY", 30)
    drawer(tmp_path / "a", True).put(KEPT)
    drawer(tmp_path / "b", True).put(KEPT)
    assert not list(tmp_path.glob("a/moments-*")) and len(list(tmp_path.glob("b/moments-*"))) == 1
    drawer(tmp_path / "a", True).clear()
    drawer(tmp_path / "b", True).put(KEPT)
    assert not list(tmp_path.glob("b/moments-*")) and torch.equal(
        drawer(tmp_path / "b", True).take()["0.exp_avg"], KEPT["0.exp_avg"]
    )


def test_each_hospital_and_each_study_has_its_own(tmp_path: Path) -> None:
    drawer(tmp_path, False).put(KEPT)
    assert (
        drawer(tmp_path, False, "b" * 64).take() == {}
        and drawer(tmp_path / "other", False).take() == {}
    )


def test_only_the_hospital_reads_them(tmp_path: Path) -> None:
    drawer(tmp_path / "state", False).put(KEPT)
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
