"""Where and how precisely to compute: device, mixed precision, memory layout, and what to do when the GPU's memory is full."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import nn

from common.errors import ArgumentError
from common.sentences.table import Sentence, say

_FASTER = 1.15
"""bf16 is chosen on a CPU only if it is at least this much faster: less is not worth the lost precision."""


@dataclass(frozen=True)
class Compute:
    """How a hospital computes.

    Attributes:
        device: torch device.
        precision: "float32", "bf16" or "fp16".
        channels_last: memory layout of images and convolution weights.
        note: how the choice was made.
    """

    device: torch.device
    precision: str
    channels_last: bool
    note: Sentence | None = None

    def autocast(self) -> AbstractContextManager[object]:
        """Mixed precision for the forward pass."""
        if self.precision == "float32":
            return nullcontext()
        kind = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=kind)

    def memory_format(self, dimensions: int) -> torch.memory_format:
        """Layout of ``[B, C, H, W[, D]]`` images."""
        if not self.channels_last:
            return torch.contiguous_format
        return torch.channels_last if dimensions == 2 else torch.channels_last_3d

    def place(self, network: nn.Module, dimensions: int) -> nn.Module:
        """The network on the device in the layout."""
        return network.to(self.device).to(memory_format=self.memory_format(dimensions))  # type: ignore[call-overload,no-any-return]

    def to_json(self) -> dict[str, object]:
        """For the report."""
        shown = {
            "device": _name(self.device),
            "precision": self.precision,
            "channels_last": self.channels_last,
            "note": self.note and self.note.to_json(),
        }
        return {**shown, "threads": torch.get_num_threads()}


def name(wanted: str) -> str:
    """What the device for "auto", "cpu", "cuda" calls itself."""
    return _name(device(wanted))


def _name(found: torch.device) -> str:
    return torch.cuda.get_device_name(found) if found.type == "cuda" else "CPU"


def device(wanted: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda" or "cuda:1".

    Raises:
        ArgumentError: a GPU is asked for and none is usable.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if wanted.startswith("cuda") and not torch.cuda.is_available():
        raise ArgumentError(
            f"--device is {wanted!r}, but torch sees no usable GPU here; use cpu or auto."
        )
    return torch.device(wanted)


def choose(wanted: str, precision: str, trial: Callable[[Compute], None]) -> Compute:
    """Settle device, precision and layout.

    Args:
        wanted: device as for :func:`device`.
        precision: the study's ``training.precision``; "auto" measures float32, bf16 and bf16 with
            channels-last on a CPU, and takes bf16 (else fp16) with channels-last on a GPU.
        trial: does one training step as asked; called a few times to measure.
    """
    where = device(wanted)
    if where.type == "cuda":
        if precision == "auto":
            precision = (
                "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
            )
        return Compute(where, precision, True, say("compute.gpu"))
    if precision != "auto":
        return Compute(where, precision, precision == "bf16", say("compute.study"))
    ways = [
        Compute(where, kind, last)
        for kind, last in (("float32", False), ("bf16", False), ("bf16", True))
    ]
    seconds = {way: _seconds(trial, way) for way in ways}
    best = min(ways, key=lambda way: seconds[way] * (1.0 if way == ways[0] else _FASTER))
    contiguous, last = (seconds[ways[0]] / seconds[way] for way in ways[1:])
    return replace(best, note=say("compute.measured", contiguous=contiguous, channels_last=last))


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that the GPU's memory is full."""
    return isinstance(error, torch.cuda.OutOfMemoryError)


def _seconds(trial: Callable[[Compute], None], way: Compute) -> float:
    trial(way)
    best = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        trial(way)
        best = min(best, time.perf_counter() - began)
    return best
