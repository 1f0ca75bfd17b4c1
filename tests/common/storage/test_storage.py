"""The table of what is kept says what really lies on disk, with the modes that it has there."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import torch

from client.audit import witness
from client.policy import approvals, daily_limits, stop, withdrawals
from client.policy.policy import Policy
from client.training.optimizer_state import OptimizerStore
from client.virtual_site import VirtualSite
from common.simulation.run import simulate
from common.storage import STORED_FILES, StoredFile, locked_json
from common.study import study as studies
from tests import kept, small

UMASK = 0o022
PLACES = ("site", "state", "data", "run", "coordinator")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ELSEWHERE = {
    ("run", "waiting"): "while hospitals are waited for",
    ("run", "hospitals/**"): "of the demo",
}
"""Rows of a run and a worker whose files other tests make."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulation with secure sums, then all else that a worker and its administrators write."""
    folder = tmp_path_factory.mktemp("kept")
    small.federation(folder / "sites", sites=3)
    study = small.study(
        folder / "study.toml", secure_aggregation={"enabled": True}, federation={"min_sites": 3}
    )
    before = os.umask(UMASK)
    try:
        simulate(study, folder / "sites", folder / "run", device="cpu", quiet=True)
        _work(folder / "run" / "state" / "site0", studies.read(study))
    finally:
        os.umask(before)
    return folder / "run"


def _work(state: Path, study: studies.Study) -> None:
    approvals.offer(state, study, NOW)
    approvals.grant(
        state, studies.parse({**study.to_table(), "seed": 7}), "Ann Example", "train", NOW, 3
    )
    withdrawals.add(state, "P001")
    daily_limits.spend(state, Policy(), date(2026, 3, 1), 10, 1)
    stop.stop(state, "ann", "", NOW)
    site = VirtualSite("site0", (), state, resident=False)
    OptimizerStore(site, study.digest).put({"0.step": torch.tensor(1.0)})
    site.log("a line")
    witness._append(state / witness.EVIDENCE, {"site": "north"})
    locked_json.write(state / "sums.json", [])


def test_a_run_and_its_hospitals_leave_what_the_table_says(run: Path) -> None:
    assert list(kept.wrong("run", run, UMASK)) == []


def test_every_row_of_a_run_and_of_a_worker_is_left_by_one(run: Path) -> None:
    rows = {(one.place, one.path) for one in STORED_FILES if one.place in ("run", "state")}
    assert rows - kept.seen("run", run) == set(ELSEWHERE)


def test_a_strange_file_and_an_open_secret_are_told(run: Path, tmp_path: Path) -> None:
    """The tests above are not green because nothing is looked at."""
    run = shutil.copytree(run, tmp_path / "run")
    (run / "state" / "site1" / "new.json").touch()
    (run / "state" / "site1" / "journal.jsonl").chmod(0o644)
    (run / "model" / "weights.safetensors").chmod(0o600)
    assert list(kept.wrong("run", run, UMASK)) == [
        "run: model/weights.safetensors has mode 0600, its row says 0644",
        "run: state/site1/journal.jsonl has mode 0644, its row says 0600",
        "run: no row names state/site1/new.json",
    ]


@pytest.mark.parametrize("entry", STORED_FILES, ids=lambda entry: f"{entry.place}/{entry.path}")
def test_a_row_is_complete_and_names_no_file_twice(entry: StoredFile) -> None:
    assert entry.by and entry.how and entry.purpose and entry.place in PLACES
    assert [
        one.path for one in STORED_FILES if (one.place, one.path) == (entry.place, entry.path)
    ] == [entry.path]


def test_secrets_are_for_their_owner_only() -> None:
    secret = [
        one
        for one in STORED_FILES
        if one.path.endswith((".key", ".secret", ".kit")) or one.place == "state"
    ]
    assert len(secret) > 20 and {one.mode for one in secret} == {0o600}
