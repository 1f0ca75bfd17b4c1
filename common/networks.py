"""A study's network, and the way between its tensors and the flat vector.

Floating-point parameters and buffers travel. Whole-number scalars (the counters of batch
normalisation) are added up exactly, since their mean has no meaning; other integer buffers are
constants and stay.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from common import seeds
from common.errors import StudyError
from common.models import Shape
from common.models._sound import sound
from common.study import plugins
from common.study.study import Study
from common.tasks import Task
from common.update import Layout, Vector


def threads() -> int:
    """How many threads compute in this process.

    Sums over another number of them are rounded otherwise.
    """
    return torch.get_num_threads()


def task(study: Study) -> Task:
    """The study's task."""
    created: Task = plugins.load("common.tasks", study.task.name, "TASK").create(
        study.task.options, study.data.dimensions
    )
    return created


def build(study: Study) -> nn.Module:
    """The study's network with its seeded start weights, the same wherever torch is the same."""
    model = plugins.load("common.models", study.model.name, "MODEL")
    shape = Shape(study.data.dimensions, study.data.channels, task(study).outputs)
    # Networks draw their weights from torch's global generator; its state is put back after.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(study.seed, "network"))
        network: nn.Module = model.build(study.model.options, shape)
    return sound(network)


def tensors(network: nn.Module) -> dict[str, Tensor]:
    """The tensors that travel, by name, in layout order."""
    return {
        name: value
        for name, value in network.state_dict(keep_vars=True).items()
        if value.is_floating_point()
    }


def counters(network: nn.Module) -> dict[str, Tensor]:
    """The network's whole-number scalars, by name."""
    return {
        name: value
        for name, value in network.named_buffers()
        if value.dim() == 0 and value.dtype == torch.int64
    }


def layout(network: nn.Module) -> Layout:
    """The layout of a network's vector."""
    named = tensors(network)
    shapes = tuple(tuple(t.shape) for t in named.values())
    return Layout(tuple(named), shapes, tuple(counters(network)))


def pack(network: nn.Module, out: Vector | None = None) -> Vector:
    """The network's weights as a vector ``[P]`` (written to ``out`` if given)."""
    values = [t.detach() for t in tensors(network).values()]
    flat = np.empty(sum(t.numel() for t in values), np.float32) if out is None else out
    torch._foreach_copy_(_split(torch.from_numpy(flat), values), values)
    return flat


def unpack(network: nn.Module, vector: Vector) -> None:
    """Load a vector into the network, in place."""
    values = [t.detach() for t in tensors(network).values()]
    # from_numpy warns of an array that is read-only; it is only read here.
    flat = (
        torch.from_numpy(vector)
        if vector.flags.writeable
        else torch.frombuffer(vector.data, dtype=torch.float32)
    )
    torch._foreach_copy_(values, _split(flat, values))


def _split(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    return [
        part.view(t.shape)
        for part, t in zip(flat.split([t.numel() for t in like]), like, strict=True)
    ]


def start_weights(study: Study, base: Path) -> tuple[Layout, Vector, str]:
    """Layout and start weights of a study, with a sentence that says where they come from.

    Args:
        study: ``study.training.pretrained`` may name a safetensors file.
        base: folder that a relative ``pretrained`` path starts from.

    Raises:
        StudyError: the file cannot be read, or not one of its tensors fits the network.
    """
    network = build(study)
    if not study.training.pretrained:
        return layout(network), pack(network), "seeded random start"
    path = base / study.training.pretrained
    try:
        stored = load_file(path)
    except Exception as error:  # safetensors raises its own type beside OSError
        raise StudyError(
            f"training.pretrained is {str(path)!r}, which is not a readable safetensors file"
            f" ({error})."
        ) from None
    named = tensors(network)
    fits = [n for n, t in named.items() if n in stored and stored[n].shape == t.shape]
    if not fits:
        raise StudyError(
            f"training.pretrained: no tensor of {path.name} fits the network in name and shape;"
            f" first names there: {sorted(stored)[:3]}."
        )
    with torch.no_grad():
        for name in fits:
            named[name].copy_(stored[name])
    missing = sorted(set(named) - set(fits))
    unused = sorted(set(stored) - set(fits))
    return layout(network), pack(network), _origin(fits, missing, unused, path.name)


def _origin(fits: list[str], missing: list[str], unused: list[str], name: str) -> str:
    text = f"{len(fits)} tensors from {name}"
    if missing:
        text += f"; random start for {', '.join(missing)}"
    return text + (f"; not used from the file: {', '.join(unused)}" if unused else "")
