"""The journeys again and again beside busy loops: tests have to be green on a busy machine too.

``./run soak tests/soak/test_journeys.py``; SOAK_PASSES, SOAK_LOOPS and SOAK_TESTS set how often,
beside how many busy loops (0: an idle machine, to compare with), and which tests, e.g.
``SOAK_PASSES=3 SOAK_TESTS=tests/journeys/test_attacks.py``. One JSON object for each pass, and one
that says how many were green.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import slowness

HOUSE = Path(__file__).resolve().parents[2]
PASSES = int(os.environ.get("SOAK_PASSES", "20"))
LOOPS = int(os.environ.get("SOAK_LOOPS", "4"))
TESTS = os.environ.get("SOAK_TESTS", "tests/journeys").split()
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute without end; none outlives the block."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def walked(output: Path) -> dict[str, object]:
    """One pass as ``./run test`` makes it: its end, its time, what failed; its text in a file."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", *TESTS]
    before = slowness()
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=HOUSE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = round(time.monotonic() - began)
    output.write_text(done.stdout + done.stderr)
    failed = sorted(set(_FAILED.findall(done.stdout)))
    return {
        "green": done.returncode == 0,
        "code": done.returncode,
        "seconds": seconds,
        "slowness": round(before, 1),
        "failed": failed,
        "output": str(output),
    }


def report(capsys: pytest.CaptureFixture[str], line: dict[str, object]) -> None:
    """One JSON object on a line of its own, at once: a pass takes minutes."""
    with capsys.disabled():
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


@pytest.mark.soak
def test_the_journeys_are_green_every_time(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    passes: list[dict[str, object]] = []
    with busy(LOOPS):
        for number in range(1, PASSES + 1):
            passes.append(walked(tmp_path / f"pass-{number}.txt"))
            report(capsys, {"pass": number, "of": PASSES, "loops": LOOPS, **passes[-1]})
    green = sum(one["green"] is True for one in passes)
    result = {"bench": "journeys_soak", "value": green, "unit": "green passes", "goal": PASSES}
    report(capsys, {**result, "loops": LOOPS, "ok": green == PASSES})
    assert green == PASSES, [one for one in passes if not one["green"]]
