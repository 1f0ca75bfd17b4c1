"""Networks and vectors; pretrained weights are named, never loaded silently."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from common import networks
from common.errors import StudyError
from common.study import study as studies
from common.study.study import Study
from tests import small


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return studies.read(small.study(tmp_path / "study.toml"))


def test_there_and_back(study: Study) -> None:
    net = networks.build(study)
    vector = np.random.default_rng(0).standard_normal(networks.layout(net).size).astype(np.float32)
    networks.unpack(net, vector)
    assert networks.pack(net).tobytes() == vector.tobytes()
    for (name, view), tensor in zip(
        networks.layout(net).views(vector), networks.tensors(net).values(), strict=True
    ):
        assert np.array_equal(view, tensor.detach().numpy()), name


def test_channels_last_weights_travel_in_the_same_order(study: Study) -> None:
    net = networks.build(study)
    plain = networks.pack(net)
    moved = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert networks.pack(moved).tobytes() == plain.tobytes()
    networks.unpack(moved, plain * 2)
    assert np.array_equal(networks.pack(moved), plain * 2)


def test_whole_number_buffers_stay_at_home() -> None:
    net = nn.BatchNorm2d(3)
    assert set(networks.tensors(net)) == {"weight", "bias", "running_mean", "running_var"}


def test_the_start_is_seeded_and_leaves_the_global_generator_alone(study: Study) -> None:
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    one, two = networks.pack(networks.build(study)), networks.pack(networks.build(study))
    assert torch.equal(torch.rand(1), before) and np.array_equal(one, two)
    assert not np.array_equal(one, networks.pack(networks.build(replace(study, seed=99))))


def test_pretrained_weights_name_what_does_not_fit(study: Study, tmp_path: Path) -> None:
    named = {k: v.detach().clone() + 1 for k, v in networks.tensors(networks.build(study)).items()}
    first, second = list(named)[:2]
    named[first] = torch.zeros(1, 2, 3)
    named["head.bias"] = torch.zeros(4)
    save_file(named, tmp_path / "start.safetensors")
    _, vector, origin = networks.start_weights(
        replace(study, training=replace(study.training, pretrained="start.safetensors")), tmp_path
    )
    assert (
        f"random start for {first}" in origin
        and "not used from the file" in origin
        and "head.bias" in origin
    )
    views = dict(networks.layout(networks.build(study)).views(vector))
    assert np.array_equal(views[second], named[second].numpy())


def test_a_file_that_fits_nowhere_or_is_none_is_refused(study: Study, tmp_path: Path) -> None:
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\x80\x04pickle")
    for name, words in (
        ("other.safetensors", "no tensor"),
        ("broken.safetensors", "not a readable"),
        ("absent", "not a readable"),
    ):
        with pytest.raises(StudyError, match=words):
            networks.start_weights(
                replace(study, training=replace(study.training, pretrained=name)), tmp_path
            )
