"""The tissues of a phantom are those of a CT: within their published ranges, none like another."""

from __future__ import annotations

import itertools

import pytest

from common.simulation.phantoms import tissues


@pytest.mark.parametrize(
    ("tissue", "low", "high"),
    [
        ("AIR", -1000, -1000),  # by the definition of the scale
        ("LUNG", -950, -700),
        ("FAT", -120, -80),
        ("WATER", 0, 20),
        ("MUSCLE", 35, 70),
    ],
)
def test_a_tissue_is_within_its_range(tissue: str, low: float, high: float) -> None:
    assert low <= getattr(tissues, tissue) <= high


def test_tissues_can_be_told_apart_in_the_soft_tissue_window() -> None:
    """Neighbours on the scale differ by more than a tenth of a window of 400 units."""
    values = sorted(value for name, value in vars(tissues).items() if name.isupper())
    assert len(values) == 5
    assert all(high - low > 40 for low, high in itertools.pairwise(values))
