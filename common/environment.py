"""The process and its surroundings: its processor cores, and what keeps Flower to itself."""

from __future__ import annotations

import os

FLOWER = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
"""Variables that keep Flower from sending telemetry and from looking for updates."""


def usable() -> int:
    """Cores that the process may run on; containers and batch systems narrow its affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
