"""The U-Net is MONAI's with the stated arguments, and levels that do not fit are refused."""

from __future__ import annotations

import pytest
from monai.networks.nets.unet import UNet
from torch import nn

from common.errors import StudyError
from common.models._unet import Levels, check_count, check_levels
from tests.common.models.networks import LEVELS, OWN, SIDES, assert_equals_monais


def monais() -> nn.Module:
    """With leaky ReLU, which the plug-in sets for speed."""
    relu = ("leakyrelu", {"inplace": True, "negative_slope": 0.1})
    return UNet(**SIDES, **LEVELS, num_res_units=2, act=relu, norm="batch")


def test_the_network_is_monais_weight_for_weight() -> None:
    assert_equals_monais("unet", OWN, monais, norm="instance", divisible=2)


def test_levels_that_do_not_fit_are_refused() -> None:
    check_levels((8, 16), (2,))
    with pytest.raises(StudyError, match=r"model\.channels has 1 entries; give two or more"):
        check_levels((8,), ())
    with pytest.raises(StudyError, match=r"model\.strides has 2 entries; give 1"):
        check_levels((8, 16), (2, 2))
    with pytest.raises(StudyError, match="give three or more"):
        check_count(2, 3)


def test_images_must_be_divisible_by_all_strides() -> None:
    assert Levels(strides=(2, 3, 1)).divisible == 6
