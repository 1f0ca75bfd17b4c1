"""What this hospital was asked and what came of it: a line of JSON for each question, in the hospital's own folder.

No line holds anything about a patient. The run's name stands in the coordinator's logs too, so that both sides can be laid beside each other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from client.site import private

_NAME = "journal.jsonl"


def note(state: Path, **values: Any) -> None:
    """Append a line."""
    private(state)
    line = json.dumps({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), **values})
    with os.fdopen(os.open(state / _NAME, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "rb+") as file:
        file.write(b"\n" * _is_cut(file) + line.encode() + b"\n")


def _is_cut(file: BinaryIO) -> bool:
    """Whether the last line has no end, as that of a machine that lost power."""
    end = file.seek(0, os.SEEK_END)
    return end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"


def studies(state: Path) -> list[dict[str, Any]]:
    """One entry for each run: study, digest, when first and last asked, rounds done, last fault."""
    runs: dict[str, dict[str, Any]] = {}
    for line in (one for one in _lines(state / _NAME) if "event" not in one):
        run = runs.setdefault(
            line.get("run") or "refused", {"run": line.get("run") or "refused", "first": line["at"], "rounds": 0, "questions": 0}
        )
        run.update(study=line.get("study", ""), digest=line.get("digest", ""), last=line["at"], fault=line.get("fault", ""))
        run["questions"] += 1
        run["rounds"] = max(run["rounds"], line.get("round", 0))
    return list(runs.values())


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            try:
                found = json.loads(line)
            except ValueError:  # the last line of a machine that lost power
                continue
            if isinstance(found, dict) and "at" in found:
                yield found
