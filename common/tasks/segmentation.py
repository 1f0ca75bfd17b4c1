"""Segmentation: a class for every pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from common.errors import SiteError, StudyError
from common.sample import Batch, Sample
from common.study.config import setting
from common.targets.mask import Mask
from common.tasks import Needs, Row, TaskType
from common.tasks._scoring import dice, hausdorff_95, mean_defined, over_flips

_SMOOTH = 1.0
"""Pixels added to both sides of the Dice loss.

Keeps it finite and its gradient small where a class is in neither image.
"""
_USUAL_DIVISIBLE = 16
_WINDOWS_AT_ONCE = {2: 16, 3: 4}
"""By number of axes: what fits into memory beside the whole image."""


@dataclass(frozen=True)
class Options:
    """Settings of the task."""

    classes: tuple[str, ...] = setting(
        ("foreground",),
        doc="names of the classes beside the background, in class number order from 1",
    )
    mask_values: tuple[int, ...] = setting(
        (),
        doc="pixel value of each class; empty: any but 0 for one class, else 1, 2, 3 ...",
        low=1,
        high=65535,
    )
    loss: str = setting(
        "dice_ce", doc="dice, or the sum of dice and cross-entropy", choices=("dice", "dice_ce")
    )
    batch_dice: bool = setting(
        False,
        doc="overlap of a whole batch rather than of each image: "
        "steadier where many images lack a class",
    )
    include_background: bool = setting(
        False, doc="the background counts as a class in the dice part of the loss"
    )
    sliding_window: tuple[int, ...] = setting(
        (),
        doc="window of prediction in pixels along H, W[, D]; empty: the whole image",
        low=1,
        high=4096,
    )
    overlap: float = setting(
        0.25, doc="share of a window that the next one covers again", low=0.0, high=0.9
    )
    divisible: int = setting(
        0,
        doc="images are padded to a multiple of this; 0: what the network states, else 16",
        low=0,
        high=1024,
    )
    flip_average: bool = setting(False, doc="predict the mean over all mirror images")


class Segmentation:
    """The task; see :class:`common.tasks.Task`."""

    needs: Needs = frozenset({"mask"})
    columns: tuple[str, ...] = ()
    multi_label = False
    primary = "dice"

    def __init__(self, options: Options, dimensions: int) -> None:
        _check(options, dimensions)
        self.options = options
        self.dimensions = dimensions
        self.classes = options.classes
        self.mask_values = options.mask_values or None
        self.outputs = len(options.classes) + 1
        per_class = [f"dice_{name}" for name in options.classes] if len(options.classes) > 1 else []
        self.higher_is_better: Mapping[str, bool] = {
            "dice": True,
            "hd95": False,
            **dict.fromkeys(per_class, True),
        }

    def for_site(self, samples: Sequence[Sample]) -> Segmentation:
        """The task itself: nothing of it depends on the hospital."""
        return self

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Dice loss, with cross-entropy if asked for, computed in float32.

        Over the pixels of the image; padding does not count.
        """
        masks = _values(Mask.of(batch))
        logits = self._logits(network, batch.images)
        with torch.autocast(logits.device.type, enabled=False):
            loss = dice_loss(
                logits.float(), masks, self.options.include_background, self.options.batch_dice
            )
            if self.options.loss == "dice_ce":
                loss = loss + functional.cross_entropy(logits.float(), masks[:, 0].long())
        return loss

    def predict(self, network: nn.Module, images: Tensor) -> list[dict[str, Tensor]]:
        """``{"mask": uint8 [1, H, W[, D]]}`` on the CPU for each image."""

        def probabilities(views: Tensor) -> Tensor:
            return (
                self._windowed(network, views)
                if self.options.sliding_window
                else self._logits(network, views).float().softmax(1)
            )

        with torch.no_grad():
            mean = (
                over_flips(probabilities, images, follow=True)
                if self.options.flip_average
                else probabilities(images)
            )
        return [{"mask": mask} for mask in mean.argmax(1, keepdim=True).to(torch.uint8).cpu()]

    def _logits(self, network: nn.Module, images: Tensor) -> Tensor:
        """Logits ``[B, classes + 1, H, W[, D]]`` for images of any size.

        Images are padded at the far ends by repeating the edge, and logits are cut again.
        """
        multiple = self.options.divisible or int(getattr(network, "divisible", _USUAL_DIVISIBLE))
        sides = images.shape[2:]
        missing = [-side % multiple for side in sides]
        if not any(missing):
            return _whole(network(images), images)
        # torch's pad takes the last axis first.
        pads = [p for m in reversed(missing) for p in (0, m)]
        padded = functional.pad(images, pads, mode="replicate")
        logits = _whole(network(padded), padded)
        for axis, side in enumerate(sides, start=2):
            logits = logits.narrow(axis, 0, side)
        return logits

    def _windowed(self, network: nn.Module, images: Tensor) -> Tensor:
        from monai.inferers.utils import sliding_window_inference  # noqa: PLC0415 (slow to import)

        def probabilities(windows: Tensor) -> Tensor:
            return self._logits(network, windows).float().softmax(1)

        window = self.options.sliding_window
        mean = sliding_window_inference(
            inputs=images,
            roi_size=window if len(window) > 1 else window * self.dimensions,
            sw_batch_size=_WINDOWS_AT_ONCE[self.dimensions],
            predictor=probabilities,
            overlap=self.options.overlap,
            mode="gaussian",
            padding_mode="replicate",
        )
        return cast(Tensor, mean)

    def row(self, prediction: Mapping[str, Tensor], sample: Sample) -> Row:
        """``dice`` and ``hd95`` (mm), float64 ``[classes]``: each class against the rest.

        Raises:
            SiteError: the image has no mask, or one of another size.
        """
        truth = _values(Mask.of(sample))[0, 0].numpy()
        predicted = prediction["mask"][0].numpy()
        if truth.shape != predicted.shape:
            raise SiteError(
                "data.mask_size", f"a mask has {truth.shape} pixels and its image {predicted.shape}"
            )
        pairs = [(predicted == number, truth == number) for number in range(1, self.outputs)]
        return {
            "dice": np.array([dice(p, t) for p, t in pairs]),
            "hd95": np.array([hausdorff_95(p, t, sample.spacing) for p, t in pairs]),
        }

    def summarise(self, rows: Sequence[Row]) -> dict[str, float]:
        """``dice`` from 0 to 1, ``hd95`` in mm, and ``dice_<class>`` where there are several.

        Means over classes, then over images. A class that is in neither truth nor prediction counts
        1 for dice and is left out of hd95; one that is in only one of them counts 0 for dice and
        the image's diagonal for hd95.
        """
        if not rows:
            return dict.fromkeys(self.higher_is_better, math.nan)
        overlaps = np.stack([r["dice"] for r in rows])
        distances = np.array([mean_defined(r["hd95"]) for r in rows])
        metrics = {"dice": float(overlaps.mean()), "hd95": mean_defined(distances)}
        if len(self.classes) > 1:
            metrics |= {
                f"dice_{name}": float(overlaps[:, k].mean()) for k, name in enumerate(self.classes)
            }
        return metrics


