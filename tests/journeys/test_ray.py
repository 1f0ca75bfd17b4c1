"""The ray engine runs the same study.

In its processes too each hospital computes with the number of threads that was asked for.
"""

from __future__ import annotations

from pathlib import Path

from common.simulation.run import simulate
from tests import small

THREADS = 3


def test_ray_gives_the_same_bits_as_inline_with_the_same_threads(tmp_path: Path) -> None:
    sites, study = small.federation(tmp_path / "sites"), small.study(tmp_path / "study.toml")
    weights = []
    for engine in ("inline", "ray"):
        report = simulate(
            study,
            sites,
            tmp_path / engine,
            engine=engine,
            device="cpu",
            quiet=True,
            threads=THREADS,
        )
        assert (
            report["status"] == "finished" and report["engine"] == engine and not report["excluded"]
        )
        assert [(kind["threads"], kind["sites"]) for kind in report["computers"]] == [
            (THREADS, ["site0", "site1"])
        ]
        weights.append((tmp_path / engine / "model" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]
