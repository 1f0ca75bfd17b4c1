"""Scores de-identified DICOM objects against the table of PS3.15 Annex E, whoever made them.

Pairs of files go in, findings come out.

    findings = scorer.score(source, rewritten, memory, scorer.table())   one pair of data sets
    report = scorer.score_pairs([(source, rewritten), ...])   many; UIDs replaced alike in all

It reads the table as text and compares values only, so that it shares no line with what it judges.
A set such as MIDI-B is scored by pairing each of its files with what was made of it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset
from pydicom.datadict import get_entry
from pydicom.uid import UID_dictionary

import client.deidentify

TABLE = Path(client.deidentify.__file__).with_name("profile.csv")
WORDS = Path(client.deidentify.__file__).with_name("words.txt")
Place = tuple[int | str, ...]


@dataclass
class Memory:
    """What UIDs became over all pairs."""

    new: dict[str, str] = field(default_factory=dict)
    old: dict[str, str] = field(default_factory=dict)


@dataclass
class Report:
    files: int = 0
    conformant: int = 0
    uids: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[int, str]] = field(default_factory=list)


def table() -> dict[str, dict[str, str]]:
    """The rows by tag, e.g. ``"00100010"``, ``"60xx3000"``."""
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {row["tag"]: row for row in csv.DictReader(lines)}


def score_pairs(pairs: Iterable[tuple[Dataset, Dataset]]) -> Report:
    report, memory, rows = Report(), Memory(), table()
    for number, (source, rewritten) in enumerate(pairs):
        findings = list(score(source, rewritten, memory, rows))
        report.files += 1
        report.conformant += not findings
        report.kinds.update(one.split(" ", 1)[0] for one in findings)
        report.findings += [(number, one) for one in findings]
    report.uids = len(memory.new)
    return report


def score(
    source: Dataset, rewritten: Dataset, memory: Memory, rows: dict[str, dict[str, str]]
) -> Iterator[str]:
    """Each finding is ``KIND tag keyword``.

    Kinds: left, kept, uid, inconsistent, private, unknown, text, flag.
    """
    before, after = values(source), values(rewritten)
    for place, (vr, value) in after.items():
        tag, row = str(place[-1]), rows.get(repeating(str(place[-1])))
        if int(tag[:4], 16) % 2:
            yield f"private {tag}"
        elif not is_known(tag):
            yield f"unknown {tag}"
        elif row is None:
            continue
        elif row["action"] == "X" and not cleaned(row, vr, value, before.get(place)):
            yield f"left {tag} {row['keyword']}"
        elif (
            row["action"] not in ("U", "X/Z/U*")
            and unchanged(vr, value, before.get(place))
            and not cleaned(row, vr, value, None)
        ):
            yield f"kept {tag} {row['keyword']}"
    yield from uids(before, after, rows, memory)
    yield from flags(rewritten)


def values(dataset: Dataset, place: Place = ()) -> dict[Place, tuple[str, object]]:
    """Every element of every depth: ``(tag, item, tag, ...)`` to kind and value.

    A sequence's value is how many items it has.
    """
    entries: dict[Place, tuple[str, object]] = {}
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:
            continue
        here = (*place, f"{int(tag):08x}")
        if element.VR == "SQ":
            entries[here] = ("SQ", len(element.value))
            for number, item in enumerate(element.value):
                entries.update(values(item, (*here, number)))
        else:
            entries[here] = (element.VR, None if element.is_empty else element.value)
    return entries


def unchanged(vr: str, value: object, before: tuple[str, object] | None) -> bool:
    if vr == "SQ" or value is None or before is None:
        return False
    return bool(value == before[1]) or str(value).strip() == str(before[1]).strip()


def cleaned(row: dict[str, str], vr: str, value: object, before: tuple[str, object] | None) -> bool:
    """Whether one of the two options allowed what stays.

    That is a date that moved, a time, or a text of harmless words.
    """
    if row["dates"] == "C" and vr in ("DA", "DT"):
        return before is not None and (value is None or not unchanged(vr, value, before))
    if row["dates"] == "C" and vr == "TM":
        return True
    return row["descriptors"] == "C" and vr != "SQ" and harmless(str(value or ""))


def harmless(text: str) -> bool:
    vocabulary = set(
        re.sub(r"^#.*", "", WORDS.read_text("utf-8"), flags=re.MULTILINE).casefold().split()
    )
    return all(
        word in vocabulary or re.fullmatch(r"\d{1,2}[a-z]{0,3}", word)
        for word in re.findall(r"[^\W_]+", text.casefold())
    )


def uids(
    before: dict[Place, tuple[str, object]],
    after: dict[Place, tuple[str, object]],
    rows: dict[str, dict[str, str]],
    memory: Memory,
) -> Iterator[str]:
    """Every UID of the table is replaced: the same by the same, and no two by one."""
    for place, (vr, value) in after.items():
        row = rows.get(str(place[-1]))
        if vr != "UI" or row is None or place not in before:
            continue
        for old, new in zip(listed(before[place][1]), listed(value), strict=False):
            if old in UID_dictionary or not old:
                continue
            if old == new:
                yield f"uid {place[-1]} {row['keyword']}"
            elif memory.new.setdefault(old, new) != new or memory.old.setdefault(new, old) != old:
                yield f"inconsistent {place[-1]} {row['keyword']}"


def listed(value: object) -> list[str]:
    return (
        []
        if value is None
        else [str(value)]
        if isinstance(value, str)
        else [str(one) for one in value]
    )  # type: ignore[attr-defined]


def flags(rewritten: Dataset) -> Iterator[str]:
    if rewritten.get("PatientIdentityRemoved") != "YES":
        yield "flag 00120062 PatientIdentityRemoved"
    if (
        "DeidentificationMethod" not in rewritten
        and "DeidentificationMethodCodeSequence" not in rewritten
    ):
        yield "flag 00120063 DeidentificationMethod"


def repeating(tag: str) -> str:
    if tag[:2] == "60":
        return f"60xx{tag[4:]}"
    return "50xxxxxx" if tag[:2] == "50" else tag


def is_known(tag: str) -> bool:
    try:
        return bool(get_entry(int(tag, 16)))
    except KeyError:
        return False
