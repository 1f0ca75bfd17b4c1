"""Score a model on a hospital's own images: metrics over many, and their confidence intervals.

Pictures of single images are made only of phantoms; the outbox asks again whether every image of
the folder is one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from client.training.device import Compute
from client.training.example_images import picture
from common import seeds
from common.sample import Sample
from common.study.study import Study
from common.tasks import Row, Task

_EXAMPLES = 2


def score(
    network: nn.Module,
    task: Task,
    samples: Sequence[Sample],
    study: Study,
    compute: Compute,
    intervals: bool,
) -> dict[str, Any]:
    """Metrics of a set of images.

    Returns:
        ``{"metrics": {key: value}, "intervals": {key: [low, high]}, "images", "patients"}``, the
        last two whole numbers; intervals only where they are asked for.
    """
    # Filled by number: groups of one shape do not keep the order of the samples.
    rows: list[Row] = [{} for _ in samples]
    for numbers in _groups(samples, study.evaluation.batch_size):
        predictions = _predict(network, task, [samples[i] for i in numbers], compute)
        for i, prediction in zip(numbers, predictions, strict=True):
            rows[i] = task.row(prediction, samples[i])
    patients = np.array([s.patient for s in samples])
    metrics = task.summarise(rows) if rows else {}
    result = {"metrics": metrics, "images": len(rows), "patients": len(set(patients.tolist()))}
    if intervals and rows and study.evaluation.bootstrap:
        result["intervals"] = bootstrap(
            task,
            rows,
            patients,
            draws=study.evaluation.bootstrap,
            seed=seeds.derive(study.seed, "bootstrap"),
        )
    return result


def bootstrap(
    task: Task, rows: Sequence[Row], patients: np.ndarray, draws: int, seed: int
) -> dict[str, list[float]]:
    """95 % percentile intervals over patients drawn with replacement (Efron 1979).

    Images of one patient are drawn together; a metric that more than half of the draws leave
    undefined has no interval.
    """
    generator = np.random.default_rng(seed)
    by_patient = [np.flatnonzero(patients == p) for p in np.unique(patients)]
    drawn: dict[str, list[float]] = {}
    for _ in range(draws):
        drawn_patients = generator.integers(len(by_patient), size=len(by_patient))
        chosen = np.concatenate([by_patient[i] for i in drawn_patients])
        for key, value in task.summarise([rows[i] for i in chosen]).items():
            drawn.setdefault(key, []).append(value)
    intervals = {}
    for key, values in drawn.items():
        finite = [v for v in values if math.isfinite(v)]
        if len(finite) >= draws / 2:
            intervals[key] = [float(q) for q in np.quantile(finite, [0.025, 0.975])]
    return intervals


def examples(
    network: nn.Module, task: Task, samples: Sequence[Sample], compute: Compute
) -> list[dict[str, str]]:
    """Pictures of a few phantoms with truth and prediction; the caller makes sure of no patient."""
    shown = sorted(range(len(samples)), key=lambda i: -_interest(samples[i]))[:_EXAMPLES]
    pictures = []
    for number, i in enumerate(shown, 1):
        prediction = _predict(network, task, [samples[i]], compute)[0]
        pictures.append({"caption": f"phantom {number}", **picture(samples[i], prediction)})
    return pictures


def _interest(sample: Sample) -> float:
    return max((target.amount() for target in sample.targets.values()), default=0.0)


def _predict(
    network: nn.Module, task: Task, samples: Sequence[Sample], compute: Compute
) -> list[dict[str, torch.Tensor]]:
    network.eval()
    images = torch.stack([s.image.float() for s in samples])
    images = images.to(compute.device, memory_format=compute.memory_format(images.dim() - 2))
    with torch.inference_mode(), compute.autocast():
        return task.predict(network, images)


def _groups(samples: Sequence[Sample], size: int) -> Iterator[list[int]]:
    """Numbers of samples of one shape, at most ``size`` at a time."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for i, sample in enumerate(samples):
        by_shape.setdefault(tuple(sample.image.shape), []).append(i)
    for numbers in by_shape.values():
        for start in range(0, len(numbers), size):
            yield numbers[start : start + size]
