"""A hospital's record at the size of years: 100,000 entries.

All verified, one noted, one proved and checked.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from client.audit import log as audit_log
from client.audit import verification
from common.trust import merkle
from common.trust.merkle import Frontier
from tests.benchmarks._result import Result, best

_ENTRIES = 100_000


def run() -> Iterator[Result]:
    """Yield the figures."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        _write(state)
        wrong = verification.verify(state).wrong
        if wrong:
            raise RuntimeError(wrong[0])
        yield Result(
            "audit verify 100,000 entries",
            best(3, lambda: verification.verify(state), time.perf_counter),
            "s",
            5.0,
        )
        leaves = [merkle.leaf(line) for line in verification.lines(state)]
        yield Result(
            "audit prove 1 of 100,000",
            best(3, lambda: merkle.inclusion(leaves, 4711), time.perf_counter),
            "s",
            1.0,
        )
        root, path = merkle.root(leaves), merkle.inclusion(leaves, 4711)
        checked = best(
            9,
            lambda: merkle.is_included(leaves[4711], 4711, _ENTRIES, path, root),
            time.perf_counter,
        )
        yield Result("audit check a proof", 1e6 * checked, "us", 1000.0)
        audit_log.note(state, **_ENTRY)  # reads the record once
        yield Result(
            "audit note, on disk",
            1e3 * best(50, lambda: audit_log.note(state, **_ENTRY), time.perf_counter),
            "ms",
            50.0,
        )


_ENTRY = {
    "kind": "train",
    "round": 7,
    "run": "run-20261121-1",
    "study": "lungs",
    "left": ["head", "notes", "vector", "Masked"],
    "bytes": 7_510_100,
}


def _write(state: Path) -> None:
    """A record as the worker writes it, without 100,000 times waiting for the disk."""
    tree, last, lines = Frontier(), audit_log.FIRST, []
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    for seq in range(_ENTRIES):
        lines.append(
            json.dumps({"seq": seq, "prev": last, "at": at, **_ENTRY, "seconds": 1.5}).encode()
        )
        hashed = merkle.leaf(lines[-1])
        tree.append(hashed)
        last = hashed.hex()
    (state / audit_log.NAME).write_bytes(b"\n".join(lines) + b"\n")
    (state / audit_log.HEAD).write_text(json.dumps({"size": tree.size, "root": tree.root.hex()}))