def dice_loss(logits: Tensor, masks: Tensor, include_background: bool, whole_batch: bool) -> Tensor:
    """1 - soft Dice overlap, mean over classes and images.

    Milletari et al. 2016, eq. 3, with plain sums below.

    Args:
        logits: float32 ``[B, classes + 1, H, W[, D]]``.
        masks: class numbers ``[B, 1, H, W[, D]]``.
        include_background: whether class 0 counts.
        whole_batch: one overlap for each class over the whole batch rather than for each image.
    """
    first = 0 if include_background else 1
    numbers = torch.arange(first, logits.shape[1], device=logits.device).view(
        -1, *(1,) * (logits.dim() - 2)
    )
    truth = (masks == numbers).to(logits.dtype)
    chances = logits.softmax(1)[:, first:]
    axes = ([0] if whole_batch else []) + list(range(2, logits.dim()))
    both = (chances * truth).sum(axes)
    total = chances.sum(axes) + truth.sum(axes)
    return (1 - (2 * both + _SMOOTH) / (total + _SMOOTH)).mean()


def _check(options: Options, dimensions: int) -> None:
    classes = options.classes
    values = options.mask_values
    window = options.sliding_window
    if not classes or len(set(classes)) < len(classes):
        raise StudyError(
            f"task.classes is {list(classes)}; name each class beside the background once."
        )
    if values and (len(values) != len(classes) or len(set(values)) < len(values)):
        raise StudyError(
            f"task.mask_values is {list(values)}; "
            f"give {len(classes)} different values, one for each class, or none."
        )
    if len(window) not in (0, 1, dimensions):
        raise StudyError(
            f"task.sliding_window has {len(window)} entries; "
            f"give 1 or {dimensions}, or none for the whole image."
        )


def _values(mask: Mask | None) -> Tensor:
    if mask is None:
        raise SiteError("data.unmasked")
    return mask.values


def _whole(logits: Tensor, images: Tensor) -> Tensor:
    if logits.shape[2:] != images.shape[2:]:
        raise StudyError(
            f"The network took {tuple(images.shape[2:])} pixels and gave "
            f"{tuple(logits.shape[2:])}; "
            "set task.divisible to a multiple of the product of its strides."
        )
    return logits


def _create(options: Any, dimensions: int) -> Segmentation:
    return Segmentation(options, dimensions)


TASK = TaskType(options=Options, create=_create)
