"""Settings of several values are refused in one sentence; draws keep to their bounds."""

from __future__ import annotations

import pytest
import torch

from common.errors import StudyError
from common.transforms import _options
from tests.common.transforms.images import generator

CPU = torch.device("cpu")


@pytest.mark.parametrize("bounds", [(), (1.0,), (2.0, 1.0), (1.0, 2.0, 3.0)])
def test_bounds_are_two_numbers_with_the_lower_first(bounds: tuple[float, ...]) -> None:
    _options.interval("blur", "sigma", (1.0, 1.0))
    with pytest.raises(StudyError, match="sigma of step 'blur'"):
        _options.interval("blur", "sigma", bounds)


@pytest.mark.parametrize("count", [0, 4])
def test_a_setting_per_axis_has_one_to_three_numbers(count: int) -> None:
    with pytest.raises(StudyError, match=f"has {count} numbers"):
        _options.axes("pad", "size", count)


def test_one_number_holds_for_every_axis_and_others_must_fit() -> None:
    assert _options.per_axis("pad", "size", (7,), 3) == (7, 7, 7)
    assert _options.per_axis("pad", "size", (7, 8), 2) == (7, 8)
    with pytest.raises(StudyError, match="3 for images with 3 axes"):
        _options.per_axis("pad", "size", (7, 8), 3)


def test_draws_lie_within_their_bounds_and_follow_the_generator() -> None:
    values = _options.uniform((-2.0, 3.0), (500,), generator(), CPU)
    assert -2 <= float(values.min()) < -1.9 and 2.9 < float(values.max()) <= 3
    assert torch.equal(values, _options.uniform((-2.0, 3.0), (500,), generator(), CPU))


def test_a_factor_is_as_likely_as_its_inverse() -> None:
    factors = _options.ratio((0.25, 4.0), (4000,), generator(), CPU)
    assert float(factors.min()) >= 0.25 and float(factors.max()) <= 4.0
    assert float((factors < 1).float().mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("probability", "share"), [(0.0, 0.0), (1.0, 1.0)])
def test_no_image_or_every_image_is_chosen_at_the_ends(probability: float, share: float) -> None:
    chosen = _options.chosen(probability, 200, generator(), CPU)
    assert chosen.dtype == torch.bool
    assert float(chosen.float().mean()) == share


def test_a_column_multiplies_images_of_any_dimension() -> None:
    images = torch.ones(2, 3, 4, 5, 6)
    assert _options.column(torch.tensor([1.0, 2.0]), images).shape == (2, 1, 1, 1, 1)
    assert _options.column(torch.ones(2, 3), images).shape == (2, 3, 1, 1, 1)
