"""Tables: labels.csv and cases.csv.

Only the columns that a study asks for, and ``patient_id``, are kept. Public sentences name rules,
counts and columns, never a value.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from client.dataset import label_names
from client.readers import _limits, _registry
from common.errors import CaseError, SiteError
from common.tasks import Task

PATIENT = "patient_id"
_TABLES = ("labels.csv", "cases.csv")
_MOST_NAMED = 20
"""Most columns that a sentence of the hospital's own log names."""
_LARGEST = 1 << 27
"""Most bytes of a table."""
_LONGEST = 1 << 20
"""Most characters of a row."""
_MOST_LINES = 2_000_000
_MOST_COLUMNS = 10_000
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Table:
    """Rows of labels.csv and cases.csv.

    Attributes:
        rows: by file name (:func:`client.readers._registry.key`).
        torn: files whose rows contradict each other.
    """

    rows: Mapping[str, Mapping[str, str]]
    torn: frozenset[str]


def read_table(folder: Path, asked: Sequence[str]) -> Table:
    """Merge labels.csv and cases.csv by their column ``file``.

    Args:
        folder: the hospital's folder.
        asked: the columns that must be there.

    Raises:
        SiteError: a table cannot be read, a column that is asked for is missing, or it says whose
            an image is.
    """
    # A study that asked for them would learn whether one person, by name, is at this hospital.
    if forbidden := [column for column in asked if column in ("file", PATIENT)]:
        raise SiteError("data.identifying_column", columns=forbidden)
    kept = (PATIENT, *asked)
    names = label_names.read(folder)
    rows: dict[str, dict[str, str]] = {}
    torn: set[str] = set()
    present: list[str] = []
    for name in _TABLES:
        if not (folder / name).is_file():
            continue
        stored = _read_csv(folder / name, lambda c: names.columns.get(c, c) in ("file", *kept))
        columns, records = names.rows(*stored)
        present += [c for c in columns if c not in present]
        for record in records:
            file = _registry.key(record["file"])
            row = rows.setdefault(file, {})
            for column in kept:
                stated = record.get(column, "")
                value = stated if column == PATIENT else names.label(stated)
                if value and row.setdefault(column, value) != value:
                    torn.add(file)
    _check_columns(asked, present)
    return Table(rows, frozenset(torn))


def patients(folder: Path) -> set[str]:
    """Identifiers in the column ``patient_id`` of labels.csv and cases.csv.

    Raises:
        SiteError: a table cannot be read.
    """
    tables = [
        _read_csv(folder / name, lambda column: column == PATIENT)
        for name in _TABLES
        if (folder / name).is_file()
    ]
    return {record.get(PATIENT, "") for _, records in tables for record in records} - {""}


def _check_columns(asked: Sequence[str], present: list[str]) -> None:
    missing = [c for c in asked if c not in present]
    if missing and not present:
        raise SiteError("data.no_labels", columns=asked)
    if missing:
        local = (
            f"labels.csv has no column {', '.join(missing)}; "
            f"its columns are: {', '.join(present[:_MOST_NAMED])}."
        )
        # Not which: else a study could ask a hospital for names of columns, one by one.
        raise SiteError("data.no_column", local, columns=asked, present=len(present))


def _read_csv(
    path: Path, keep: Callable[[str], bool] = lambda column: True
) -> tuple[list[str], list[dict[str, str]]]:
    """Column names, and rows of those columns that are kept.

    Separator comma, semicolon or tab; UTF-8 or UTF-16 with mark, else UTF-8, else Windows-1252.
    """
    try:
        lines = Lines(_limits.table_bytes(path, _LARGEST), path.name)
        reader = lines.rows()
        columns = next(reader, [])
        kept = [i for i, column in enumerate(columns) if keep(column)]
        file = columns.index("file") if "file" in columns else len(columns)
        rows = [
            {columns[i]: row[i] for i in kept if i < len(row)} for row in reader if len(row) > file
        ]
    except (OSError, ValueError, csv.Error) as error:
        raise SiteError("table.unreadable", f"{path}: {error!r}", file=path.name) from None
    except CaseError as error:
        raise SiteError(error.sentence, f"{path}: {error.local}") from None
    # The first line may then be data: outside the hospital it is counted, not quoted.
    if "file" not in columns:
        local = f"{path}: first line {columns[:_MOST_NAMED]!r}"
        raise SiteError("table.no_file_column", local, file=path.name, columns=len(columns))
    return columns, rows


class Lines:
    """A table's text line by line, never as a whole.

    Counts lines, and characters of the row that is being read.

    Args:
        raw: the table.
        name: of its file.
    """

    def __init__(self, raw: bytes, name: str = "") -> None:
        self._name = name
        self._text = io.TextIOWrapper(io.BytesIO(raw), encoding(raw), newline="")
        head = self._text.readline(_LONGEST)
        self._text.seek(0)
        self._separator = max(",;\t", key=head.count)
        self._lines = 0
        self._characters = 0

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(_LONGEST + 1):
            self._lines += 1
            self._characters += len(line)
            if self._characters > _LONGEST:
                raise CaseError(
                    "table.long_row", f"a row of more than {_LONGEST} characters", file=self._name
                )
            if self._lines > _MOST_LINES:
                raise CaseError("table.lines", f"more than {_MOST_LINES} lines", file=self._name)
            yield line

    def rows(self) -> Iterator[list[str]]:
        """The rows that are not blank, cells stripped."""
        for row in csv.reader(iter(self), delimiter=self._separator, strict=True):
            self._characters = 0
            cells = [cell.strip() for cell in row]
            if len(cells) > _MOST_COLUMNS:
                raise CaseError(
                    "table.columns", f"more than {_MOST_COLUMNS} columns", file=self._name
                )
            if any(cells):
                yield cells


def encoding(raw: bytes) -> str:
    """How a table's text is written.

    Raises:
        ValueError: it holds zero bytes, so it is no text.
    """
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if b"\0" in raw:
        raise ValueError("zero bytes")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw) + 1, _CHUNK):
            decoder.decode(raw[start : start + _CHUNK], final=start + _CHUNK > len(raw))
    except UnicodeDecodeError:
        return "cp1252"
    # Excel begins UTF-8 with a mark; this reads it with and without.
    return "utf-8-sig"


def read_target(row: Mapping[str, str], task: Task) -> int | tuple[int, ...] | None:
    """The class number, or one 0/1 per column if multi-label; None where the row states none.

    Of a multi-label task with two classes, these are the names of the 0 and the 1.

    Raises:
        CaseError: a value that the task does not name.
    """
    texts = [row.get(column, "") for column in task.columns]
    if not texts or not all(texts):
        return None
    if task.multi_label:
        return tuple(position(text, allowed(task)) for text in texts)
    return position(texts[0], task.classes)


def allowed(task: Task) -> tuple[str, ...]:
    """The values that a column may have."""
    return ("0", "1") if task.multi_label and len(task.classes) != 2 else task.classes


def position(text: str, allowed: tuple[str, ...]) -> int:
    """Index among the allowed texts; numbers agree by value, so "1.0" is "1".

    Raises:
        CaseError: it is none of them.
    """
    if text in allowed:
        return allowed.index(text)
    number = _number(text)
    for i, candidate in enumerate(allowed):
        if number is not None and number == _number(candidate):
            return i
    local = f"label {text!r}; allowed: {', '.join(allowed)}."
    raise CaseError("case.label", local, allowed=allowed)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
