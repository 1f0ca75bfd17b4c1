"""Object detection in images and volumes: a class and a box for each finding.

Trained with adaptive anchor assignment, quality focal loss and GIoU loss; works with any network
whose forward returns :class:`common.tasks._boxes.Candidates`. Metrics follow the COCO definition
(:mod:`common.tasks._coco`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.errors import SiteError, StudyError
from common.sample import Batch, Sample
from common.study.config import setting
from common.targets.boxes import Boxes
from common.tasks import Needs, Row, TaskType, _boxes, _coco
from common.tasks._boxes import Candidates


@dataclass(frozen=True)
class Options:
    """Settings of the task ([task])."""

    classes: tuple[str, ...] = setting(
        doc="labels of the boxes that are sought, as they stand in boxes.json"
    )
    score_threshold: float = setting(
        0.02, doc="boxes with a lower score are not reported", low=0.0, high=1.0
    )
    nms_iou: float = setting(
        0.5,
        doc="of two boxes of one class that overlap by more, the one with the lower score goes",
        low=0.0,
        high=1.0,
    )
    max_detections: int = setting(
        100,
        doc="boxes reported per image; the metrics count at most 100 per class",
        low=1,
        high=1000,
    )
    nearest: int = setting(
        9, doc="anchors per pyramid level that are considered for a box", low=1, high=100
    )
    box_weight: float = setting(
        2.0, doc="weight of the box loss; the class loss has weight 1", low=0.0, high=100.0
    )
    focus: float = setting(
        2.0,
        doc="exponent that takes weight from anchors already classified well",
        low=0.0,
        high=5.0,
    )


class Detection:
    """The task; see :class:`Options`.

    Raises:
        StudyError: no class, or one named twice.
    """

    needs: Needs = frozenset({"boxes"})
    columns: tuple[str, ...] = ()
    multi_label = False
    mask_values: tuple[int, ...] | None = None
    primary = "map_50"
    higher_is_better: Mapping[str, bool] = {"map_50": True, "map_50_95": True}

    def __init__(self, options: Options, dimensions: int) -> None:
        if not options.classes or len(set(options.classes)) < len(options.classes):
            raise StudyError(
                f"task.classes is {list(options.classes)!r}; name at least one label, each once."
            )
        self.options = options
        self.dimensions = dimensions
        self.classes = options.classes
        self.outputs = len(options.classes)

    def for_site(self, samples: Sequence[Sample]) -> Detection:
        """The task itself: the loss needs no weights from the hospital's data."""
        return self

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Class loss plus weighted box loss, per anchor that learns a box.

        Float32 also under autocast.

        Raises:
            SiteError: the batch holds no boxes (empty lists are fine, missing ones are not).
        """
        truth = _present(Boxes.of(batch))
        candidates: Candidates = network(batch.images)
        with torch.autocast(batch.images.device.type, enabled=False):
            return self._loss(candidates, truth.corners, truth.classes)

    def _loss(
        self, candidates: Candidates, boxes: Sequence[Tensor], classes: Sequence[Tensor]
    ) -> Tensor:
        logits = candidates.logits.float()
        offsets = candidates.offsets.float()
        # Lists are padded with boxes without volume, which nothing may learn.
        true_boxes = _padded([b.float().reshape(-1, 2 * self.dimensions) for b in boxes])
        true_classes = _padded([c.reshape(-1) for c in classes])
        owner = _boxes.assign(
            anchors=candidates.anchors,
            levels=candidates.levels,
            boxes=true_boxes,
            present=_boxes.volume(true_boxes) > 0,
            nearest=self.options.nearest,
        )
        image, anchor = (owner >= 0).nonzero(as_tuple=True)
        own = owner[image, anchor]
        decoded = _boxes.decode(candidates.anchors[anchor], offsets[image, anchor])
        iou, giou = _boxes.overlaps(decoded, true_boxes[image, own])
        target = torch.zeros_like(logits)
        target[image, anchor, true_classes[image, own]] = iou.detach()
        class_loss = _quality_focal(logits, target, self.options.focus).sum()
        box_loss = self.options.box_weight * (1 - giou).sum()
        return (class_loss + box_loss) / max(len(image), 1)

    @torch.no_grad()
    def predict(self, network: nn.Module, images: Tensor) -> list[dict[str, Tensor]]:
        """Boxes of each image, highest score first, on the CPU.

        ``{"boxes": float32 [N, 2 * d], "scores": float32 [N], "classes": int64 [N]}``.
        """
        extent = torch.tensor(
            [images.shape[3], images.shape[2], *images.shape[4:]],
            dtype=torch.float32,
            device=images.device,
        )
        candidates: Candidates = network(images)
        with torch.autocast(images.device.type, enabled=False):
            scores = candidates.logits.float().sigmoid()
            boxes = _boxes.decode(candidates.anchors, candidates.offsets.float())
            boxes = _boxes.clip(boxes, extent)
        return [self._select(*one) for one in zip(scores, boxes, strict=True)]

    def _select(self, scores: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        """The boxes of one image to report, from scores ``[A, K]`` and boxes ``[A, 2 * d]``."""
        scores = scores * (_boxes.volume(boxes) > 0)[:, None]
        # Ten times as many as are reported go on: suppression compares all with all.
        best, place = scores.flatten().topk(min(10 * self.options.max_detections, scores.numel()))
        place = place[best > self.options.score_threshold]
        anchor = place // self.outputs
        number = place % self.outputs
        score = scores[anchor, number]
        kept = _boxes.suppress(boxes[anchor], score, number, self.options.nms_iou)
        kept = kept[: self.options.max_detections]
        return {
            "boxes": boxes[anchor[kept]].cpu(),
            "scores": score[kept].cpu(),
            "classes": number[kept].cpu(),
        }

    def row(self, prediction: Mapping[str, Tensor], sample: Sample) -> Row:
        """Scores, classes and match flags of the detections; number of true boxes per class.

        No coordinate is kept.

        Raises:
            SiteError: the image has no boxes, or a class number outside the study's classes.
        """
        truth = _present(Boxes.of(sample))
        boxes = truth.corners[0]
        classes = truth.classes[0]
        if classes.numel() and not 0 <= int(classes.min()) <= int(classes.max()) < self.outputs:
            raise SiteError("data.box_class", largest=self.outputs - 1)
        corners = [
            b.reshape(-1, 2 * self.dimensions).double().numpy()
            for b in (prediction["boxes"], boxes)
        ]
        numbers = [c.reshape(-1).numpy().astype(np.int64) for c in (prediction["classes"], classes)]
        return _coco.score_image(
            boxes=corners[0],
            scores=prediction["scores"].double().numpy(),
            classes=numbers[0],
            true_boxes=corners[1],
            true_classes=numbers[1],
            count=self.outputs,
        )

    def summarise(self, rows: Sequence[Row]) -> dict[str, float]:
        """``map_50`` and ``map_50_95`` in 0 to 1, mean over the classes among the true boxes.

        ``nan`` if there is no true box.
        """
        precision = _coco.average_precision(rows)
        present = ~np.isnan(precision[0])
        if not present.any():
            return {"map_50": float("nan"), "map_50_95": float("nan")}
        return {
            "map_50": float(precision[0, present].mean()),
            "map_50_95": float(precision[:, present].mean()),
        }


def _present(boxes: Boxes | None) -> Boxes:
    if boxes is None:
        raise SiteError("data.unboxed")
    return boxes


def _padded(lists: Sequence[Tensor]) -> Tensor:
    """``[B, G, ...]``, filled up with 0 to the same number for every image."""
    return nn.utils.rnn.pad_sequence(list(lists), batch_first=True)


def _quality_focal(logits: Tensor, target: Tensor, focus: float) -> Tensor:
    """Focal loss whose target is the IoU of the anchor's box rather than 1.

    Li et al. 2020, "Generalized Focal Loss", equation 2.
    """
    plain = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return plain * (target - logits.sigmoid()).abs().pow(focus)


TASK = TaskType(options=Options, create=Detection)
