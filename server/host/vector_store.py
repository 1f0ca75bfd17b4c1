"""Vectors on the server host, as files beside Flower's messages.

    HOME/freight/models/<run>/<SHA-256>        a model, which the proxy hands to hospitals as it
    lies there
    HOME/freight/updates/<run>/<message>       a hospital's vector, under the name of the question
    that it answers
    HOME/freight/asked/<run>/<hospital>        which question that is, and how long the vector is

A run's process keeps no model in memory while it waits: what it sends is a file, mapped into memory
where it is needed. Hospitals' vectors come in by ``server/host/vector_intake.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from common.errors import WireError
from common.protocol.flower_objects import Reference
from common.study import config
from common.update import Vector

_BLOCK = 1 << 20
_TAIL = 1 << 20
"""Bytes that a masked vector has besides a model's: canaries, counts and scores."""
MESSAGE = re.compile(r"[0-9a-f]{64}")
"""Name of a question: the SHA-256 of Flower's envelope."""
_MODELS = 3
"""Models of a run that stay: a slow hospital may still be fetching the one before."""


class VectorStore:
    """The vectors of one run."""

    def __init__(self, home: Path, run_id: int) -> None:
        self._models, self._updates, self._asked = (
            home / "freight" / kind / str(run_id) for kind in ("models", "updates", "asked")
        )
        for folder in (self._models, self._updates, self._asked):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._open: dict[str, str] = {}
        self._parked: tuple[int, Reference] = (0, Reference(0, "0" * 64))

    def keep(self, vector: Vector) -> Vector:
        """Write a model to its file.

        Returns:
            the model as a view of that file, which takes memory only where it is read.
        """
        if not vector.size or self._reference(vector) is not None:
            return vector
        draft = self._models / ".draft"
        digest = hashlib.sha256()
        with draft.open("wb") as file:
            for block in _blocks(vector):
                digest.update(block)
                file.write(block)
        path = self._models / digest.hexdigest()
        draft.replace(path)
        for old in sorted(self._models.iterdir(), key=lambda file: file.stat().st_mtime_ns)[
            :-_MODELS
        ]:
            old.unlink()
        view = _mapped(path, vector.size)
        self._parked = _address(view), Reference(view.size, path.name)
        return view

    def reference(self, vector: Vector) -> Reference:
        """What a message says about a model; the model's file is there from now on."""
        return self._reference(vector) or self.reference(self.keep(vector))

    def expect(self, site: str, message: str, model: Reference | None) -> None:
        """A hospital is about to be asked something; until the next question only this is awaited.

        Args:
            site: the name under which it was enrolled.
            message: name of the question.
            model: of the question; the answer's vector is hardly longer.
        """
        if not config.NAME.fullmatch(site) or not MESSAGE.fullmatch(message):
            raise WireError("A hospital or a question has a name that no file can have.")
        largest = _TAIL + (0 if model is None else 4 * model.size)
        earlier = self._open.get(site)
        draft = self._asked / f".{site}"
        draft.write_text(json.dumps({"message": message, "largest": largest}), "ascii")
        draft.replace(self._asked / site)
        self._open[site] = message
        # It came too late, and nobody takes it any more.
        if earlier is not None:
            (self._updates / earlier).unlink(missing_ok=True)

    def close(self, message: str) -> None:
        """A question was answered: no vector is awaited for it any more."""
        for site in [site for site, awaited in self._open.items() if awaited == message]:
            del self._open[site]
            (self._asked / site).unlink(missing_ok=True)

    def take(self, message: str, reference: Reference) -> Vector:
        """A hospital's vector, checked; its file is gone afterwards.

        Raises:
            WireError: it did not come, or not whole.
        """
        if not MESSAGE.fullmatch(message):
            raise WireError("An answer names no question.")
        path = self._updates / message
        vector = np.empty(reference.size, "<f4")
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                complete = os.fstat(file.fileno()).st_size == vector.nbytes
                for block in _blocks(vector) if complete else ():
                    complete &= file.readinto(block) == len(block)
                    digest.update(block)
        except FileNotFoundError:
            raise WireError("The vector that an answer announces did not come.") from None
        path.unlink()
        if not complete or digest.hexdigest() != reference.sha256:
            raise WireError(
                "An answer's vector is not the one announced: its length or its SHA-256 differs."
            )
        return vector

    def clear(self) -> None:
        """Remove every file of the run."""
        for folder in (self._models, self._updates, self._asked):
            shutil.rmtree(folder, ignore_errors=True)

    def _reference(self, vector: Vector) -> Reference | None:
        """Of the model that lies in the file already, whatever view of it this is."""
        address, reference = self._parked
        return (
            reference
            if vector.size and _address(vector) == address and vector.size == reference.size
            else None
        )


def _address(vector: Vector) -> int:
    return int(vector.__array_interface__["data"][0])


def _mapped(path: Path, size: int) -> Vector:
    return np.memmap(path, "<f4", "r", shape=(size,))


def _blocks(vector: Vector) -> Iterator[memoryview]:
    view = np.ascontiguousarray(vector, dtype="<f4").data.cast("B")
    return (view[start : start + _BLOCK] for start in range(0, len(view), _BLOCK))
