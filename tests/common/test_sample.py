"""Samples and batches: image and targets go the same way."""

from __future__ import annotations

import pytest
import torch

from common.sample import Batch, Sample, stack
from common.targets import named
from common.targets.label import Label
from common.targets.mask import Mask


def sample(value: float, label: int) -> Sample:
    mask = Mask.example([4, 6], [1, 1], [2, 3])
    return Sample(
        torch.full((1, 4, 6), value),
        (0.5, 0.7),
        targets=named(mask, Label(torch.tensor([label]))),
    )


@pytest.fixture
def batch() -> Batch:
    return stack([sample(float(i), i) for i in range(3)])


def test_samples_are_stacked_with_their_targets(batch: Batch) -> None:
    assert len(batch) == 3 and batch.images.shape == (3, 1, 4, 6)
    assert batch.spacing == (0.5, 0.7)
    assert set(batch.targets) == {"mask", "label"}
    label = Label.of(batch)
    assert label is not None and label.nbytes == 3 * 8


def test_a_selection_has_the_asked_order_for_all(batch: Batch) -> None:
    chosen = batch.select(torch.tensor([2, 0]))
    label = Label.of(chosen)
    assert chosen.images[:, 0, 0, 0].tolist() == [2.0, 0.0]
    assert label is not None and label.values.tolist() == [2, 0]


def test_a_part_is_a_view(batch: Batch) -> None:
    part = batch.part(1, 3)
    assert len(part) == 2
    part.images[0] = 9.0
    assert batch.images[1].max() == 9.0


def test_bytes_are_those_of_image_and_targets(batch: Batch) -> None:
    one = sample(1.0, 1)
    assert one.dimensions == 2
    assert one.nbytes > one.image.nbytes == 4 * 6 * 4
    assert batch.nbytes == 3 * one.nbytes


def test_a_changed_copy_leaves_the_sample(batch: Batch) -> None:
    one = sample(1.0, 1)
    assert one.with_(patient=7).patient == 7 and one.patient == 0
    assert batch.with_(targets={}).targets == {} and batch.targets
