"""Hospitals vouch for each other's records: each signs the head of its own, keeps the newest that the others signed, and writes it into its own.

A hospital that rewrites its past contradicts a head that others hold; a server that hides or changes heads shows that by what it passes on.
Heads travel with training questions and answers, so they cost no exchange.
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
"""Events of the record at which a person must look."""
OWN, OTHERS, EVIDENCE = "heads.jsonl", "others.json", "evidence.jsonl"


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


def take(site: Site, brought: Any, run: str) -> None:
    """Look at the heads that a question brings: keep the newest of each hospital, note them, and note loudly what cannot be true.

    Nothing that is wrong with another's head keeps this hospital from its work: it is evidence, and it stays.
    """
    if not site.keeps_record or not isinstance(brought, Mapping):
        return
    now = datetime.now(UTC)
    roster = site.identity.roster(site.state, now)
    keys = site.identity.keys(roster, now) if roster else {}
    kept, news = others(site.state), dict[str, Any]()
    for name, signed in list(brought.items())[: tree_heads.MOST]:
        if name not in keys:
            continue
        try:
            head = tree_heads.verify(signed, keys[name], site.identity.consortium)
            if head.site != name:
                raise SignatureError(f"A head of {head.site!r} is passed on as that of {name!r}.")
        except SignatureError as error:
            audit_log.note(
                site.state, event="head refused", run=run, site=str(name), reason=str(error)
            )
            continue
        if name == site.name:
            _check_own(site, signed, run)
        elif _is_news(site, kept.get(name), signed, head, run):
            news[name] = signed
    if news:
        locked_json.write(files.private(site.state) / OTHERS, {**kept, **news})
        told = {name: [signed["size"], signed["root"]] for name, signed in sorted(news.items())}
        audit_log.note(site.state, event="heads", run=run, heads=told)


def others(state: Path) -> dict[str, Any]:
    """The newest head of each other hospital, as it travelled; empty where there is none or the file is damaged."""
    try:
        found = json.loads((state / OTHERS).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def own(state: Path) -> list[dict[str, Any]]:
    """Every head that this hospital has signed, the oldest first; a damaged line is left out."""
    found = []
    for line in _lines(state / OWN):
        try:
            tree_heads.read(line)
        except SignatureError:
            continue
        found.append(line)
    return found


def damaged(state: Path) -> int:
    """How many lines of the own heads are none."""
    return sum(bool(line.strip()) for line in _content(state / OWN).splitlines()) - len(own(state))


def _is_news(site: Site, before: Any, signed: Mapping[str, Any], head: Head, run: str) -> bool:
    """Whether a head is newer than the one that is kept; two that contradict each other are both kept as evidence."""
    if before is None:
        return True
    try:
        old = tree_heads.read(before)
    except SignatureError:
        return True
    why = tree_heads.contradict(old, head)
    if why:
        _append(
            site.state / EVIDENCE,
            {"site": head.site, "why": why, "one": before, "two": dict(signed)},
        )
        audit_log.note(site.state, event="history rewritten", run=run, site=head.site, reason=why)
        return False
    return head.size > old.size or (head.size == old.size and head.at > old.at)


def _check_own(site: Site, signed: Mapping[str, Any], run: str) -> None:
    """A head that is shown as ours must be one that we signed: else somebody has our key, or our folder was set back."""
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
    found = []
    for text in texts:
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return [line for line in found if isinstance(line, dict)]


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
