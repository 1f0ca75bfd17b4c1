"""Every network for images builds, runs, learns from odd sizes, and holds no batch statistics."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from torch import nn

from common.errors import StudyError
from common.models import Shape
from common.models._norm import NORMS, GroupNorm
from common.study import plugins
from tests.common.models.networks import build, channels_last, pictures

CLASSIFIERS = ("cnn", "densenet", "resnet", "efficientnet")


SEGMENTERS = ("unet", "attention_unet", "segresnet", "dynunet")


DIMENSIONS = (2, 3)


@pytest.mark.parametrize("dimensions", DIMENSIONS)
@pytest.mark.parametrize("name", CLASSIFIERS + SEGMENTERS)
class TestEveryNetwork:
    def test_gives_what_the_task_asks_for_and_has_a_gradient_everywhere(
        self, name: str, dimensions: int
    ) -> None:
        network, images = build(name, dimensions).train(), pictures(dimensions)
        output = network(images)
        assert output.shape == ((2, 3) if name in CLASSIFIERS else (2, 3, *images.shape[2:]))
        output.square().sum().backward()
        without = [
            key
            for key, value in network.named_parameters()
            if value.grad is None or not torch.isfinite(value.grad).all()
        ]
        assert without == []

    def test_holds_no_batch_statistics_and_no_integers(self, name: str, dimensions: int) -> None:
        network = build(name, dimensions)
        assert not any(
            isinstance(m, (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm))
            for m in network.modules()
        )
        assert any(isinstance(m, GroupNorm) for m in network.modules())
        assert all(value.dtype == torch.float32 for value in network.state_dict().values())
        assert list(network.buffers()) == []

    def test_stores_each_weight_once(self, name: str, dimensions: int) -> None:
        places = [value.data_ptr() for value in build(name, dimensions).state_dict().values()]
        assert len(places) == len(set(places))

    def test_an_image_is_treated_alike_in_any_company(self, name: str, dimensions: int) -> None:
        network, images = build(name, dimensions), pictures(dimensions, count=3)
        network.eval()
        torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-4)

    def test_build_follows_the_seed(self, name: str, dimensions: int) -> None:
        first, again, other = (build(name, dimensions, seed).state_dict() for seed in (5, 5, 6))
        assert all(torch.equal(first[key], again[key]) for key in first)
        assert any(not torch.equal(first[key], other[key]) for key in first)

    def test_channels_last_and_bf16_give_nearly_the_same(self, name: str, dimensions: int) -> None:
        network, images = build(name, dimensions).eval(), pictures(dimensions)
        expected = network(images)
        layout = channels_last(dimensions)
        network, images = network.to(memory_format=layout), images.contiguous(memory_format=layout)
        torch.testing.assert_close(network(images), expected, rtol=1e-3, atol=1e-3)
        network.train()
        with torch.autocast("cpu", torch.bfloat16):
            output = network(images)
        output.float().sum().backward()
        assert torch.isfinite(output).all()


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("size", [(1, 1, 15, 33), (1, 1, 7, 20, 11)])
def test_classifiers_take_any_size_even_one_image_at_a_time(
    name: str, size: tuple[int, ...]
) -> None:
    assert torch.isfinite(build(name, len(size) - 2).train()(torch.randn(size))).all()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", SEGMENTERS)
def test_segmenters_state_the_smallest_multiple_that_they_take(name: str, norm: str) -> None:
    network = build(name, 2, norm=norm)
    side = 3 * cast(int, network.divisible)
    assert network(torch.randn(1, 1, side, side)).shape[2:] == (side, side)
    with pytest.raises(RuntimeError):
        network(torch.randn(1, 1, side + side // 6, side))


@pytest.mark.parametrize("name", ["unet", "dynunet", "attention_unet"])
def test_instance_norm_survives_a_bottom_of_one_pixel(name: str) -> None:
    network = build(name, 2, norm="instance").train()
    side = cast(int, network.divisible)
    network(torch.randn(1, 1, side, side)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", CLASSIFIERS + SEGMENTERS)
def test_batch_norm_only_where_asked_for(name: str) -> None:
    network = build(name, 2, norm="batch")
    kinds = {
        type(m)
        for m in network.modules()
        if isinstance(m, (nn.modules.batchnorm._NormBase, nn.GroupNorm))
    }
    assert kinds == {nn.BatchNorm2d}


def test_default_sizes() -> None:
    sizes = {
        name: sum(p.numel() for p in _default(name).parameters())
        for name in ("cnn", "densenet", "unet")
    }
    assert 60_000 < sizes["cnn"] < 100_000
    assert 100_000 < sizes["densenet"] < 250_000
    assert 150_000 < sizes["unet"] < 600_000


def _default(name: str) -> nn.Module:
    plugin = plugins.load("common.models", name, "MODEL")
    network: nn.Module = plugin.build(plugin.options(), Shape(2, 1, 2))
    return network


@pytest.mark.parametrize(
    ("name", "options", "field"),
    [
        ("cnn", {"channels": []}, "model.channels"),
        ("densenet", {"blocks": []}, "model.blocks"),
        ("resnet", {"channels": [8, 8]}, "model.channels"),
        ("resnet", {"layers": [1]}, "model.layers"),
        ("unet", {"channels": [8]}, "model.channels"),
        ("unet", {"strides": [2]}, "model.strides"),
        ("attention_unet", {"strides": [2]}, "model.strides"),
        ("segresnet", {"up": [1, 1, 1]}, "model.up"),
        ("dynunet", {"channels": [8, 16]}, "model.channels"),
        ("unet", {"norm": "layer"}, "model.norm"),
        ("efficientnet", {"size": "b9"}, "model.size"),
    ],
)
def test_impossible_settings_are_named(name: str, options: dict[str, Any], field: str) -> None:
    with pytest.raises(StudyError, match=field):
        build(name, 2, **options)


def test_divisible_is_the_product_of_the_strides() -> None:
    assert build("unet", 2, channels=[8, 8, 8], strides=[2, 3]).divisible == math.prod([2, 3])
    assert build("segresnet", 2).divisible == 2
    assert build("dynunet", 3).divisible == 4
