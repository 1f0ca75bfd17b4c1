"""Vectors on the server host, as files beside Flower's messages.

    HOME/freight/models/<run>/<SHA-256>        a model, which the proxy hands to hospitals as it
    lies there
    HOME/freight/updates/<run>/<message>       a hospital's vector, under the name of the question
    that it answers

A run's process keeps no model in memory while it waits: what it sends is a file, mapped into memory
where it is needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from common import http_server
from common.errors import WireError
from common.protocol.flower_objects import LARGEST_VECTOR, Reference
from common.update import Vector
from server.host import unix_http

_BLOCK = 1 << 20
_MODELS = 3
"""Models of a run that stay: a slow hospital may still be fetching the one before."""
_TARGET = re.compile(r"/v1/updates/(\d{1,20})/([0-9a-f]{64})")
LEAST_DISK = 1 << 30
"""Bytes of free disk without which the server takes nothing in."""


class VectorStore:
    """The vectors of one run."""

    def __init__(self, home: Path, run_id: int) -> None:
        self._models, self._updates = (
            home / "freight" / kind / str(run_id) for kind in ("models", "updates")
        )
        for folder in (self._models, self._updates):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
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

    def take(self, message: str, reference: Reference) -> Vector:
        """A hospital's vector, checked; its file is gone afterwards.

        Raises:
            WireError: it did not come, or not whole.
        """
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
        for folder in (self._models, self._updates):
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


@contextmanager
def serve(home: Path, path: Path) -> Iterator[None]:
    """Take hospitals' vectors in through a Unix socket: ``PUT /v1/updates/<run>/<message>``.

    The proxy has checked who sends.
    """
    path.unlink(missing_ok=True)
    with unix_http.serving(_Server(path, home / "freight" / "updates"), "vectors"):
        yield


class _Server(unix_http.UnixServer):
    request_queue_size = 256
    at_once = 1024

    def __init__(self, path: Path, folder: Path) -> None:
        self.folder = folder
        super().__init__(path, _Handler)


class _Handler(http_server.Handler):
    server: _Server
    rbufsize = _BLOCK
    timeout = 120

    def do_PUT(self) -> None:  # noqa: N802 - named by the base class
        """Take one file; it gets its name when it is whole, and a name is given once."""
        target = _TARGET.fullmatch(self.path)
        length = self.length()
        if target is None or length is None or length > 4 * LARGEST_VECTOR:
            self.send_error(400)
            return
        folder = self.server.folder / target[1]
        if not folder.is_dir():
            self.refuse(404, "There is no such run.")
        elif shutil.disk_usage(folder).free < length + LEAST_DISK:
            self.refuse(507, "The disk of the server is nearly full.")
        else:
            draft = folder / f".{target[2]}.{threading.get_ident()}"
            try:
                self._receive(draft, length)
                # A hospital sends its vector again where our answer to the first time was lost.
                repeated = (folder / target[2]).exists()
                if not repeated:
                    draft.replace(folder / target[2])
            finally:
                draft.unlink(missing_ok=True)
            self.reply(200 if repeated else 201)

    def _receive(self, path: Path, size: int) -> None:
        block = memoryview(bytearray(_BLOCK))
        with path.open("xb") as file:
            while size:
                count = self.rfile.readinto(block[: min(size, _BLOCK)])
                if not count:
                    raise ConnectionError("the sender hung up")
                file.write(block[:count])
                size -= count
        self.unread = False
