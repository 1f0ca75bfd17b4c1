"""What an optimiser remembers between a hospital's rounds: on the hospital's disk, or in memory where one process plays all hospitals and they fit."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from client.site import Site
from common.storage import files

Moments = dict[str, Tensor]

MEMORY = 1 << 30
"""Most bytes of moments that one process keeps in memory, over all its hospitals."""

_kept: dict[Path, Moments] = {}


class OptimizerStore:
    """The moments of one hospital for one study."""

    def __init__(self, site: Site, study: str) -> None:
        self._resident = site.resident
        self._path = site.state / f"moments-{study[:16]}.safetensors"

    def put(self, moments: Moments) -> None:
        """Keep what the optimiser remembers now."""
        self.clear()
        if not (
            self._resident
            and _remember(self._path, {key: value.detach().cpu() for key, value in moments.items()})
        ):
            _write(self._path, moments)

    def take(self) -> Moments:
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


def _remember(path: Path, moments: Moments) -> bool:
    if sum(value.nbytes for one in (*_kept.values(), moments) for value in one.values()) > MEMORY:
        return False
    _kept[path] = moments
    return True


def _write(path: Path, moments: Moments) -> None:
    files.private(path.parent)
    with files.replacing(path) as draft:
        save_file({key: value.contiguous() for key, value in moments.items()}, draft)
