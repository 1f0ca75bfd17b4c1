"""Segmentation: loss, prediction of any size, metrics of a set of images, and learning."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.errors import SiteError, StudyError
from common.models import Shape
from common.sample import Batch, Sample
from common.study import config, plugins
from common.tasks.segmentation import TASK, Segmentation, dice_loss
from tests.targets import of_many, of_one


def task(dimensions: int = 2, **options: Any) -> Segmentation:
    segmenter = TASK.create(config.load(TASK.options, options, "task"), dimensions)
    assert isinstance(segmenter, Segmentation)
    return segmenter


class Threshold(nn.Module):
    """Calls a pixel foreground where it is above 0.

    It insists on sides that are a multiple of 8, and counts its calls.
    """

    divisible = 8

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = nn.Parameter(torch.tensor(1.0))
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, images: Tensor) -> Tensor:
        self.sizes.append(tuple(images.shape[2:]))
        assert all(side % self.divisible == 0 for side in images.shape[2:])
        return torch.cat([-images, images], 1) * self.sharpness


class Fixed(nn.Module):
    """Gives the same logits whatever the image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits


class TestSummarise:
    def kept(
        self,
        segmenter: Segmentation,
        predicted: Any,
        truth: Any,
        spacing: tuple[float, ...] = (1.0, 1.0),
    ) -> Any:
        masks = (torch.tensor(np.asarray(m), dtype=torch.uint8)[None] for m in (predicted, truth))
        prediction, mask = masks
        return segmenter.row(
            {"mask": prediction}, Sample(mask.float(), spacing, targets=of_one(mask))
        )

    def test_means_over_classes_then_images(self) -> None:
        segmenter = task(classes=["head", "tail"])
        first = self.kept(segmenter, [[1, 1, 0, 2]], [[1, 0, 0, 2]])
        second = self.kept(segmenter, [[0, 0, 0, 0]], [[0, 0, 2, 0]], spacing=(3.0, 1.0))
        metrics = segmenter.summarise([first, second])
        assert metrics["dice_head"] == pytest.approx((2 / 3 + 1) / 2)
        assert metrics["dice_tail"] == pytest.approx((1 + 0) / 2)
        assert metrics["dice"] == pytest.approx((metrics["dice_head"] + metrics["dice_tail"]) / 2)
        assert metrics["hd95"] == pytest.approx(((0.95 + 0.0) / 2 + 5.0) / 2)
        assert metrics.keys() == segmenter.higher_is_better.keys()

    def test_one_class_has_two_metrics(self) -> None:
        segmenter = task()
        metrics = segmenter.summarise([self.kept(segmenter, np.eye(4), np.eye(4))])
        assert metrics == {"dice": 1.0, "hd95": 0.0}
        assert segmenter.higher_is_better == {"dice": True, "hd95": False}

    def test_undefined_values_are_nan(self) -> None:
        segmenter = task()
        assert math.isnan(segmenter.summarise([])["dice"])
        only_empty = segmenter.summarise([self.kept(segmenter, np.zeros((4, 4)), np.zeros((4, 4)))])
        assert only_empty["dice"] == 1.0
        assert math.isnan(only_empty["hd95"])

    def test_a_mask_of_another_size_or_none_is_the_hospitals_fault(self) -> None:
        segmenter = task()
        with pytest.raises(SiteError, match="size of their images"):
            self.kept(segmenter, np.zeros((4, 4)), np.zeros((4, 5)))
        with pytest.raises(SiteError, match="no mask"):
            segmenter.row({"mask": torch.zeros(1, 4, 4)}, Sample(torch.zeros(1, 4, 4), (1.0, 1.0)))
        with pytest.raises(SiteError, match="no mask"):
            segmenter.loss(Threshold(), Batch(torch.zeros(1, 1, 8, 8)))


