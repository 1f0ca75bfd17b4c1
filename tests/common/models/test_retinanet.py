"""RetinaNet: every anchor sits where its prediction looks, and nothing but weights is stored."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common.errors import StudyError
from common.models import Shape
from common.models._fpn import convolution
from common.models._norm import NORMS
from common.models.retinanet import MODEL, Options, RetinaNet, anchor_shapes
from common.study import config
from common.tasks._boxes import Candidates

SMALL = {"widths": [8, 16, 16], "pyramid_width": 16}
EXTENTS = {2: (48, 80), 3: (16, 48, 32)}


def build(dimensions: int = 2, seed: int = 0, outputs: int = 3, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return MODEL.build(
        config.load(Options, SMALL | options, "model"), Shape(dimensions, 1, outputs)
    )


def pictures(dimensions: int, count: int = 2) -> Tensor:
    return torch.randn(count, 1, *EXTENTS[dimensions], generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("dimensions", [2, 3])
class TestBothDimensions:
    def test_one_prediction_for_every_anchor(self, dimensions: int) -> None:
        candidates = build(dimensions, anchor_scales=[1.0, 1.5], anchor_aspects=[0.5, 2.0])(
            pictures(dimensions)
        )
        places = [
            math.prod(extent // stride for extent in EXTENTS[dimensions]) for stride in (4, 8, 16)
        ]
        assert isinstance(candidates, Candidates)
        assert candidates.levels == tuple(4 * n for n in places)
        total = sum(candidates.levels)
        assert (candidates.logits.shape, candidates.offsets.shape) == (
            (2, total, 3),
            (2, total, 2 * dimensions),
        )
        assert (candidates.anchors.shape, candidates.anchors.dtype) == (
            (total, 2 * dimensions),
            torch.float32,
        )

    def test_each_anchor_lies_where_its_prediction_looks(self, dimensions: int) -> None:
        """The image's gradient of a prediction is centred on its anchor.

        x lies along W, y along H, z along D.
        """
        network = build(dimensions, finest_stride=4, widths=[8], head_depth=0)
        for module in network.modules():  # norm layers look at the whole image: take them out
            if isinstance(module, nn.GroupNorm):
                module.forward = lambda x: x  # type: ignore[assignment, method-assign]
        extents = (48, 80, 40)[:dimensions]
        images = torch.rand(1, 1, *extents, requires_grad=True)
        candidates = network(images)
        checked = 0
        for number in range(2, len(candidates.anchors), 7 if dimensions == 2 else 41):
            (seen,) = torch.autograd.grad(
                candidates.logits[0, number].sum(), images, retain_graph=True
            )
            corners = torch.nonzero(seen[0, 0]).float()
            low, high = corners.min(0).values, corners.max(0).values + 1
            row, column, *rest = (low + high) / 2
            centre = (
                candidates.anchors[number, :dimensions] + candidates.anchors[number, dimensions:]
            ) / 2
            if (low > 0).all() and (high < torch.tensor(extents)).all():
                checked += 1
                assert (torch.stack([column, row, *rest]) - centre).abs().max() < 2
        assert checked >= 4

    def test_has_a_gradient_everywhere(self, dimensions: int) -> None:
        network = build(dimensions).train()
        candidates = network(pictures(dimensions))
        (candidates.logits.square().sum() + candidates.offsets.sum()).backward()
        without = [
            key
            for key, value in network.named_parameters()
            if value.grad is None or not torch.isfinite(value.grad).all()
        ]
        assert without == []

    def test_any_size_is_filled_up_at_the_far_ends(self, dimensions: int) -> None:
        network, images = build(dimensions).eval(), pictures(dimensions)
        cut = images[(..., *(slice(0, extent - 5) for extent in EXTENTS[dimensions]))]
        images[(..., slice(EXTENTS[dimensions][-1] - 5, None))] = 0
        images[:, :, EXTENTS[dimensions][0] - 5 :] = 0
        if dimensions == 3:
            images[:, :, :, EXTENTS[3][1] - 5 :] = 0
        odd, whole = network(cut), network(images)
        torch.testing.assert_close(odd.logits, whole.logits)
        assert torch.equal(odd.anchors, whole.anchors)

    def test_channels_last_and_bf16_give_nearly_the_same(self, dimensions: int) -> None:
        network, images = build(dimensions), pictures(dimensions)
        expected = network(images)
        layout = torch.channels_last if dimensions == 2 else torch.channels_last_3d
        network, images = network.to(memory_format=layout), images.contiguous(memory_format=layout)
        torch.testing.assert_close(network(images).logits, expected.logits, rtol=1e-3, atol=1e-3)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(images)
        torch.testing.assert_close(rough.logits.float(), expected.logits, rtol=0.05, atol=0.05)
        assert rough.anchors.dtype == torch.float32

    def test_only_weights_are_stored(self, dimensions: int) -> None:
        network, other = build(dimensions), build(dimensions, seed=1)
        assert list(network.buffers()) == []
        assert set(network.state_dict()) == {name for name, _ in network.named_parameters()}
        other.load_state_dict(network.state_dict())
        images = pictures(dimensions)
        assert torch.equal(other(images).logits, network(images).logits)


@pytest.mark.parametrize(
    "extent", [(2, 2, 2), (2, 4, 4), (2, 8, 8), (2, 3, 3), (1, 1), (2, 2), (3, 3), (3, 3, 3)]
)
@pytest.mark.parametrize("stride", [1, 2])
def test_narrow_maps_have_the_same_gradient_in_bf16(extent: tuple[int, ...], stride: int) -> None:
    """Maps of one or two pixels are not computed in bf16.

    oneDNN's bf16 gradient of the weights is wrong on some of them.
    """
    torch.manual_seed(0)
    layer, images = convolution(len(extent), 32, 32, stride=stride), torch.randn(2, 32, *extent)
    weight, gradients = layer.get_parameter("weight"), []
    for enabled in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            output = layer(images)
        output.float().sum().backward()
        assert weight.grad is not None
        gradients.append(weight.grad.clone())
    assert (gradients[1] - gradients[0]).norm() < 0.05 * gradients[0].norm()


def test_start_probability_is_one_in_a_hundred() -> None:
    chances = build()(pictures(2)).logits.detach().sigmoid()
    assert 0.005 < chances.min() <= chances.max() < 0.02
    assert abs(float(chances.mean()) - 0.01) < 0.001


def test_build_follows_the_seed() -> None:
    first, again, other = (build(seed=seed).state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_anchors_of_an_image_that_is_wider_than_high() -> None:
    network = build(widths=[8, 8], anchor_size=10.0)
    assert isinstance(network, RetinaNet)
    fine, coarse = network.anchors([(2, 4), (1, 2)], torch.device("cpu"))
    assert fine[:5].tolist() == [
        [-3, -3, 7, 7],
        [1, -3, 11, 7],
        [5, -3, 15, 7],
        [9, -3, 19, 7],
        [-3, 1, 7, 11],
    ]
    assert coarse.tolist() == [[-6, -6, 14, 14], [2, -6, 22, 14]]


def test_anchor_shapes_keep_the_area_and_put_the_depth_last() -> None:
    options = Options(
        anchor_size=20.0, anchor_scales=(1.0, 2.0), anchor_aspects=(4.0,), anchor_depths=(0.25,)
    )
    assert anchor_shapes(options, 2) == [(10.0, 40.0), (20.0, 80.0)]
    assert anchor_shapes(options, 3) == [(10.0, 40.0, 5.0), (20.0, 80.0, 10.0)]


@pytest.mark.parametrize("norm", NORMS)
def test_batch_norm_only_where_asked_for(norm: str) -> None:
    network = build(norm=norm)
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules()) == (norm == "batch")
    assert torch.isfinite(network(pictures(2)).logits).all()


@pytest.mark.parametrize(
    "options",
    [{"widths": []}, {"widths": [8], "finest_stride": 8}, {"widths": [8, 8], "finest_stride": 16}],
)
def test_a_stride_that_no_stage_has_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(StudyError, match="finest_stride"):
        build(**options)


def test_fewer_levels_cost_fewer_anchors() -> None:
    assert build(finest_stride=8)(pictures(2)).levels == (60, 15)
    assert build(finest_stride=16)(pictures(2)).levels == (15,)
