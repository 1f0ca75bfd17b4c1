"""Device, precision and layout are chosen by measuring, and said."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from client.training import device
from client.training.device import Compute
from common.errors import ArgumentError


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ((20, 5, 1), ("bf16", True)),
        ((20, 1, 5), ("bf16", False)),
        ((5, 20, 20), ("float32", False)),
        ((10, 9.5, 9.5), ("float32", False)),
    ],
)
def test_auto_takes_what_is_faster_here(
    monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, ...], chosen: tuple[str, bool]
) -> None:
    table = {
        ("float32", False): seconds[0],
        ("bf16", False): seconds[1],
        ("bf16", True): seconds[2],
    }
    clock = [0.0]
    monkeypatch.setattr(device.time, "perf_counter", lambda: clock[0])

    def trial(compute: Compute) -> None:
        clock[0] += table[compute.precision, compute.channels_last]

    compute = device.choose("cpu", "auto", trial)
    assert (
        (compute.precision, compute.channels_last) == chosen
        and compute.note is not None
        and compute.note.code == "compute.measured"
    )


def test_a_fixed_precision_is_not_measured() -> None:
    def refuse(compute: Compute) -> None:
        raise AssertionError

    assert device.choose("cpu", "float32", refuse).precision == "float32"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_told() -> None:
    for asked in (device.device, device.start):
        with pytest.raises(ArgumentError, match="no usable GPU"):
            asked("cuda")
    device.start("auto")
    assert device.device("auto").type == "cpu"


@pytest.mark.parametrize("dimensions", [2, 3])
def test_channels_last_moves_weights_and_keeps_the_result(dimensions: int) -> None:
    kind = nn.Conv2d if dimensions == 2 else nn.Conv3d
    layer, image = kind(3, 4, 3), torch.rand(2, 3, *[8] * dimensions)
    plain = layer(image)
    compute = Compute(torch.device("cpu"), "float32", True)
    placed = compute.place(layer, dimensions)
    moved = placed(image.to(memory_format=compute.memory_format(dimensions)))
    assert torch.allclose(plain, moved, atol=1e-5)
    assert placed.weight.is_contiguous(memory_format=compute.memory_format(dimensions))


def test_autocast_changes_the_precision_of_the_product() -> None:
    a = torch.rand(4, 4)
    with Compute(torch.device("cpu"), "bf16", True).autocast():
        assert (a @ a).dtype == torch.bfloat16
    with Compute(torch.device("cpu"), "float32", False).autocast():
        assert (a @ a).dtype == torch.float32