class TestLoss:
    def test_dice_is_the_definition_written_out(self) -> None:
        random = torch.Generator().manual_seed(0)
        logits, masks = (
            torch.randn(2, 3, 4, 5, generator=random),
            torch.randint(0, 3, (2, 1, 4, 5), generator=random),
        )
        chances = logits.softmax(1)
        overlaps = torch.zeros(2, 3)
        for image in range(2):
            for number in range(3):
                truth = masks[image, 0] == number
                p = chances[image, number]
                overlaps[image, number] = (2 * p[truth].sum() + 1) / (p.sum() + truth.sum() + 1)
        torch.testing.assert_close(dice_loss(logits, masks, True, False), 1 - overlaps.mean())
        torch.testing.assert_close(
            dice_loss(logits, masks, False, False), 1 - overlaps[:, 1:].mean()
        )

    def test_batch_dice_is_the_dice_of_one_long_image(self) -> None:
        random = torch.Generator().manual_seed(0)
        logits, masks = (
            torch.randn(2, 3, 4, 5, generator=random),
            torch.randint(0, 3, (2, 1, 4, 5), generator=random),
        )
        long_logits, long_masks = (torch.cat(list(t), 1)[None] for t in (logits, masks))
        torch.testing.assert_close(
            dice_loss(logits, masks, False, True), dice_loss(long_logits, long_masks, False, False)
        )

    def test_cross_entropy_is_added(self) -> None:
        logits, masks = (
            torch.randn(2, 2, 8, 8),
            torch.randint(0, 2, (2, 1, 8, 8), dtype=torch.uint8),
        )
        batch, network = Batch(torch.zeros(2, 1, 8, 8), of_many(masks)), Fixed(logits)
        difference = task(divisible=8).loss(network, batch) - task(divisible=8, loss="dice").loss(
            network, batch
        )
        torch.testing.assert_close(
            difference, nn.functional.cross_entropy(logits, masks[:, 0].long())
        )

    def test_padding_does_not_count(self) -> None:
        images, masks = (
            torch.randn(2, 1, 13, 11),
            torch.randint(0, 2, (2, 1, 13, 11), dtype=torch.uint8),
        )
        network = Threshold()
        loss = task().loss(network, Batch(images, of_many(masks)))
        assert network.sizes == [(16, 16)]
        logits = torch.cat([-images, images], 1)
        torch.testing.assert_close(
            loss,
            dice_loss(logits, masks, False, False)
            + nn.functional.cross_entropy(logits, masks[:, 0].long()),
        )

    @pytest.mark.parametrize("truth", [0, 1])
    def test_finite_with_a_gradient_for_empty_full_and_wild_in_bf16(self, truth: int) -> None:
        logits = (
            torch.tensor([3e4, -3e4], dtype=torch.bfloat16).view(1, 2, 1, 1).repeat(1, 1, 16, 16)
        )
        network = Fixed(logits)
        with torch.autocast("cpu", torch.bfloat16):
            loss = task().loss(
                network,
                Batch(
                    torch.zeros(1, 1, 16, 16),
                    of_many(torch.full((1, 1, 16, 16), truth, dtype=torch.uint8)),
                ),
            )
        loss.backward()
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert network.logits.grad is not None
        assert torch.isfinite(network.logits.grad).all()

    def test_is_exact_on_a_large_image_in_bf16(self) -> None:
        """The loss left is a six-thousandth: a bf16 result could only say 0."""
        logits = (
            torch.tensor([-4.0, 4.0], dtype=torch.bfloat16).view(1, 2, 1, 1).repeat(1, 1, 128, 128)
        )
        with torch.autocast("cpu", torch.bfloat16):
            masks = torch.ones(1, 1, 128, 128, dtype=torch.uint8)
            loss = task(loss="dice").loss(
                Fixed(logits), Batch(torch.zeros(1, 1, 128, 128), of_many(masks))
            )
        p = 1 / (1 + math.exp(-8))
        assert float(loss.detach()) == pytest.approx(1 - 2 * p / (p + 1), rel=0.05)


