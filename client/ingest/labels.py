"""Tables: labels.csv and cases.csv.

Only the columns that a study asks for, and ``patient_id``, are kept. Public sentences name rules, counts and columns, never a value.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client.ingest import _formats, _names
from common.errors import CaseError, SiteError
from common.tasks import Task

PATIENT = "patient_id"
_TABLES = ("labels.csv", "cases.csv")
_MOST_NAMED = 20


@dataclass(frozen=True)
class Table:
    """Rows by file name (:func:`client.ingest._formats.key`); ``torn`` are files whose rows contradict each other."""

    rows: Mapping[str, Mapping[str, str]]
    torn: frozenset[str]


def read_table(folder: Path, task: Task) -> Table:
    """Merge labels.csv and cases.csv by their column ``file``.

    Raises:
        SiteError: a table cannot be read, or a column that the task asks for is missing.
    """
    wanted = (PATIENT, *(task.columns if task.needs == "label" else ()))
    names = _names.read(folder)
    rows: dict[str, dict[str, str]] = {}
    torn: set[str] = set()
    present: list[str] = []
    for name in _TABLES:
        if not (folder / name).is_file():
            continue
        columns, records = names.rows(*_read_csv(folder / name))
        present += [c for c in columns if c not in present]
        for record in records:
            file = _formats.key(record["file"])
            row = rows.setdefault(file, {})
            for column in wanted:
                stated = record.get(column, "")
                value = stated if column == PATIENT else names.label(stated)
                if value and row.setdefault(column, value) != value:
                    torn.add(file)
    if task.needs == "label":
        _check_columns(task.columns, present)
    return Table(rows, frozenset(torn))


def _check_columns(wanted: tuple[str, ...], present: list[str]) -> None:
    missing = [c for c in wanted if c not in present]
    if missing and not present:
        raise SiteError(f"The folder has no labels.csv; give one with the columns file and {', '.join(wanted)}.")
    if missing:
        public = f"labels.csv has no column {', '.join(missing)} among its {len(present)} columns; the hospital's own log names them."
        raise SiteError(public, f"labels.csv has no column {', '.join(missing)}; its columns are: {', '.join(present[:_MOST_NAMED])}.")


def _read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Column names and rows; separator comma, semicolon or tab; UTF-8 or UTF-16 with mark, else UTF-8, else Windows-1252."""
    try:
        raw = path.read_bytes()
        text = _decoded(raw)
        head = text.partition("\n")[0]
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
        columns, *rows = [[cell.strip() for cell in row] for row in reader if any(map(str.strip, row))] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise SiteError(f"{path.name} cannot be read; save it as comma-separated UTF-8 text.", f"{path}: {error!r}") from None
    if "file" not in columns:  # the first line may then be data: it is counted, not quoted
        found = f"{path}: first line {columns!r}"
        raise SiteError(f"{path.name} has no column file among its {len(columns)} columns; begin it with a line of column names.", found)
    return columns, [dict(zip(columns, row, strict=False)) for row in rows if len(row) > columns.index("file")]


def _decoded(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252")


def read_target(row: Mapping[str, str], task: Task) -> int | tuple[int, ...] | None:
    """The class number, or one 0/1 per column if multi-label (two classes name the 0 and the 1); None where the row states none.

    Raises:
        CaseError: a value that the task does not name.
    """
    texts = [row.get(column, "") for column in task.columns]
    if not texts or not all(texts):
        return None
    if task.multi_label:
        pair = task.classes if len(task.classes) == 2 else ("0", "1")
        return tuple(_position(text, pair) for text in texts)
    return _position(texts[0], task.classes)


def _position(text: str, allowed: tuple[str, ...]) -> int:
    """Index among the allowed texts; numbers agree by value, so "1.0" is "1"."""
    if text in allowed:
        return allowed.index(text)
    number = _number(text)
    for i, candidate in enumerate(allowed):
        if number is not None and number == _number(candidate):
            return i
    raise CaseError(f"The label is not one that the study names: {', '.join(allowed)}.", f"label {text!r}; allowed: {', '.join(allowed)}.")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
