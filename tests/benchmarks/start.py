"""Seconds from the command to the first round.

Imports, start weights, hospitals decoded and joined.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from common.simulation.phantoms import write
from common.simulation.run import demo_study
from tests.benchmarks._result import Result


def run() -> Iterator[Result]:
    """A fresh process over the demo's four hospitals.

    Its first line on stderr comes when everybody has joined.
    """
    with tempfile.TemporaryDirectory() as folder:
        sites = Path(folder, "hospitals")
        write.write(sites)
        command = [
            sys.executable,
            "-m",
            "common.cli.main",
            "simulate",
            str(demo_study()),
            "--sites",
            str(sites),
            "--out",
            str(Path(folder, "run")),
        ]
        times = []
        for _ in range(3):
            began = time.perf_counter()
            with subprocess.Popen(
                [*command, "--rounds", "1", "--device", "cpu"],
                stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                text=True,
            ) as process:
                for line in process.stderr or ():
                    if "hospitals" in line:
                        times.append(time.perf_counter() - began)
                        break
                process.kill()
        yield Result(
            "start/command to first round",
            min(times),
            "s",
            8.0,
            peer="NVFlare 2.9 simulator, published measurement",
            peer_value=10.7,
        )
