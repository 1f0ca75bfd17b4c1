"""Hospitals vouch for each other's audit logs: each signs its head, and notes those of the others.

A hospital that rewrites its past contradicts a head that others hold; a server that hides or
changes heads shows that by what it passes on. Heads travel with training questions and answers, so
they cost no exchange.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.audit import log as audit_log
from client.site import Site
from common.errors import SignatureError
from common.storage import append_log, files, locked_json
from common.trust import tree_heads
from common.trust.tree_heads import Head

ALARMS = ("history rewritten", "unknown own head", "head refused")
"""Events of the audit log at which a person must look."""
OWN = "heads.jsonl"
OTHERS = "others.json"
EVIDENCE = "evidence.jsonl"


def sign(site: Site, run: str, number: int) -> dict[str, Any]:
    """The signed head of this hospital's record as it is now; kept before it leaves.

    Raises:
        OSError: it cannot be kept.
        SecureSumError: the hospital has nothing to sign with.
    """
    consortium = site.identity.consortium
    size, root = audit_log.head(site.state)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    signed = tree_heads.sign(
        Head(site.name, consortium, run, number, size, root, now), site.identity.key
    )
    _append(site.state / OWN, signed)
    return signed


def take(site: Site, heads: Any, run: str) -> None:
    """Look at the heads that a question brings: keep the newest of each hospital, and note them.

    Nothing that is wrong with another's head keeps this hospital from its work: it is evidence, and
    it stays.

    Args:
        site: this hospital.
        heads: by hospital, as they came.
        run: name of the run.
    """
    if not site.keeps_record or not isinstance(heads, Mapping):
        return
    now = datetime.now(UTC)
    roster = site.identity.roster(site.state, now)
    keys = site.identity.keys(roster, now) if roster else {}
    kept = others(site.state)
    news: dict[str, Any] = {}
    for name, signed in list(heads.items())[: tree_heads.MOST]:
        if name not in keys:
            continue
        head = _verified(site, name, signed, keys[name], run)
        if head is None:
            continue
        if name == site.name:
            _check_own(site, signed, run)
        elif _is_news(site, kept.get(name), signed, head, run):
            news[name] = signed
    if news:
        locked_json.write(files.private(site.state) / OTHERS, {**kept, **news})
        summary = {name: [signed["size"], signed["root"]] for name, signed in sorted(news.items())}
        audit_log.note(site.state, event="heads", run=run, heads=summary)


def others(state: Path) -> dict[str, Any]:
    """The newest head of each other hospital, as it travelled; empty where the file is damaged."""
    try:
        heads = json.loads((state / OTHERS).read_bytes())
    except (OSError, ValueError):
        return {}
    return heads if isinstance(heads, dict) else {}


def own(state: Path) -> list[dict[str, Any]]:
    """Every head that this hospital has signed, the oldest first; a damaged line is left out."""
    heads = []
    for line in _lines(state / OWN):
        try:
            tree_heads.read(line)
        except SignatureError:
            continue
        heads.append(line)
    return heads


def damaged(state: Path) -> int:
    """How many lines of the own heads are none."""
    return sum(bool(line.strip()) for line in _content(state / OWN).splitlines()) - len(own(state))


def _verified(site: Site, name: str, signed: Any, key: bytes, run: str) -> Head | None:
    """A head that is passed on as that of a hospital; None if it is not, which is noted."""
    try:
        head = tree_heads.verify(signed, key, site.identity.consortium)
        if head.site != name:
            raise SignatureError(f"A head of {head.site!r} is passed on as that of {name!r}.")
    except SignatureError as error:
        audit_log.note(site.state, event="head refused", run=run, site=str(name), reason=str(error))
        return None
    return head


def _is_news(site: Site, before: Any, signed: Mapping[str, Any], head: Head, run: str) -> bool:
    """Whether a head is newer than the one that is kept.

    Two that contradict each other are both kept as evidence.
    """
    if before is None:
        return True
    try:
        old = tree_heads.read(before)
    except SignatureError:
        return True
    contradiction = tree_heads.contradict(old, head)
    if contradiction:
        evidence = {"site": head.site, "why": contradiction, "one": before, "two": dict(signed)}
        _append(site.state / EVIDENCE, evidence)
        audit_log.note(
            site.state, event="history rewritten", run=run, site=head.site, reason=contradiction
        )
        return False
    return head.size > old.size or (head.size == old.size and head.at > old.at)


def _check_own(site: Site, signed: Mapping[str, Any], run: str) -> None:
    """Note a head that is shown as ours and that we have not signed."""
    # Then somebody has our key, or our folder was set back to an older state.
    line = _line({**vars(tree_heads.read(signed)), "signature": signed["signature"]})
    if line not in _content(site.state / OWN):
        audit_log.note(
            site.state,
            event="unknown own head",
            run=run,
            reason="a head signed with this hospital's key is not in its own list",
        )


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        texts = path.read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return []
    values = []
    for text in texts:
        try:
            values.append(json.loads(text))
        except ValueError:
            continue
    return [line for line in values if isinstance(line, dict)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _append(path: Path, value: Mapping[str, Any]) -> None:
    """Add a line; it is on the disk when this returns."""
    files.private(path.parent)
    append_log.append(path, value)
