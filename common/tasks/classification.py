"""Classification: one class of several, or several findings that are there or not."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from common.errors import SiteError, StudyError
from common.sample import Batch, Sample
from common.study.config import setting
from common.targets.label import Label
from common.tasks import Needs, Row, TaskType
from common.tasks._scoring import area_under_roc, mean_defined, mean_recall, over_flips

_FOCUS = 2.0
"""Focal loss's gamma (Lin et al. 2017, section 3.2)."""
_LARGEST_WEIGHT = 10.0


@dataclass(frozen=True)
class Options:
    """Settings of the task."""

    target: tuple[str, ...] = setting(
        doc="column of labels.csv to predict; with multi_label any number of columns"
    )
    classes: tuple[str, ...] = setting(
        ("0", "1"),
        doc="values in the column, in class number order; of two, the last is the finding",
    )
    multi_label: bool = setting(
        False, doc="each column is a target of its own that is there or not"
    )
    loss: str = setting(
        "cross_entropy",
        doc="focal weighs images down that are already told apart",
        choices=("cross_entropy", "focal"),
    )
    class_weights: str = setting(
        "none",
        doc="balanced: classes that are rare at the hospital weigh more, up to 10 times",
        choices=("none", "balanced"),
    )
    label_smoothing: float = setting(
        0.0, doc="share of the label spread over all classes", low=0.0, high=0.5
    )
    flip_average: bool = setting(False, doc="predict the mean over all mirror images")


class Classification:
    """The task; see :class:`common.tasks.Task`."""

    needs: Needs = frozenset({"label"})
    mask_values: tuple[int, ...] | None = None
    primary = "auc"
    higher_is_better: Mapping[str, bool] = {
        "auc": True,
        "balanced_accuracy": True,
        "accuracy": True,
    }

    def __init__(self, options: Options, dimensions: int) -> None:
        _check(options)
        self.options = options
        self.dimensions = dimensions
        self.columns = options.target
        self.classes = options.classes
        self.multi_label = options.multi_label
        self.outputs = len(options.target) if options.multi_label else len(options.classes)
        self.weights: Tensor | None = None
        """Factor of each class in the loss, or None where all are equal.

        Float32 ``[classes]``; multi-label ``[targets, 2]``.
        """

    def for_site(self, samples: Sequence[Sample]) -> Classification:
        """With class weights "balanced": the task weighted by the hospital's own training labels.

        The weights stay at the hospital, as the labels do.
        """
        if self.options.class_weights == "none" or not samples:
            return self
        labels = torch.stack([_label(s) for s in samples])
        # A copy: in a simulation several hospitals share the task that they were given.
        adapted = copy.copy(self)
        if self.multi_label:
            present = labels.sum(0)
            adapted.weights = balanced_weights(
                torch.stack([len(samples) - present, present], dim=1)
            )
        else:
            adapted.weights = balanced_weights(torch.bincount(labels, minlength=self.outputs))
        return adapted

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Mean (weighted) cross-entropy, computed in float32; binary and per target if multi-label.

        The mean is over images and not over their weights, so that an image counts the same
        whatever it shares a batch with.
        """
        labels = _values(Label.of(batch))
        logits = network(batch.images)
        with torch.autocast(logits.device.type, enabled=False):
            terms = self._multi_label_terms if self.multi_label else self._single_label_terms
            return terms(logits.float(), labels).mean()

    def _single_label_terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        terms = functional.cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.options.label_smoothing
        )
        if self.options.loss == "focal":
            terms = terms * (1 - logits.softmax(1).gather(1, labels[:, None])[:, 0]).pow(_FOCUS)
        return terms if self.weights is None else terms * self.weights.to(logits.device)[labels]

    def _multi_label_terms(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.options.label_smoothing
        smoothed = labels * (1 - smoothing) + smoothing / 2
        terms = functional.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")
        if self.options.loss == "focal":
            terms = terms * (labels - logits.sigmoid()).abs().pow(_FOCUS)
        if self.weights is None:
            return terms
        absent, present = self.weights.to(logits.device).unbind(1)
        return terms * torch.where(labels > 0.5, present, absent)

    def predict(self, network: nn.Module, images: Tensor) -> list[dict[str, Tensor]]:
        """``{"probabilities": float32 [outputs]}`` on the CPU for each image.

        They sum to 1 unless multi-label.
        """

        def probabilities(views: Tensor) -> Tensor:
            logits: Tensor = network(views).float()
            return logits.sigmoid() if self.multi_label else logits.softmax(1)

        with torch.no_grad():
            mean = (
                over_flips(probabilities, images, follow=False)
                if self.options.flip_average
                else probabilities(images)
            )
        return [{"probabilities": p} for p in mean.float().cpu()]

    def row(self, prediction: Mapping[str, Tensor], sample: Sample) -> Row:
        """``probabilities`` float32 ``[outputs]`` and ``label`` as in the sample."""
        return {
            "probabilities": prediction["probabilities"].numpy(),
            "label": _label(sample).numpy(),
        }

    def summarise(self, rows: Sequence[Row]) -> dict[str, float]:
        """``auc``, ``balanced_accuracy`` and ``accuracy`` from 0 to 1.

        Two classes: AUC of the last one. More: each class that occurs against the rest, mean over
        classes. Multi-label: means over the targets that have both values, at a threshold of 0.5;
        accuracy over all.
        """
        if not rows:
            return dict.fromkeys(self.higher_is_better, float("nan"))
        probabilities = np.stack([r["probabilities"] for r in rows])
        labels = np.stack([r["label"] for r in rows])
        return (
            _multi_label_metrics(probabilities, labels > 0.5)
            if self.multi_label
            else _single_label_metrics(probabilities, labels)
        )


def _single_label_metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Metrics of probabilities ``[N, classes]`` and class numbers ``[N]``."""
    classes = probabilities.shape[1]
    # Of two classes the last is the finding; the other's area would be the same again.
    scored = [1] if classes == 2 else range(classes)
    areas = np.array([area_under_roc(probabilities[:, k], labels == k) for k in scored])
    predicted = probabilities.argmax(1)
    return {
        "auc": mean_defined(areas),
        "balanced_accuracy": mean_recall(predicted, labels),
        "accuracy": float(np.mean(predicted == labels)),
    }


