"""ResNet: four stages of the stated channels and blocks."""

from __future__ import annotations

import pytest
from torch import nn

from common.errors import StudyError
from tests.common.models.networks import build


def test_stages_have_the_channels_and_blocks_that_are_stated() -> None:
    network = build("resnet", 2, channels=[8, 12, 16, 20], layers=[1, 2, 1, 3])
    stages = [network.get_submodule(f"layer{number}") for number in range(1, 5)]
    assert [len(list(stage.children())) for stage in stages] == [1, 2, 1, 3]
    head = network.get_submodule("fc")
    assert isinstance(head, nn.Linear)
    assert head.in_features == 20


def test_a_bottleneck_gives_four_times_the_channels() -> None:
    head = build("resnet", 2, block="bottleneck").get_submodule("fc")
    assert isinstance(head, nn.Linear)
    assert head.in_features == 64


@pytest.mark.parametrize("name", ["channels", "layers"])
def test_other_than_four_stages_are_refused(name: str) -> None:
    with pytest.raises(StudyError, match=rf"model\.{name} has 3 entries; give 4"):
        build("resnet", 2, **{name: [4, 4, 4]})
