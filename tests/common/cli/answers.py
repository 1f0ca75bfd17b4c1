"""What the work behind a command answers where it is replaced."""

from __future__ import annotations

from typing import Any

REPORT: dict[str, Any] = {
    "rounds": 2,
    "metrics": {"federated": {"sites": {}, "mean": {"dice": 0.5, "hd95": None}}},
}
SCORED: dict[str, Any] = {
    "metrics": {"sites": {"a": {"dice": 0.25}, "b": {"dice": 0.75}}, "mean": {"dice": 0.5}}
}
