"""Without Ray the engine says what to install; with it, see tests/journeys/test_ray.py."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from common.errors import ArgumentError, ConsiliumError
from common.simulation import ray


def test_without_ray_the_inline_engine_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(ArgumentError, match="Ray is not installed; install consilium"):
        ray.start(None, None, nodes=2, gpus=0.0)  # type: ignore[arg-type]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


class BusyRay:
    """Starts at the attempt of that number, as on a machine that had other things to do."""

    def __init__(self, starts_at: int) -> None:
        self._starts_at = starts_at
        self.attempts: list[dict[str, Any]] = []
        self.shut_down = 0

    def init(self, **settings: Any) -> None:
        self.attempts.append(settings)
        if len(self.attempts) < self._starts_at:
            raise Exception("The current node timed out during startup.")

    def shutdown(self) -> None:
        self.shut_down += 1


def test_ray_is_started_again_where_the_machine_was_too_busy(tmp_path: Path) -> None:
    busy = BusyRay(starts_at=3)
    ray._start_up(busy, str(tmp_path))
    assert len(busy.attempts) == 3
    assert busy.shut_down == 2
    assert all(settings == busy.attempts[0] for settings in busy.attempts)
    assert busy.attempts[0]["_node_ip_address"] == "127.0.0.1"


def test_a_ray_that_never_starts_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConsiliumError, match=r"did not start in 4 attempts .+ or use --engine"):
        ray._start_up(BusyRay(starts_at=99), str(tmp_path))
