"""Norm layers are torch's in every layout, and batch statistics are exchanged or refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.errors import StudyError
from common.models._norm import GroupNorm, InstanceNorm, groups, normalised
from tests.common.models.networks import channels_last

DIMENSIONS = (2, 3)


class TestNorm:
    @pytest.mark.parametrize("channels", range(1, 130))
    def test_groups_divide_the_channels(self, channels: int) -> None:
        number = groups(channels)
        assert channels % number == 0
        assert number == 1 or (number <= 8 and channels // number >= 4)

    @pytest.mark.parametrize("dimensions", DIMENSIONS)
    def test_group_norm_is_torchs_in_every_layout(self, dimensions: int) -> None:
        ours, theirs = GroupNorm(2, 8), nn.GroupNorm(2, 8)
        x = torch.randn(2, 8, *[5] * dimensions)
        spread = x.contiguous(memory_format=channels_last(dimensions))
        torch.testing.assert_close(ours(x), theirs(x))
        torch.testing.assert_close(ours(spread), theirs(x))
        assert ours(spread).is_contiguous(memory_format=channels_last(dimensions))
        assert ours(x).is_contiguous()

    def test_instance_norm_is_torchs_and_keeps_a_single_pixel(self) -> None:
        ours, theirs = InstanceNorm(4), nn.InstanceNorm2d(4, affine=True)
        x = torch.randn(2, 4, 6, 5)
        torch.testing.assert_close(ours(x), theirs(x))
        pixel = torch.randn(1, 4, 1, 1)
        torch.testing.assert_close(ours(pixel), pixel)

    def test_a_shared_layer_stays_shared(self) -> None:
        shared = nn.BatchNorm2d(8)
        first, second = nn.Sequential(shared), nn.Sequential(shared)
        normalised(nn.Sequential(first, second), "group", 2)
        assert isinstance(first[0], GroupNorm)
        assert first[0] is second[0]

    def test_batch_statistics_that_cannot_be_exchanged_are_refused(self) -> None:
        with pytest.raises(StudyError, match="BatchNorm2d"):
            normalised(nn.BatchNorm2d(8), "group", 2)

    def test_exchanging_draws_no_random_number(self) -> None:
        torch.manual_seed(3)
        normalised(nn.Sequential(nn.BatchNorm2d(8)), "instance", 2)
        after = torch.rand(1)
        torch.manual_seed(3)
        assert torch.equal(after, torch.rand(1))

    def test_monai_resnet_still_ignores_its_norm_argument(self) -> None:
        """The control: if this fails, MONAI has changed and may need no exchange any more."""
        from monai.networks.nets.resnet import ResNet

        plain = ResNet(
            "basic",
            [1] * 4,
            [8] * 4,
            spatial_dims=2,
            n_input_channels=1,
            norm=("group", {"num_groups": 2}),
        )
        assert any(isinstance(m, nn.BatchNorm2d) for m in plain.modules())
