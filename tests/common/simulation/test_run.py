"""How many threads a simulation computes with.

One number from start to end, told for each hospital, and undone afterwards.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from common.simulation import run
from tests import small


@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_number_of_threads_holds_here_and_in_processes_started_meanwhile(engine: str) -> None:
    before, outside = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    with run._threads(engine, before + 2):
        assert torch.get_num_threads() == before + 2
        assert os.environ["OMP_NUM_THREADS"] == str(before + 2)
    assert torch.get_num_threads() == before
    assert os.environ.get("OMP_NUM_THREADS") == outside


def test_without_a_number_it_is_torch_s_own_and_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    with run._threads("inline", None):
        assert os.environ["OMP_NUM_THREADS"] == str(before) and torch.get_num_threads() == before
    assert "OMP_NUM_THREADS" not in os.environ


def test_ray_shares_the_cores_out_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with run._threads("ray", None):
        assert "OMP_NUM_THREADS" not in os.environ


def test_a_failed_simulation_leaves_the_number_as_it_was(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="stop here"), run._threads("inline", before + 1):
        raise RuntimeError("stop here")
    assert torch.get_num_threads() == before


def test_every_hospital_s_threads_stand_in_the_report_and_the_same_number_gives_the_same_bits(
    tmp_path: Path,
) -> None:
    sites, study = small.federation(tmp_path / "sites"), small.study(tmp_path / "study.toml")
    weights = []
    for name, threads in (("a", 2), ("b", 2), ("c", 1)):
        report = run.simulate(
            study, sites, tmp_path / name, device="cpu", quiet=True, threads=threads
        )
        assert [(kind["threads"], kind["sites"]) for kind in report["computers"]] == [
            (threads, ["site0", "site1"])
        ]
        assert f"--threads {threads}" in (tmp_path / name / "report.html").read_text()
        weights.append((tmp_path / name / "model" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]
