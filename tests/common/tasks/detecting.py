"""Detections and true boxes in few words, for the tests of detection and of its parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from common.sample import Sample
from common.study import config
from common.tasks.detection import TASK, Detection, Options
from tests.targets import of_one

Detections = list[tuple[list[float], float, int]]
"""Box, score and class of each."""
True_ = list[tuple[list[float], int]]
"""Box and class of each."""


def task(classes: int = 2, dimensions: int = 2, **options: Any) -> Detection:
    """The task with the first of four classes."""
    names = ["cell", "nodule", "lung", "heart"][:classes]
    created = TASK.create(config.load(Options, {"classes": names} | options, "task"), dimensions)
    assert isinstance(created, Detection)
    return created


def prediction(detections: Detections, d: int = 2) -> dict[str, Tensor]:
    """Detections as the task predicts them."""
    return {
        "boxes": torch.tensor([f[0] for f in detections], dtype=torch.float32).reshape(-1, 2 * d),
        "scores": torch.tensor([f[1] for f in detections], dtype=torch.float32),
        "classes": torch.tensor([f[2] for f in detections], dtype=torch.int64),
    }


def sample(truth: True_, size: tuple[int, ...] = (1, 40, 60)) -> Sample:
    """An image without content that holds the true boxes."""
    d = len(size) - 1
    boxes = torch.tensor([t[0] for t in truth], dtype=torch.float32).reshape(-1, 2 * d)
    return Sample(
        torch.zeros(size),
        (1.0,) * d,
        targets=of_one(boxes=boxes, classes=torch.tensor([t[1] for t in truth], dtype=torch.int64)),
    )
