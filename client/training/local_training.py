"""Local training: one hospital's steps of one round, top to bottom."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from client.dataset.loader import SiteDataset, augment
from client.training.device import Compute, is_out_of_memory
from client.training.optimizer_state import OptimizerState
from common import seeds
from common.errors import SiteError
from common.sample import Batch
from common.sentences.table import say
from common.strategies import Strategy
from common.study import plugins
from common.study.schedule import rate_factor
from common.study.sections import Training
from common.study.study import Study
from common.tasks import Task

_PER_WEIGHT = ("exp_avg", "exp_avg_sq", "momentum_buffer")
"""What torch's optimisers remember of each weight, in the weights' own shape and layout."""


@dataclass
class Trainer:
    """A resident network with its optimiser, used for one hospital after the other.

    Attributes:
        parts: into how many pieces each batch is cut because the GPU's memory was full before.
    """

    network: nn.Module
    study: Study
    compute: Compute
    parts: int = 1
    notes: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.optimizer = optimizer(self.study.training, self.parameters)
        self.scaler = torch.amp.GradScaler(
            self.compute.device.type, enabled=self.compute.precision == "fp16"
        )
        self.strategy: Strategy = plugins.load(
            "common.strategies", self.study.strategy.name, "STRATEGY"
        )

    def run(
        self, task: Task, dataset: SiteDataset, site: str, round_number: int, steps: int
    ) -> tuple[float, float]:
        """Train for ``steps`` optimiser steps from the weights that the network holds.

        Returns:
            mean loss over the steps, and seconds spent.

        Raises:
            SiteError: the loss is not finite, or the GPU's memory does not even hold one image.
        """
        began = time.perf_counter()
        seed = seeds.derive(self.study.seed, "train", site, round_number)
        generator = torch.Generator().manual_seed(seeds.derive(seed, "augment"))
        # Dropout draws from torch's global generator, which no argument replaces.
        torch.manual_seed(seeds.derive(seed, "dropout"))
        anchors = (
            [p.detach().clone() for p in self.parameters] if self.strategy.needs_anchors else []
        )
        total = torch.zeros((), device=self.compute.device)
        self.network.train()
        batches = self._batches(dataset, steps, seeds.derive(seed, "batches"), generator)
        for step, batch in enumerate(batches):
            self._set_rate(round_number - 1 + step / steps)
            total += self._step(task, batch, anchors)
        # Read once, at the end: each reading would wait for the GPU.
        loss = float(total) / steps
        if not math.isfinite(loss):
            raise SiteError("training.not_finite")
        return loss, time.perf_counter() - began

    def _batches(
        self, dataset: SiteDataset, steps: int, seed: int, generator: torch.Generator
    ) -> Iterator[Batch]:
        layout = self.compute.memory_format(self.study.data.dimensions)
        for batch in dataset.batches(steps, self.study.training.batch_size, seed):
            yield augment(batch.to(self.compute.device, layout), self.study, generator)

    def _step(self, task: Task, batch: Batch, anchors: list[Tensor]) -> Tensor:
        """One optimiser step; on a full GPU it begins anew with the batch cut into more parts."""
        while True:
            try:
                loss = self._gradients(task, batch)
                break
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.parts >= len(batch):
                    raise
                self._cut(len(batch))
        # First, so that strategies and clipping see gradients as they are.
        self.scaler.unscale_(self.optimizer)
        self.strategy.adjust(self.study.strategy.options, self.parameters, anchors)
        if self.study.training.gradient_clip > 0:
            nn.utils.clip_grad_norm_(self.parameters, self.study.training.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss

    def _gradients(self, task: Task, batch: Batch) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.compute.device)
        for part in _parts(batch, self.parts):
            with self.compute.autocast():
                # Weighted, so that the parts' gradients add up to those of the whole batch.
                loss = task.loss(self.network, part) * (len(part) / len(batch))
            self.scaler.scale(loss).backward()
            total += loss.detach()
        return total

    def _cut(self, images: int) -> None:
        self.parts = min(2 * self.parts, images)
        self.optimizer.zero_grad(set_to_none=True)
        # What the failed attempt reserved has the wrong sizes for smaller parts.
        torch.cuda.empty_cache()
        self.notes.append(say("training.parts", images=images, parts=self.parts).to_json())

    def _set_rate(self, rounds_done: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.study.training.learning_rate * rate_factor(self.study, rounds_done)

    def optimizer_state(self) -> OptimizerState:
        """What the optimiser remembers, to be kept at the hospital between rounds."""
        kept: OptimizerState = {}
        for i, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    kept[f"{i}.{name}"] = value
        return kept

    def restore(self, state: OptimizerState) -> None:
        """Set what the optimiser remembers; an empty table resets it."""
        self.optimizer.state.clear()
        for key, value in state.items():
            number, name = key.split(".", 1)
            parameter = self.parameters[int(number)]
            if name in _PER_WEIGHT:
                copy = torch.empty_like(parameter)
            else:
                copy = torch.empty_like(value, device=self.compute.device)
            self.optimizer.state[parameter][name] = copy.copy_(value)


def optimizer(training: Training, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The study's local optimiser, fused: one pass over the weights."""
    rate = training.learning_rate
    decay = training.weight_decay
    if training.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            rate,
            momentum=training.momentum,
            weight_decay=decay,
            nesterov=training.momentum > 0,
            fused=True,
        )
    betas = (training.momentum, 0.999)
    return torch.optim.AdamW(parameters, rate, betas=betas, weight_decay=decay, fused=True)


def steps_per_round(training: Training, images: int, repeat: int) -> int:
    """Optimiser steps of one round at a hospital with so many training images.

    ``repeat``: with ``local_steps``, the pooled comparison takes as many steps as all hospitals
    together; with ``local_epochs`` it sees as many images as they do without any factor.
    """
    if training.local_steps:
        return training.local_steps * repeat
    return max(1, round(training.local_epochs * images / min(training.batch_size, images)))


def trial_step(
    task: Task, dataset: SiteDataset, study: Study, build: Callable[[], nn.Module]
) -> Callable[[Compute], None]:
    """A function that does one training step with a throw-away network, to be timed."""
    first = next(iter(dataset.batches(1, study.training.batch_size, 0)))
    batch = augment(first, study, torch.Generator().manual_seed(0))
    trainers: dict[Compute, Trainer] = {}

    def trial(compute: Compute) -> None:
        dimensions = study.data.dimensions
        if compute not in trainers:
            network = compute.place(build(), dimensions).train()
            trainers[compute] = Trainer(network, study, compute)
        trainer = trainers[compute]
        layout = compute.memory_format(dimensions)
        trainer._step(task, batch.to(compute.device, layout), list(trainer.parameters))

    return trial


def _parts(batch: Batch, parts: int) -> Iterator[Batch]:
    if parts == 1:
        yield batch
        return
    size = -(-len(batch) // parts)
    for start in range(0, len(batch), size):
        yield batch.part(start, start + size)
