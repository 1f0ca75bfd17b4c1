"""The secure sums that this hospital has helped to open: a line each, on disk before the answer.

Two sums about the same thing over different hospitals would differ by one hospital's values; so one
is opened, and never a second.
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
_AUDITED = ("run", "number", "kind", "part", "round", "model", "hospitals")
"""Fields of a line that stand in the audit log too."""


class RevealedSums:
    """The hospital's memory of opened sums, in its state folder.

    Args:
        state: the folder.
        study: digest of the study; two runs of one study ask for the same things.
    """

    def __init__(self, state: Path, study: str) -> None:
        self._state = state
        self._study = study
        self._lines: list[dict[str, Any]] = []
        self._read = 0

    def last(self, run: str) -> int:
        """The highest number of a sum of this run that was opened; 0 if none was."""
        return max((line["number"] for line in self._load() if line["run"] == run), default=0)

    def check(self, run: str, spec: SumSpec) -> None:
        """Whether a sum about this may be opened in this run.

        Raises:
            SecureSumError: one was.
        """
        if any(line["run"] == run for line in self._same(spec)):
            raise SecureSumError(say("sum.opened", kind=spec.kind, round=spec.round))

    def note(self, terms: Terms, spec: SumSpec, survivors: tuple[str, ...]) -> None:
        """Write down that a sum is opened; it is on disk when this returns.

        Raises:
            SecureSumError: one about the same thing was opened before in this run, or over other
                hospitals in another run of the study; or it cannot be written.
        """
        over = hashlib.sha256("\0".join(survivors).encode()).hexdigest()
        line = {
            "run": terms.run,
            "number": terms.number,
            **self._subject(spec),
            "survivors": over,
            "hospitals": len(survivors),
        }
        try:
            # Checked under the file's lock: of two processes only one opens.
            with append_log.opened(files.private(self._state) / _NAME) as log:
                self.check(terms.run, spec)
                self._check_cohort(spec, over)
                log.append(json.dumps(line).encode())
                audit_log.note(
                    self._state, event="opened", **{field: line[field] for field in _AUDITED}
                )
        except OSError:
            raise SecureSumError(say("sum.unwritable")) from None

    def _check_cohort(self, spec: SumSpec, over: str) -> None:
        if any(line["survivors"] != over for line in self._same(spec)):
            raise SecureSumError(say("sum.opened_otherwise", kind=spec.kind, round=spec.round))

    def _same(self, spec: SumSpec) -> list[dict[str, Any]]:
        """The sums about the same thing.

        A training round, the counts, a part of the data scored in that round or by that model.
        """
        subject = self._subject(spec)
        alike = [
            line
            for line in self._load()
            if all(line[key] == subject[key] for key in ("study", "kind", "part"))
        ]
        # A model that is scored again under another round's number is the same question.
        return [
            line
            for line in alike
            if line["round"] == subject["round"]
            or (spec.kind == "evaluate" and line["model"] == subject["model"])
        ]

    def _subject(self, spec: SumSpec) -> dict[str, Any]:
        return {
            "study": self._study,
            "kind": spec.kind,
            "part": spec.part,
            "round": spec.round,
            "model": spec.model.hex(),
        }

    def _load(self) -> list[dict[str, Any]]:
        """Every line; what was read before is not read again."""
        path = self._state / _NAME
        size = path.stat().st_size if path.exists() else 0
        if size != self._read:
            try:
                self._lines = [_line(content) for content in append_log.lines(path) if content]
            except (ValueError, TypeError, KeyError):
                raise SecureSumError(say("sum.record_damaged")) from None
            self._read = size
        return self._lines


def _line(content: bytes) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(content)
    texts = [line[key] for key in ("run", "study", "kind", "part", "model", "survivors")]
    numbers = [line[key] for key in ("number", "round")]
    if not all(isinstance(text, str) for text in texts) or not all(
        isinstance(number, int) for number in numbers
    ):
        raise TypeError
    return line
