"""How much memory one training step takes here.

Measured on the GPU where there is one, else estimated from one image on the CPU.

The estimate adds what must be there at once at the end of the forward pass: weights, their
gradients, the optimizer's state, and what autograd keeps for the backward pass (counted by
PyTorch's saved-tensor hooks for one image, times the batch), and the gradients of the largest
layer. Whole steps took 1.2 to 2 times that sum where it was compared (four networks on a CPU), the
more the smaller they were, so the estimate adds half of it and a fixed amount for the libraries.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from client.training import device
from client.training.local_training import Trainer
from common import networks
from common.sample import Batch
from common.study.study import Study
from common.tasks import Task

_STATE = {"adamw": 2, "sgd": 1}
"""Numbers that an optimizer keeps for each weight."""
_MARGIN = 1.5
_FIXED = 256 << 20
_MIXED = 0.65
"""Share of a mixed-precision step's activations beside float32: convolutions keep halves, norms and
losses whole numbers of 32 bit."""


@dataclass(frozen=True)
class Step:
    """Bytes of one training step.

    Attributes:
        one, whole: at its peak with one image, and with the study's batch size.
        free: what the device has free now.
        how: "measured on ..." or "estimated".
        parts: into how many pieces the batch had to be cut when it was measured; 1 if it was not.
    """

    one: int
    whole: int
    free: int
    how: str
    parts: int = 1


def step(study: Study, task: Task, batch: Batch, device_name: str) -> Step:
    """What a training step of the study takes with images like those of ``batch``.

    Raises:
        ArgumentError: a GPU is asked for and none is usable.
    """
    target = device.device(device_name)
    return (
        _measured(study, task, batch, target)
        if target.type == "cuda"
        else _estimated(study, task, batch)
    )


def _measured(study: Study, task: Task, batch: Batch, target: torch.device) -> Step:
    execution = device.choose(str(target), study.training.precision, lambda _: None)
    free = torch.cuda.mem_get_info(target)[0]
    peaks: list[int] = []
    parts = 1
    for count in (1, study.training.batch_size):
        network = execution.place(networks.build(study), study.data.dimensions)
        trainer = Trainer(network.train(), study, execution)
        torch.cuda.reset_peak_memory_stats(target)
        images = repeated(batch, count).to(target, execution.memory_format(study.data.dimensions))
        # the second step has the optimizer's state from its start
        for _ in range(2):
            trainer._step(task, images, list(trainer.parameters))
        peaks.append(torch.cuda.max_memory_reserved(target))
        parts = trainer.parts
        # else the next batch is measured with this one still in memory
        del network, trainer, images
        torch.cuda.empty_cache()
    how = f"measured on {torch.cuda.get_device_name(target)}"
    return Step(one=peaks[0], whole=peaks[1], free=free, how=how, parts=parts)


def _estimated(study: Study, task: Task, batch: Batch) -> Step:
    network = networks.build(study).train()
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    fixed = weights * (2 + _STATE[study.training.optimizer])
    kept, largest = _kept(network, task, repeated(batch, 2))
    share = _MIXED if study.training.precision in ("bf16", "fp16") else 1.0
    one = kept // 2 * share
    working = 2 * largest // 2 * share
    whole = fixed + study.training.batch_size * (one + working)
    return Step(
        int(_MARGIN * (fixed + one + working)) + _FIXED,
        int(_MARGIN * whole) + _FIXED,
        _free(),
        "estimated",
    )


def _kept(network: nn.Module, task: Task, batch: Batch) -> tuple[int, int]:
    """Bytes that autograd keeps for the backward pass, and the largest tensor among them.

    The weights do not count.
    """
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    sizes: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = task.loss(network, batch)
    del loss
    return sum(sizes.values()), max(sizes.values(), default=0)


def repeated(batch: Batch, count: int) -> Batch:
    """A batch of ``count`` images, made from the ones there are."""
    return batch.select(torch.arange(count) % len(batch))


def _free() -> int:
    """Bytes that programs may still take of the machine's memory (proc(5), MemAvailable).

    Where the system does not say so, all of its memory.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