class TestPredict:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"flip_average": True},
            {"sliding_window": [8]},
            {"sliding_window": [8], "flip_average": True},
        ],
    )
    @pytest.mark.parametrize("shape", [(2, 1, 13, 22), (1, 1, 5, 9), (1, 1, 9, 13, 6)])
    def test_odd_sizes_stay_where_they_are(
        self, shape: tuple[int, ...], options: dict[str, Any]
    ) -> None:
        images = torch.randn(shape, generator=torch.Generator().manual_seed(2))
        predictions = task(len(shape) - 2, **options).predict(Threshold().eval(), images)
        assert len(predictions) == shape[0]
        for prediction, image in zip(predictions, images, strict=True):
            assert prediction["mask"].dtype == torch.uint8
            assert torch.equal(prediction["mask"], (image > 0).to(torch.uint8))

    def test_pads_to_what_the_network_states_else_to_what_the_study_says(self) -> None:
        network = Threshold()
        task().predict(network, torch.zeros(1, 1, 9, 16))
        task(divisible=24).predict(network, torch.zeros(1, 1, 9, 25))
        assert network.sizes == [(16, 16), (24, 48)]
        plain = nn.Conv2d(1, 2, 3, padding=1)
        assert task().predict(plain, torch.zeros(1, 1, 17, 3))[0]["mask"].shape == (1, 17, 3)

    def test_windows_cover_the_image_with_the_overlap_asked_for(self) -> None:
        network = Threshold()
        task(sliding_window=[16, 8], overlap=0.5).predict(network, torch.zeros(1, 1, 32, 16))
        assert set(network.sizes) == {(16, 8)}

    def test_flip_average_makes_a_lopsided_network_even(self) -> None:
        class Lopsided(nn.Module):
            def forward(self, images: Tensor) -> Tensor:
                ramp = (
                    torch.linspace(-1, 1, images.shape[2]).view(1, 1, -1, 1).expand_as(images) * 3
                )
                return torch.cat([-images - ramp, images + ramp], 1)

        images = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.1 + 0.5
        plain, even = (
            task().predict(Lopsided(), images),
            task(flip_average=True).predict(Lopsided(), images),
        )
        assert plain[0]["mask"].float().mean() < 0.8
        assert even[0]["mask"].all()

    def test_a_network_that_changes_the_size_is_named(self) -> None:
        with pytest.raises(StudyError, match=r"task\.divisible"):
            task().predict(nn.Conv2d(1, 2, 3, stride=2, padding=1), torch.zeros(1, 1, 16, 16))

    def test_bf16_and_channels_last(self) -> None:
        images = torch.randn(2, 1, 17, 20).contiguous(memory_format=torch.channels_last)
        network = unet(2)
        expected = task().predict(network, images)
        with torch.autocast("cpu", torch.bfloat16):
            predictions = task().predict(network, images)
        same = [
            float((f["mask"] == e["mask"]).float().mean())
            for f, e in zip(predictions, expected, strict=True)
        ]
        assert min(same) > 0.95


def unet(dimensions: int) -> nn.Module:
    torch.manual_seed(0)
    plugin = plugins.load("common.models", "unet", "MODEL")
    network: nn.Module = plugin.build(
        plugin.options(channels=(8, 16, 32), strides=(2, 2), residual_units=1),
        Shape(dimensions, 1, 2),
    ).eval()
    return network


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"classes": []}, "task.classes"),
        ({"classes": ["a", "a"]}, "task.classes"),
        ({"mask_values": [1, 2]}, "task.mask_values"),
        ({"classes": ["a", "b"], "mask_values": [3, 3]}, "task.mask_values"),
        ({"mask_values": [0]}, "task.mask_values"),
        ({"sliding_window": [8, 8, 8]}, "task.sliding_window"),
        ({"overlap": 1.0}, "task.overlap"),
    ],
)
def test_impossible_settings_are_named(options: dict[str, Any], place: str) -> None:
    with pytest.raises(StudyError, match=place):
        task(**options)


def test_what_the_reader_and_the_network_are_told() -> None:
    segmenter = task(classes=["cortex", "tumour"], mask_values=[128, 255])
    assert (segmenter.needs, segmenter.mask_values, segmenter.outputs, segmenter.classes) == (
        {"mask"},
        (128, 255),
        3,
        ("cortex", "tumour"),
    )
    assert task().mask_values is None
    assert segmenter.for_site([]) is segmenter


@pytest.mark.parametrize("loss", ["dice", "dice_ce"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_learns_a_tiny_problem(dimensions: int, loss: str) -> None:
    """Bright boxes on noise: the loss halves and the boxes are predicted.

    The sides of the images are no multiple of the network's.
    """
    segmenter, network = task(dimensions, loss=loss), unet(dimensions).train()
    masks = torch.zeros(2, 1, *(18, 15, 9)[:dimensions], dtype=torch.uint8)
    for image, (start, end) in enumerate([(3, 8), (5, 9)]):
        box = masks[image, 0]
        for axis in range(dimensions):
            box = box.narrow(axis, start, end - start)
        box.fill_(1)
    images = torch.randn(masks.shape, generator=torch.Generator().manual_seed(0)) * 0.3 + 2 * masks
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for _ in range(40):
        value = segmenter.loss(network, Batch(images, of_many(masks)))
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(value.detach()))
    assert losses[-1] < losses[0] / 2
    predictions = segmenter.predict(network.eval(), images)
    kept = [
        segmenter.row(f, Sample(images[i], (1.0,) * dimensions, targets=of_one(masks[i])))
        for i, f in enumerate(predictions)
    ]
    assert segmenter.summarise(kept)["dice"] > 0.7
