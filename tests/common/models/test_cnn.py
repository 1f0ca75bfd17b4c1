"""The small classifier: a stage halves the image, and depth adds convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from common.errors import StudyError
from tests.common.models.networks import build, pictures


@pytest.mark.parametrize("dimensions", [2, 3])
def test_every_stage_halves_the_image(dimensions: int) -> None:
    network = build("cnn", dimensions, channels=[4, 8, 12])
    features = network.get_submodule("features")(pictures(dimensions, side=16))
    assert features.shape == (2, 12, *[2] * dimensions)


def test_depth_is_the_number_of_convolutions_of_a_stage() -> None:
    network = build("cnn", 2, channels=[4, 8], depth=3)
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == 6


def test_dropout_acts_in_training_only() -> None:
    network = build("cnn", 2, dropout=0.9)
    images = pictures(2)
    assert not torch.equal(network.train()(images), network(images))
    assert torch.equal(network.eval()(images), network(images))


def test_no_stage_is_refused() -> None:
    with pytest.raises(StudyError, match="one number of channels for each stage"):
        build("cnn", 2, channels=[])
