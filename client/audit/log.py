"""The audit log: a line of JSON for each question to this hospital and each decision of its people.

Lines are only ever added. Each holds its number, the hash of the line before, and 128 random bits,
without which whoever sees a hash could try out what stands in the line (a number of patients, a
name). Together they are the leaves of a hash tree (``common/trust/merkle.py``) whose size and root
stand in ``journal.head``; ``client/audit/verification.py`` checks them,
``client/audit/proofs.py`` proves a line to others. No line holds anything about a patient. The
run's name stands in the coordinator's logs too, so that both sides can be laid beside each other.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.audit import schema
from common.storage import append_log, files
from common.storage.append_log import Log
from common.trust import merkle
from common.trust.merkle import Frontier

NAME = "journal.jsonl"
HEAD = "journal.head"
FIRST = "0" * 64
"""What the first line holds in place of a hash of the line before."""
_HEAD_BYTES = 256
"""Bytes of the head's file: always the same, so that it is written over in one piece."""


@dataclass
class _Tree:
    """What this process knows of an audit log.

    Attributes:
        file: the file's number.
        read: bytes read so far.
        tree: over its lines.
        last: hash of the last line.
    """

    file: int = 0
    read: int = 0
    tree: Frontier = field(default_factory=Frontier)
    last: str = FIRST

    def add(self, line: bytes) -> None:
        hashed = merkle.leaf(line)
        self.tree.append(hashed)
        self.last = hashed.hex()


_trees: dict[Path, _Tree] = {}


def note(state: Path, **values: Any) -> None:
    """Append a line; it is on the disk when this returns.

    Raises:
        OSError: it cannot be written; nothing was noted.
        EntryError: it holds what has no place there (``client/audit/schema.py``).
    """
    schema.check(values)
    with append_log.opened(files.private(state) / NAME) as log:
        tree = _caught_up(state / NAME, log)
        # Under the file's lock: number and hash are those of the very next line.
        place = {"seq": tree.tree.size, "prev": tree.last, "salt": secrets.token_hex(16)}
        line = json.dumps(
            {**place, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **values}
        )
        log.append(line.encode())
        tree.add(line.encode())
        tree.read = log.whole
        _write_head(state, tree)


def head(state: Path) -> tuple[int, str]:
    """Number of lines, and the root over them in hexadecimal."""
    with append_log.opened(files.private(state) / NAME) as log:
        tree = _caught_up(state / NAME, log).tree
        return tree.size, tree.root.hex()


def studies(state: Path) -> list[dict[str, Any]]:
    """One entry for each run: study, digest, when first and last asked, rounds done, last fault."""
    runs: dict[str, dict[str, Any]] = {}
    for line in _lines(state / NAME):
        if "event" in line:
            continue
        name = line.get("run") or "refused"
        run = runs.setdefault(name, {"run": name, "first": line["at"], "rounds": 0, "questions": 0})
        run.update(
            study=line.get("study", ""),
            digest=line.get("digest", ""),
            last=line["at"],
            fault=line.get("fault", ""),
        )
        run["questions"] += 1
        run["rounds"] = max(run["rounds"], line.get("round", 0))
    return list(runs.values())


def _caught_up(path: Path, log: Log) -> _Tree:
    """The tree over all whole lines; only what was added since the last call is read."""
    tree = _trees.get(path)
    # Another file under the name, or a shorter one: somebody has changed it, so all is read anew.
    if tree is None or tree.file != log.file or log.whole < tree.read:
        tree = _Tree(log.file)
    for line in log.lines(tree.read):
        tree.add(line)
    tree.read = log.whole
    _trees[path] = tree
    return tree


def _write_head(state: Path, tree: _Tree) -> None:
    """In place and in one piece."""
    # Without fsync: the tree can be worked out again from the lines.
    text = (
        json.dumps({"size": tree.tree.size, "root": tree.tree.root.hex()})
        .encode()
        .ljust(_HEAD_BYTES)
    )
    handle = os.open(state / HEAD, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, text, 0)
    finally:
        os.close(handle)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            try:
                entry = json.loads(line)
            # The last line of a machine that lost power may be cut.
            except ValueError:
                continue
            if isinstance(entry, dict) and "at" in entry:
                yield entry
