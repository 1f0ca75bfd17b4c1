"""Ten thousand damaged files past every reader of a hospital.

None gets through the typed errors, is slow or takes much memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COUNT, SEED = 10_000, 20


@pytest.mark.soak
def test_ten_thousand_mutated_files_give_a_scan_or_a_typed_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [sys.executable, "-m", "tests.client.readers.parade", str(COUNT), str(SEED)]
    done = subprocess.run(
        words, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    summary = json.loads(done.stdout)
    with capsys.disabled():
        sys.stdout.write(
            "\n"
            + json.dumps(
                summary | {name: len(summary[name]) for name in ("uncaught", "slow", "telling")}
            )
            + "\n"
        )
    assert not summary["uncaught"] and not summary["slow"] and not summary["telling"]
    assert summary["files"] == COUNT and summary["peak_mb"] < 600
