"""Checks a hospital's audit log as an auditor does, off-line: is it whole, is it what was signed.

What is wrong is a list of sentences; nothing is mended here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.audit import log as audit_log
from client.audit import witness
from common.errors import SignatureError
from common.trust import merkle, tree_heads
from common.trust.merkle import Frontier

_MOST_WRONG = 50


@dataclass
class AuditVerdict:
    """What an auditor found.

    Attributes:
        entries: lines of the record.
        root: over all of them.
        heads: signed heads that were looked at.
        wrong: what is wrong; empty if nothing is.
        newest: time of the last entry.
        others: heads of other hospitals that are kept here.
        evidence: what was noted against others, or against the server; it is not this record's
            fault.
    """

    entries: int = 0
    root: str = ""
    heads: int = 0
    wrong: list[str] = field(default_factory=list)
    newest: str = ""
    others: int = 0
    evidence: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        """Note what is wrong; a thousand damaged lines are not listed one by one."""
        if len(self.wrong) < _MOST_WRONG:
            self.wrong.append(sentence)


def verify(
    state: Path,
    key: bytes | None = None,
    consortium: str = "",
    name: str = "",
    held: Mapping[str, Any] | None = None,
) -> AuditVerdict:
    """Check a record: numbers, chain, root, and the heads that were signed over it.

    Whatever was changed, taken out, put in or moved shows up to the last entry that journal.head or
    a signed head is over: who may write all three files can shorten the record, and then
    contradicts the heads that the other hospitals hold (``held``).

    Args:
        state: the worker's folder.
        key: the hospital's raw public key; without it signatures are not checked.
        consortium, name: whose record it is.
        held: a signed head of this hospital from elsewhere, e.g. another hospital's
            ``others.json``.
    """
    verdict = AuditVerdict()
    signed = witness.own(state) + ([dict(held)] if held else [])
    verdict.heads = len(signed)
    _walk(verdict, state, _roots_by_size(verdict, state, signed))
    damaged = witness.damaged(state)
    if damaged:
        verdict.add(
            f"{damaged} lines of {witness.OWN} are no heads; "
            "they were changed after they were written."
        )
    if key is not None:
        _check_signatures(verdict, signed, key, consortium, name)
    return verdict


def add_others(
    verdict: AuditVerdict, state: Path, keys: Mapping[str, bytes], consortium: str
) -> None:
    """Check the heads of other hospitals that are kept here; add what was noted against anybody.

    Args:
        verdict: gets what comes out.
        state: the worker's folder.
        keys: raw public keys by hospital, from the signed roster.
        consortium: the own one.
    """
    kept = witness.others(state)
    verdict.others = len(kept)
    for name in sorted(kept.keys() & keys.keys()):
        try:
            site = tree_heads.verify(kept[name], keys[name], consortium).site
        except SignatureError as error:
            verdict.add(f"{witness.OTHERS}: {error}")
        else:
            if site != name:
                verdict.add(f"{witness.OTHERS}: a head of {site!r} stands as that of {name!r}.")
    for event in witness.ALARMS:
        for line in show(state, _MOST_WRONG, event):
            whose = line.get("site", "this hospital")
            verdict.evidence.append(
                f"{event}: entry {line.get('seq')}, {whose}: {line.get('reason')}"
            )


def show(state: Path, last: int = 0, event: str = "") -> list[dict[str, Any]]:
    """Entries of the record, the oldest first.

    Args:
        state: the worker's folder.
        last: so many from the end; 0: all.
        event: only entries whose event or kind of question holds this text.
    """
    entries = []
    for raw in lines(state):
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict) and (
            not event or event in f"{line.get('event', '')} {line.get('kind', '')}"
        ):
            entries.append(line)
    return entries[-last:] if last else entries


def lines(state: Path) -> Iterator[bytes]:
    """Whole lines of the record, as they are hashed."""
    path = state / audit_log.NAME
    if not path.is_file():
        return
    with path.open("rb") as file:
        for line in file:
            # Without an end it is what a machine that lost power left of a line.
            if line.endswith(b"\n"):
                yield line[:-1]


def _roots_by_size(
    verdict: AuditVerdict, state: Path, signed: list[dict[str, Any]]
) -> dict[int, set[str]]:
    """The roots that the record had, or is said to have had, by its number of entries."""
    roots: dict[int, set[str]] = {}
    for head in signed:
        roots.setdefault(head["size"], set()).add(head["root"])
    last = _written(verdict, state)
    if last is not None:
        size, root = last
        roots.setdefault(size, set()).add(root)
    return roots


def _walk(verdict: AuditVerdict, state: Path, roots: dict[int, set[str]]) -> None:
    """Read every entry, compare the root wherever one is to hold, and say what is missing."""
    tree = Frontier()
    prev = audit_log.FIRST
    _compare(verdict, roots.pop(0, set()), 0, merkle.EMPTY.hex())
    for number, raw in enumerate(lines(state)):
        _entry(verdict, raw, number, prev)
        hashed = merkle.leaf(raw)
        tree.append(hashed)
        prev = hashed.hex()
        if tree.size in roots:
            _compare(verdict, roots.pop(tree.size), tree.size, tree.root.hex())
    verdict.entries = tree.size
    verdict.root = tree.root.hex()
    for size in sorted(roots):
        verdict.add(
            f"The record had {size} entries once, and has {tree.size}: "
            "entries are missing at its end."
        )


def _entry(verdict: AuditVerdict, raw: bytes, number: int, prev: str) -> None:
    try:
        line = json.loads(raw)
        seq = line["seq"]
        follows = line["prev"]
        at = line["at"]
    except (ValueError, KeyError, TypeError, RecursionError):
        verdict.add(f"Entry {number} is damaged.")
        return
    if seq != number:
        verdict.add(f"Entry {number} calls itself {seq!r}.")
    if follows != prev:
        verdict.add(
            f"Entry {number} does not follow the entry before it; one of the two was changed."
        )
    verdict.newest = str(at)


def _compare(verdict: AuditVerdict, roots: set[str], size: int, root: str) -> None:
    if roots - {root}:
        verdict.add(
            f"The record of the first {size} entries had another root: "
            "one of them was changed afterwards."
        )


def _written(verdict: AuditVerdict, state: Path) -> tuple[int, str] | None:
    """Size and root in journal.head; None if it cannot be read, which is noted."""
    # It is written with every line; after a loss of power it may be some lines behind.
    try:
        content = json.loads((state / audit_log.HEAD).read_bytes())
        return int(content["size"]), str(content["root"])
    except FileNotFoundError:
        if (state / audit_log.NAME).is_file():
            verdict.add(f"{audit_log.HEAD} is missing.")
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        verdict.add(f"{audit_log.HEAD} cannot be read.")
    return None


def _check_signatures(
    verdict: AuditVerdict, signed: list[dict[str, Any]], key: bytes, consortium: str, name: str
) -> None:
    for head in signed:
        try:
            verified = tree_heads.verify(head, key, consortium)
        except SignatureError as error:
            verdict.add(str(error))
        else:
            if verified.site != name:
                verdict.add(f"A head is of {verified.site!r}; this record is of {name!r}.")
