"""One line of a benchmark's output."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Result:
    """A figure, beside the peer's and the limit from the same run where they can be had.

    Attributes:
        bench: name. value, unit: what was measured.
        goal: value to reach. lower: whether lower is better.
        peer, peer_value: another system on the same input in the same run, or a published figure as
            its name says.
        limit: what the machine allows at best, in the same unit.
    """

    bench: str
    value: float
    unit: str
    goal: float
    lower: bool = True
    peer: str | None = None
    peer_value: float | None = None
    limit: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.goal if self.lower else self.value >= self.goal

    def line(self) -> str:
        """As printed."""
        fields = {k: _rounded(v) for k, v in asdict(self).items() if k != "lower"}
        return json.dumps({**fields, "ok": self.ok})


def apart(module: str, *arguments: object) -> dict[str, Any]:
    """Run ``python -m module arguments`` in its own process; the JSON object on its last line."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values


def peak_bytes() -> int:
    """Largest resident memory of this program so far, in bytes.

    ``ru_maxrss`` would include that of the process that started it.
    """
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def best(repeats: int, work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Shortest of several timings of ``work``."""
    times = []
    for _ in range(repeats):
        began = clock()
        work()
        times.append(clock() - began)
    return min(times)


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
