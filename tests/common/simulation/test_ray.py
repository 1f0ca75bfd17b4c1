"""Without Ray the engine says what to install; with it, see tests/journeys/test_ray.py."""

from __future__ import annotations

import os
import sys

import pytest

from common.errors import ArgumentError
from common.simulation import ray


def test_without_ray_the_inline_engine_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    with pytest.raises(ArgumentError, match="Ray is not installed; install consilium"):
        ray.start(None, None, nodes=2, gpus=0.0)  # type: ignore[arg-type]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
