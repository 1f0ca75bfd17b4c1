"""A thousand hospitals, each with data of its own, finish a study on one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.simulation.run import simulate
from tests import small


@pytest.mark.soak
def test_a_thousand_hospitals_train(tmp_path: Path) -> None:
    sites = small.federation(tmp_path / "sites", sites=1000, images=5)
    study = small.study(
        tmp_path / "study.toml",
        training={"local_steps": 1},
        evaluation={"every": 0, "bootstrap": 0},
    )
    report = simulate(study, sites, tmp_path / "run", device="cpu", quiet=True)
    assert report["status"] == "finished" and len(report["sites"]) == 1000 and not report["refused"]
