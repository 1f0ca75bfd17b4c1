"""Which secure sums this hospital has helped to open: one line each, on disk before the answer leaves.

Two sums about the same thing over different hospitals would differ by one hospital's values; so one is opened, and never a second.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from client.audit import log as audit_log
from common.errors import SecureSumError
from common.secagg.messages import SumSpec, Terms
from common.sentences.table import say
from common.storage import append_log, files

_NAME = "opened.jsonl"


class OpenedSums:
    """The hospital's memory of opened sums, in its state folder.

    Args:
        state: the folder.
        study: digest of the study; two runs of one study ask for the same things.
    """

    def __init__(self, state: Path, study: str) -> None:
        self._state, self._study = state, study
        self._lines: list[dict[str, Any]] = []
        self._read = 0

    def last(self, run: str) -> int:
        """The highest number of a sum of this run that was opened; 0 if none was."""
        return max((line["number"] for line in self._load() if line["run"] == run), default=0)

    def check(self, run: str, order: SumSpec) -> None:
        """Whether a sum about this may be opened in this run.

        Raises:
            SecureSumError: one was.
        """
        if any(line["run"] == run for line in self._same(order)):
            raise SecureSumError(say("sum.opened", kind=order.kind, round=order.round))

    def note(self, terms: Terms, order: SumSpec, survivors: tuple[str, ...]) -> None:
        """Write down that a sum is opened; it is on disk when this returns.

        Raises:
            SecureSumError: one about the same thing was opened before in this run, or over other hospitals in another run of the study; or it
                cannot be written.
        """
        over = hashlib.sha256("\0".join(survivors).encode()).hexdigest()
        line = {
            "run": terms.run,
            "number": terms.number,
            **self._about(order),
            "survivors": over,
            "hospitals": len(survivors),
        }
        try:
            with append_log.opened(files.private(self._state) / _NAME) as log:
                self.check(terms.run, order)
                self._check_cohort(order, over)
                log.append(json.dumps(line).encode())
                told = {
                    key: line[key]
                    for key in ("run", "number", "kind", "part", "round", "model", "hospitals")
                }
                audit_log.note(self._state, event="opened", **told)
        except OSError:
            raise SecureSumError(say("sum.unwritable")) from None

    def _check_cohort(self, order: SumSpec, over: str) -> None:
        if any(line["survivors"] != over for line in self._same(order)):
            raise SecureSumError(say("sum.opened_otherwise", kind=order.kind, round=order.round))

    def _same(self, order: SumSpec) -> list[dict[str, Any]]:
        """The sums about the same thing: a training round, the counts, a part of the data scored in that round or by that model."""
        about = self._about(order)
        alike = [
            line
            for line in self._load()
            if all(line[key] == about[key] for key in ("study", "kind", "part"))
        ]
        return [
            line
            for line in alike
            if line["round"] == about["round"]
            or (order.kind == "evaluate" and line["model"] == about["model"])
        ]

    def _about(self, order: SumSpec) -> dict[str, Any]:
        return {
            "study": self._study,
            "kind": order.kind,
            "part": order.part,
            "round": order.round,
            "model": order.model.hex(),
        }

    def _load(self) -> list[dict[str, Any]]:
        """Every line; what was read before is not read again."""
        path = self._state / _NAME
        size = path.stat().st_size if path.exists() else 0
        if size != self._read:
            try:
                self._lines = [_line(one) for one in append_log.lines(path) if one]
            except (ValueError, TypeError, KeyError):
                raise SecureSumError(say("sum.record_damaged")) from None
            self._read = size
        return self._lines


def _line(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)
    texts = [found[key] for key in ("run", "study", "kind", "part", "model", "survivors")]
    if not all(isinstance(text, str) for text in texts) or not all(
        isinstance(found[key], int) for key in ("number", "round")
    ):
        raise TypeError
    return found
