"""Which secure sums this hospital has helped to open: one line each, on disk before the answer leaves.

Two sums about the same thing over different hospitals would differ by one hospital's values; so one is opened, and never a second.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from client.site import private
from common.errors import SecureSumError
from common.secagg.messages import Order, Terms

_NAME = "opened.jsonl"


class Ledger:
    """The hospital's memory of opened sums, in its state folder."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._lines: list[dict[str, Any]] = []
        self._read = 0
        self._cut = False

    def last(self, run: str) -> int:
        """The highest number of a sum of this run that was opened; 0 if none was."""
        return max((line["number"] for line in self._load() if line["run"] == run), default=0)

    def check(self, run: str, order: Order) -> None:
        """Whether a sum about this may be opened.

        Raises:
            SecureSumError: one was.
        """
        if any(line["about"] == _about(run, order) for line in self._load()):
            raise SecureSumError(f"A secure sum for {order.kind} in round {order.round} was opened before; a second one is refused.")

    def note(self, terms: Terms, order: Order, survivors: tuple[str, ...]) -> None:
        """Write down that a sum is opened; it is on disk when this returns.

        Raises:
            SecureSumError: one about the same thing was opened before, or it cannot be written.
        """
        self.check(terms.run, order)
        line = {
            "run": terms.run,
            "number": terms.number,
            "about": _about(terms.run, order),
            "survivors": hashlib.sha256("\0".join(survivors).encode()).hexdigest(),
            "hospitals": len(survivors),
        }
        try:
            private(self._state)
            handle = os.open(self._state / _NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, (b"\n" if self._cut else b"") + json.dumps(line).encode() + b"\n")
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError:
            raise SecureSumError("This hospital cannot write down which sums it opens; its disk may be full.") from None

    def _load(self) -> list[dict[str, Any]]:
        """Every line; what was read before is not read again."""
        path = self._state / _NAME
        size = path.stat().st_size if path.exists() else 0
        if size != self._read:
            whole, _, rest = path.read_bytes().rpartition(b"\n")
            try:
                self._lines = [json.loads(line) for line in whole.splitlines() if line]
            except ValueError:
                raise SecureSumError(
                    "The list of opened sums at this hospital is damaged; its IT must look at worker/state/opened.jsonl."
                ) from None
            self._read, self._cut = size, bool(rest)  # a line without its end was never answered: its machine lost power
        return self._lines


def _about(run: str, order: Order) -> list[Any]:
    """What may be summed once: a training round; a part of the data scored by one model; the counts."""
    return [run, order.kind, order.part, order.model.hex() if order.kind == "evaluate" else order.round]
