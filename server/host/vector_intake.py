"""Takes hospitals' vectors in through a Unix socket: ``PUT /v1/updates/<run>/<message>``.

The proxy has checked that a member sends, and says by its certificate's number which one. A vector
is taken from the hospital that was asked for it, under the name of that question, once, and no
longer than it can be (``VectorStore.expect``): so a hospital has one unfinished vector for each run
at most, and one that waits. The files that are on their way have their place on the disk reserved.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common import http_server
from common.errors import ConsiliumError
from common.protocol.flower_objects import LARGEST_VECTOR
from server.host.proxy_configuration import SERIAL
from server.host.site_registry import Registry

LEAST_DISK = 1 << 30
"""Bytes of free disk without which the server takes nothing in."""
_BLOCK = 1 << 20
_TARGET = re.compile(r"/v1/updates/([0-9]{1,20})/([0-9a-f]{64})")
_SLOWEST = 64 << 10
"""Bytes a second below which a sender stalls, after its first minute."""
_FIRST_MINUTE = 60.0
_SILENCE = 60.0
"""Seconds between two lines about one hospital in the log."""
Log = Callable[[str], None]


class RefusedVectorError(ConsiliumError):
    """A vector that is not taken.

    Args:
        status: HTTP status of the answer.
        sentence: for the sender, and for the log.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@contextmanager
def serve(home: Path, path: Path, log: Log) -> Iterator[None]:
    """Take vectors in while the block lasts; ``log`` gets who was refused, and why."""
    path.unlink(missing_ok=True)
    # Of a server that was killed in the middle of one.
    for draft in home.glob("freight/updates/*/.*"):
        draft.unlink()
    with http_server.serving_alone(_Server(path, VectorIntake(home, log)), "vectors"):
        yield


class VectorIntake:
    """Who may send what now; knows nothing of HTTP."""

    def __init__(self, home: Path, log: Log) -> None:
        self._updates, self._asked = (home / "freight" / kind for kind in ("updates", "asked"))
        self._registry = Registry(home)
        self._log = log
        self._lock = threading.Lock()
        self._coming: dict[tuple[str, str], int] = {}
        self._written: dict[str, float] = {}

    def sender(self, serial: str) -> str:
        """The enrolled name behind a certificate.

        Raises:
            RefusedVectorError: it is nobody's.
        """
        with self._lock:
            site = self._registry.holder(serial)
        if site is None:
            raise RefusedVectorError(403, "This certificate is no member's.")
        return site

    def awaited(self, site: str, run: str, message: str, length: int) -> None:
        """Whether this hospital may send this now.

        Raises:
            RefusedVectorError: it was not asked, or for less.
        """
        try:
            asked = json.loads((self._asked / run / site).read_bytes())
        except FileNotFoundError:
            asked = {}
        if asked.get("message") != message:
            raise RefusedVectorError(410, "This hospital was not asked for it, or is not any more.")
        if length > asked["largest"]:
            raise RefusedVectorError(413, f"At most {asked['largest']} bytes were asked for.")

    @contextmanager
    def place(self, site: str, run: str, length: int) -> Iterator[None]:
        """Room for one vector, while it is on its way.

        Raises:
            RefusedVectorError: another one of this hospital and run is, or the disk has none.
        """
        with self._lock:
            if (run, site) in self._coming:
                raise RefusedVectorError(409, "Another vector of this hospital is on its way.")
            free = shutil.disk_usage(self._updates).free
            # Counts what is written of them already twice, which errs on the safe side.
            if free < sum(self._coming.values()) + length + LEAST_DISK:
                raise RefusedVectorError(507, "The disk of the server is nearly full.")
            self._coming[run, site] = length
        try:
            yield
        finally:
            with self._lock:
                del self._coming[run, site]

    def files(self, run: str, message: str) -> tuple[Path, Path]:
        """Where a vector lies at last, and until it is whole."""
        folder = self._updates / run
        return folder / message, folder / f".{message}"

    def note(self, site: str, sentence: str) -> None:
        """Write down who sent what is not taken: a line a minute for each."""
        now = time.monotonic()
        with self._lock:
            if now - self._written.get(site, -math.inf) < _SILENCE:
                return
            self._written[site] = now
        self._log(f"a vector of {site} is not taken: {sentence}")


class _Server(http_server.UnixServer):
    request_queue_size = 256
    at_once = 1024

    def __init__(self, path: Path, intake: VectorIntake) -> None:
        self.intake = intake
        super().__init__(path, _Handler)


class _Handler(http_server.Handler):
    server: _Server
    timeout = 30

    def do_PUT(self) -> None:  # noqa: N802 - named by the base class
        """Take one file; it gets its name when it is whole, and a name is given once."""
        intake = self.server.intake
        site = "an unknown sender"
        try:
            site = intake.sender(self.headers.get(SERIAL, ""))
            target = _TARGET.fullmatch(self.path)
            length = self.length()
            if target is None or length is None or length > 4 * LARGEST_VECTOR:
                raise RefusedVectorError(400, "This request is not understood.")
            intake.awaited(site, target[1], target[2], length)
            with intake.place(site, target[1], length):
                status = self._keep(site, target[1], target[2], length)
        except RefusedVectorError as refusal:
            intake.note(site, str(refusal))
            self.refuse(refusal.status, str(refusal))
        except (ConnectionError, TimeoutError):
            intake.note(site, "it broke off or stalled")
            raise
        except (ConsiliumError, OSError) as error:
            intake.note(site, str(error))
            self.refuse(503, "The server cannot take it now.")
        else:
            self.reply(status)

    def _keep(self, site: str, run: str, message: str, length: int) -> int:
        intake = self.server.intake
        path, draft = intake.files(run, message)
        try:
            self._receive(draft, length)
            # Another question may have been asked meanwhile.
            intake.awaited(site, run, message, length)
            # A hospital sends its vector again where our answer to the first time was lost.
            if path.exists():
                return 200
            draft.replace(path)
            return 201
        finally:
            draft.unlink(missing_ok=True)

    def _receive(self, path: Path, size: int) -> None:
        block = memoryview(bytearray(min(_BLOCK, size)))
        last = time.monotonic() + _FIRST_MINUTE + size / _SLOWEST
        with path.open("wb") as file:
            while size:
                # At most one read of the socket: many small pieces do not keep the time from
                # being looked at.
                count = self.rfile.readinto1(block[: min(size, _BLOCK)])
                if not count:
                    raise ConnectionError("the sender hung up")
                if time.monotonic() > last:
                    raise TimeoutError("the sender is too slow")
                file.write(block[:count])
                size -= count
        self.unread = False
