"""The process and its surroundings: how many processor cores it may use, and what keeps Flower from calling anybody."""

from __future__ import annotations

import os

FLOWER = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
"""Flower's environment variables against telemetry and the look for updates."""


def usable() -> int:
    """Cores that the process may run on (its affinity, which containers and batch systems narrow)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
