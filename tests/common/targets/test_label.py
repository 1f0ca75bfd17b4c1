"""Labels: class numbers or flags, which depend on nothing that moves."""

from __future__ import annotations

import torch

from common.sample import Batch
from common.targets.label import Label
from common.transforms.rotate90 import Turn
from tests.targets import of_many


def test_a_label_stays_as_it_is_when_its_image_moves() -> None:
    label = Label(torch.tensor([2, 0]))
    assert label.follow(Turn((4, 4), torch.tensor([1, 2]))) is label


def test_labels_of_several_questions_are_joined_and_cut_by_image() -> None:
    first = Label(torch.tensor([[0.0, 1.0]]))
    both = Label.join([first, Label(torch.tensor([[1.0, 1.0]]))])
    assert both.values.tolist() == [[0.0, 1.0], [1.0, 1.0]]
    assert both.part(0, 1).values.tolist() == [[0.0, 1.0]]
    assert len(both) == 2


def test_a_holder_without_labels_has_none() -> None:
    images = torch.zeros(2, 1, 4, 4)
    assert Label.of(Batch(images)) is None
    held = Label.of(Batch(images, of_many(labels=torch.tensor([1, 0]))))
    assert held is not None and held.values.tolist() == [1, 0]


def test_a_label_marks_no_place() -> None:
    label = Label.example((4, 4), (1, 1), (2, 2))
    assert label.place(torch.Generator()) is None
    assert label.amount() == 0