def _multi_label_metrics(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Metrics of probabilities ``[N, targets]`` and flags ``[N, targets]``."""
    targets = range(truth.shape[1])
    areas = np.array([area_under_roc(probabilities[:, k], truth[:, k]) for k in targets])
    predicted = probabilities >= 0.5
    both = np.flatnonzero(truth.any(0) & ~truth.all(0))
    recalls = np.array([mean_recall(predicted[:, k], truth[:, k]) for k in both])
    return {
        "auc": mean_defined(areas),
        "balanced_accuracy": mean_defined(recalls),
        "accuracy": float(np.mean(predicted == truth)),
    }


def balanced_weights(counts: Tensor) -> Tensor:
    """Weights in inverse proportion to counts ``[..., classes]``, from a tenth to 10.

    Before these limits their mean over images is 1. A class without images gets weight 1.
    """
    counts = counts.float()
    occurring = (counts > 0).sum(-1, keepdim=True)
    weights = counts.sum(-1, keepdim=True) / (occurring * counts.clamp(min=1))
    return torch.where(
        counts > 0, weights.clamp(1 / _LARGEST_WEIGHT, _LARGEST_WEIGHT), torch.ones_like(weights)
    )


def _check(options: Options) -> None:
    targets = len(options.target)
    classes = len(options.classes)
    if targets == 0 or (targets > 1 and not options.multi_label):
        raise StudyError(
            f"task.target has {targets} columns; "
            "give exactly one, or set task.multi_label = true for several."
        )
    if classes < 2 or (classes > 2 and options.multi_label):
        allowed = "exactly two, absent and present" if options.multi_label else "two or more"
        raise StudyError(f"task.classes has {classes} entries; give {allowed}.")
    for name in ("target", "classes"):
        if len(set(getattr(options, name))) < len(getattr(options, name)):
            raise StudyError(f"task.{name} is {list(getattr(options, name))}; name each only once.")


def _values(label: Label | None) -> Tensor:
    if label is None:
        raise SiteError("data.unlabelled")
    return label.values


def _label(sample: Sample) -> Tensor:
    return _values(Label.of(sample))[0]


def _create(options: Any, dimensions: int) -> Classification:
    return Classification(options, dimensions)


TASK = TaskType(options=Options, create=_create)
