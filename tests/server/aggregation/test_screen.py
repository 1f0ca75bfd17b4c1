"""Everything that must not enter the average is refused with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.protocol.envelopes import Reply
from common.update import Layout
from server.aggregation.screen import RefusedError, Screen

LAYOUT = Layout(("a", "b"), ((2, 2), (3,)))
SCREEN = Screen(4, LAYOUT, 32.0)
GOOD = Reply(
    "north",
    "train",
    4,
    LAYOUT.digest,
    {"weight": 10, "loss": 0.5, "steps": 3, "seconds": 0.1},
    np.ones(7, np.float32),
)


def _delta(**changes: float) -> np.ndarray:
    delta = np.ones(7, np.float32)
    delta[3] = changes.get("value", 1.0)
    return delta


def test_a_good_update_passes() -> None:
    update = SCREEN.accept(GOOD, 10.0)
    assert (update.weight, update.steps, update.delta.sum()) == (10.0, 3, 7.0)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"delta": _delta(value=np.nan)}, "NaN or infinite"),
    "infinity": ({"delta": _delta(value=-np.inf)}, "NaN or infinite"),
    "absurd change": ({"delta": _delta(value=33.0)}, "at most 32"),
    "shape that would broadcast": (
        {"delta": np.ones(1, np.float32)},
        r"float32 \[1\]; float32 \[7\]",
    ),
    "matrix": ({"delta": np.ones((7, 1), np.float32)}, r"\[7, 1\]"),
    "half precision": ({"delta": np.ones(7, np.float16)}, "float16"),
    "whole numbers": ({"delta": np.ones(7, np.int64)}, "int64"),
    "no vector": ({"delta": None}, "no vector"),
    "earlier round": ({"round": 3}, "round 3"),
    "other question": ({"kind": "evaluate"}, "evaluate"),
    "other layout": ({"layout": "0" * 64}, "layout"),
    "fault": ({"fault": "The disk is full."}, "disk is full"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_update_is_refused(name: str) -> None:
    changes, reason = BAD[name]
    with pytest.raises(RefusedError, match=reason):
        SCREEN.accept(replace(GOOD, **changes), 10.0)


@pytest.mark.parametrize("weight", [-9, 0, 11, 1e30, float("nan"), float("inf"), True, "10", None])
def test_a_weight_that_was_not_declared_is_refused(weight: Any) -> None:
    with pytest.raises(RefusedError, match="weight"):
        SCREEN.accept(replace(GOOD, values={**GOOD.values, "weight": weight}), 10.0)


@pytest.mark.parametrize("key", ["loss", "steps", "seconds"])
def test_a_missing_number_is_refused(key: str) -> None:
    with pytest.raises(RefusedError, match=key):
        SCREEN.accept(
            replace(GOOD, values={k: v for k, v in GOOD.values.items() if k != key}), 10.0
        )


def test_a_long_vector_is_searched_to_its_end() -> None:
    layout = Layout(("a",), ((600_001,),))
    delta = np.zeros(600_001, np.float32)
    delta[-1] = np.nan
    with pytest.raises(RefusedError, match="NaN"):
        Screen(1, layout, 32.0).accept(
            replace(GOOD, round=1, layout=layout.digest, delta=delta), 10.0
        )
