"""Where and how precisely to compute: device, mixed precision and memory layout."""

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
"""How much faster bf16 must be on a CPU: less is not worth the lost precision."""


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
        layout = self.memory_format(dimensions)
        network.to(self.device)
        # torch types the layout alone for tensors, not for modules.
        network.to(memory_format=layout)  # type: ignore[call-overload]
        return network

    def to_json(self) -> dict[str, object]:
        """For the report."""
        shown = {
            "device": _name(self.device),
            "precision": self.precision,
            "channels_last": self.channels_last,
            "note": self.note and self.note.to_json(),
        }
        return {**shown, "threads": torch.get_num_threads()}


def fix_threads(count: int) -> None:
    """Compute with so many processor threads from now on, whichever thread computes; 0.

    As it is.
    """
    if count and count != torch.get_num_threads():
        torch.set_num_threads(count)


def name(requested: str) -> str:
    """What the device for "auto", "cpu", "cuda" calls itself."""
    return _name(device(requested))


def start(requested: str) -> None:
    """Start the device, so that its driver has opened all that it opens.

    Raises:
        ArgumentError: a GPU is asked for and none is usable.
        RuntimeError: its memory is full.
    """
    torch.zeros(1, device=device(requested))


def _name(chosen: torch.device) -> str:
    return torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else "CPU"


def device(requested: str) -> torch.device:
    """The torch device for "auto", "cpu", "cuda" or "cuda:1".

    Raises:
        ArgumentError: a GPU is asked for and none is usable.
    """
    if requested == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if requested.startswith("cuda") and not torch.cuda.is_available():
        raise ArgumentError(
            f"--device is {requested!r}, but torch sees no usable GPU here; use cpu or auto."
        )
    return torch.device(requested)


def choose(requested: str, precision: str, trial: Callable[[Compute], None]) -> Compute:
    """Settle device, precision and layout.

    Args:
        requested: device as for :func:`device`.
        precision: the study's ``training.precision``; "auto" measures float32, bf16 and bf16 with
            channels-last on a CPU, and takes bf16 (else fp16) with channels-last on a GPU.
        trial: does one training step as asked; called a few times to measure.
    """
    chosen = device(requested)
    if chosen.type == "cuda":
        if precision == "auto":
            # Emulated bf16 would be slower than float32.
            native = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if native else "fp16"
        return Compute(chosen, precision, True, say("compute.gpu"))
    if precision != "auto":
        return Compute(chosen, precision, precision == "bf16", say("compute.study"))
    return _fastest(chosen, trial)


def _fastest(cpu: torch.device, trial: Callable[[Compute], None]) -> Compute:
    exact = Compute(cpu, "float32", False)
    contiguous = Compute(cpu, "bf16", False)
    last = Compute(cpu, "bf16", True)
    seconds = {compute: _seconds(trial, compute) for compute in (exact, contiguous, last)}
    best = min(seconds, key=lambda c: seconds[c] * (1.0 if c == exact else _FASTER))
    note = say(
        "compute.measured",
        contiguous=seconds[exact] / seconds[contiguous],
        channels_last=seconds[exact] / seconds[last],
    )
    return replace(best, note=note)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that the GPU's memory is full."""
    return isinstance(error, torch.cuda.OutOfMemoryError)


def _seconds(trial: Callable[[Compute], None], compute: Compute) -> float:
    # The first call also builds the network and the kernels; it is not timed.
    trial(compute)
    best = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        trial(compute)
        best = min(best, time.perf_counter() - began)
    return best
