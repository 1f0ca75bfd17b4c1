"""Layouts and updates."""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import WireError
from common.update import Layout, Update


def test_views_cover_the_vector_without_copying() -> None:
    layout, vector = Layout(("a", "b", "c"), ((2, 3), (), (4,))), np.arange(11, dtype=np.float32)
    views = dict(layout.views(vector))
    assert (
        layout.size == 11
        and views["a"].shape == (2, 3)
        and views["b"].shape == ()
        and views["c"].tolist() == [7, 8, 9, 10]
    )
    views["c"][0] = -1
    assert vector[7] == -1


def test_the_digest_depends_on_names_order_and_shapes() -> None:
    digests = {
        Layout(n, s).digest
        for n in (("a", "b"), ("b", "a"))
        for s in (((2,), (3,)), ((3,), (2,)), ((1, 2), (3,)))
    }
    assert len(digests) == 6


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_an_update_checks_its_weight(weight: float) -> None:
    with pytest.raises(WireError, match="weight"):
        Update(np.zeros(1, np.float32), weight, 0.0, 1, 0.0)


def test_an_update_checks_its_vector() -> None:
    with pytest.raises(WireError, match="float64"):
        Update(np.zeros(1), 1.0, 0.0, 1, 0.0)  # type: ignore[arg-type]
