"""The worker process of a hospital: closes its sandbox around itself, then answers questions.

Nothing heavy is imported before the sandbox is closed, so that torch, the decoders and the
networks' code are inside it from their first line.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from client.isolation import file_access, sandbox
from client.site import Site
from common.errors import ArgumentError, WireError
from common.storage import files

if TYPE_CHECKING:
    from client.isolation.framing import Memory
    from client.isolation.ipc import Answer

Log = Callable[[str], None]

_CACHES = (
    "XDG_CACHE_HOME",
    "NUMBA_CACHE_DIR",
    "TORCH_HOME",
    "TORCHINDUCTOR_CACHE_DIR",
    "TRITON_CACHE_DIR",
    "CUDA_CACHE_PATH",
    "MPLCONFIGDIR",
)
"""Where libraries keep compiled code: in the worker's folder, since the user's home is closed."""


def run(
    site: Site,
    home: Path,
    socket: Path,
    log: Log,
    required_walls: bool,
    stop: threading.Event,
    answer: Answer | None = None,
    threads: int = 0,
) -> None:
    """Be the worker until ``stop`` is set.

    A running answer then has a few seconds to end; after that this ends the whole process. Call it
    before anything that starts threads is imported (numpy, torch, grpc).

    Args:
        site: the hospital; what it keeps lies in ``home / "worker"``.
        home: the hospital's home.
        socket: where to listen; its folder exists.
        log: gets sentences for the hospital's own log.
        required_walls: a part of the sandbox that cannot be closed is an error; else a sentence in
            the log.
        stop: set by whoever ends the worker, e.g. at SIGTERM.
        answer: answers envelopes; by default the hospital's handler.
        threads: with which the hospital computes until this process ends; 0: as torch chooses.

    Raises:
        SandboxError: the sandbox cannot be closed and is required.
        IpcError: the socket cannot be made, or another worker listens there.
    """
    _own_folders(home / "worker")
    file_access.worker(site.folders, home, socket).shut(log, required_walls)
    began = time.monotonic()
    handler = _BusyHandler(answer or _handler(site, threads))
    from client.isolation import ipc  # noqa: PLC0415 (inside the sandbox)

    log(f"worker ready after {time.monotonic() - began:.1f} s")
    ipc.serve(
        socket,
        handler.answer,
        stop,
        log,
        bound=lambda: sandbox.close([sandbox.no_new_sockets], log, required_walls),
    )
    if handler.busy:
        log("worker stops in the middle of an answer, which is abandoned")
        # The thread of the answer cannot be ended in any other way.
        os._exit(0)
    log("worker stopped")


class _BusyHandler:
    """Remembers whether an answer is being worked on."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.busy = False

    def answer(self, text: str, vector: memoryview | None) -> tuple[str, Memory | None]:
        self.busy = True
        try:
            return self._answer(text, vector)
        finally:
            self.busy = False


def _handler(site: Site, threads: int) -> Answer:
    """The hospital's handler; torch and the rest are imported here, once, and stay."""
    from client.training import device  # noqa: PLC0415 (inside the sandbox)
    from client.worker import handler  # noqa: PLC0415 (inside the sandbox)
    from common.protocol.envelopes import Envelope  # noqa: PLC0415

    device.fix_threads(threads)
    # A GPU's driver opens sockets of its own when it starts; soon none can be made any more. What
    # fails here fails again with the first study, which is answered with the reason.
    with suppress(ArgumentError, RuntimeError):
        device.start(site.device)

    def answer(text: str, vector: memoryview | None) -> tuple[str, Memory | None]:
        try:
            envelope = handler.answer(site, Envelope.received(text, vector))
        except WireError as error:
            envelope = handler.fault(site, error)
        return envelope.text, envelope.vector

    return answer


def _own_folders(folder: Path) -> None:
    """Temporary files and caches of this process go to folders of its own."""
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    for name in ("state", "cache", "tmp"):
        files.private(folder / name)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder / "tmp")
    for name in _CACHES:
        os.environ[name] = str(folder / "cache" / name.lower())
