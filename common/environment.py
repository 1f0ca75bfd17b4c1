"""How many processor cores this process may use."""

from __future__ import annotations

import os


def usable() -> int:
    """Cores that the process may run on (its affinity, which containers and batch systems narrow)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
