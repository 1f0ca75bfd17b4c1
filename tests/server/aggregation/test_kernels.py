"""Compiled loops and their parts: every value once, whatever the machine's cores."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from common.update import Vector
from server.aggregation import kernels
from server.aggregation.kernels import BLOCK, compiled, over_blocks


@pytest.mark.parametrize("cores", [1, 3, 64])
@pytest.mark.parametrize("size", [0, 1, 4 * BLOCK, 8 * BLOCK + 1, 40 * BLOCK + 7])
def test_parts_cover_a_vector_once_and_come_in_order(
    monkeypatch: pytest.MonkeyPatch, size: int, cores: int
) -> None:
    monkeypatch.setattr(kernels, "usable", lambda: cores)
    parts = over_blocks(size, lambda start, end: (start, end))
    assert parts[0][0] == 0 and parts[-1][1] == size
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert len(parts) <= min(cores, 8)


def test_a_short_vector_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "usable", lambda: 8)
    assert over_blocks(8 * BLOCK - 1, lambda start, end: end) == [8 * BLOCK - 1]


@compiled("float32 read scale")
def _add_scaled(out: Vector, values: Vector, scale: float) -> None:
    for i in range(values.size):
        out[i] += np.float32(values[i] * scale)


def test_a_compiled_loop_reads_a_read_only_vector_and_a_writable_one() -> None:
    out = np.ones(3, np.float32)
    values = np.array([1, 2, 3], np.float32)
    _add_scaled(out, values, 2.0)
    values.flags.writeable = False
    _add_scaled(out, values, 2.0)
    assert out.tolist() == [5.0, 9.0, 13.0]


def test_a_compiled_loop_takes_no_other_kind_of_vector() -> None:
    with pytest.raises(TypeError):
        _add_scaled(np.ones(3, np.float64), np.ones(3, np.float32), 1.0)
