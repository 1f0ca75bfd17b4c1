"""What an optimiser remembers between a hospital's rounds, kept on the hospital's disk.

Where one process plays all hospitals, it is kept in memory as long as it fits.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from client.site import Site
from common.storage import files

OptimizerState = dict[str, Tensor]
"""What an optimiser remembers, by parameter number and name: ``"0.exp_avg"``."""

MEMORY = 1 << 30
"""Most bytes of optimizer state that one process keeps in memory, over all its hospitals."""

# By path: it names hospital and study, so that neither is taken for another.
_kept: dict[Path, OptimizerState] = {}


class OptimizerStore:
    """The optimizer state of one hospital for one study."""

    def __init__(self, site: Site, study: str) -> None:
        self._resident = site.resident
        self._path = site.state / f"moments-{study[:16]}.safetensors"

    def put(self, latest: OptimizerState) -> None:
        """Keep what the optimiser remembers now."""
        self.clear()
        if self._resident:
            on_cpu = {key: value.detach().cpu() for key, value in latest.items()}
            if _remember(self._path, on_cpu):
                return
        _write(self._path, latest)

    def take(self) -> OptimizerState:
        """What was kept last; empty if nothing was."""
        if self._path in _kept:
            return _kept[self._path]
        return load_file(self._path) if self._path.exists() else {}

    def clear(self) -> None:
        """Forget."""
        _kept.pop(self._path, None)
        self._path.unlink(missing_ok=True)


def forget() -> None:
    """Drop what is in memory (between two runs in one process)."""
    _kept.clear()


def _remember(path: Path, latest: OptimizerState) -> bool:
    states = (*_kept.values(), latest)
    if sum(value.nbytes for state in states for value in state.values()) > MEMORY:
        return False
    _kept[path] = latest
    return True


def _write(path: Path, latest: OptimizerState) -> None:
    files.private(path.parent)
    with files.replacing(path) as draft:
        save_file({key: value.contiguous() for key, value in latest.items()}, draft)
