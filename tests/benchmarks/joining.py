"""From nothing to the first finished round, all by commands.

Provision, server, three hospitals that enrol and start, roster signed, a study submitted.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from common.simulation.phantoms import write
from common.study import toml
from tests.benchmarks._result import Result
from tests.journeys.federation import Federation, until

_SITES = ("north", "valley", "harbour")
_STUDY = {
    "name": "joining",
    "seed": 1,
    "task": {"name": "segmentation", "classes": ["lesion"]},
    "model": {"name": "unet", "channels": [8, 16], "strides": [2]},
    "data": {"prepare": [{"step": "resize", "size": [32, 32]}]},
    "training": {"local_steps": 2, "batch_size": 2},
    "federation": {"rounds": 1},
    "secure_aggregation": {"enabled": True},
    "evaluation": {"every": 0, "bootstrap": 0},
}


def run() -> Iterator[Result]:
    """Seconds; the hospitals' scans are there before."""
    with tempfile.TemporaryDirectory(
        prefix="join-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:  # Unix sockets need short paths
        top = Path(folder)
        write.write(top / "phantoms", hospitals=len(_SITES), patients=12, size=64, seed=1)
        (top / "hosp").mkdir()
        for site, phantom in zip(_SITES, sorted((top / "phantoms").iterdir()), strict=True):
            phantom.rename(top / "hosp" / site)
        (top / "study.toml").write_text(toml.dumps(_STUDY), "utf-8")
        yield Result(
            "joining/provision to first round, 3 sites", _seconds(Federation(top)), "s", 180.0
        )


def _seconds(federation: Federation) -> float:
    began = time.perf_counter()
    try:
        federation.provision(*_SITES)
        federation.start_server()
        for site in _SITES:
            federation.enrol(site)
            federation.start_site(site)
        federation.sign_roster()
        federation.submit(federation.top / "study.toml", "first")
        rounds = federation.home / "runs" / "first" / "rounds.jsonl"
        until(
            lambda: rounds.exists() and rounds.read_text("utf-8").count("\n"),
            "no round has finished",
            300,
        )
        return time.perf_counter() - began
    finally:
        federation.kill()
