"""The ray engine runs the same study."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.simulation.run import simulate
from tests import small


@pytest.mark.timeout(300)
def test_ray_gives_the_same_result_as_inline(tmp_path: Path) -> None:
    sites, study = small.federation(tmp_path / "sites"), small.study(tmp_path / "study.toml")
    means = []
    for engine in ("inline", "ray"):
        report = simulate(study, sites, tmp_path / engine, engine=engine, device="cpu", quiet=True)
        assert (
            report["status"] == "finished" and report["engine"] == engine and not report["excluded"]
        )
        means.append(report["metrics"]["federated"]["mean"])
    assert means[0]["dice"] == pytest.approx(means[1]["dice"], abs=1e-3)
