"""Tables that come with images: whose row is whose, and which columns may stay.

A column stays without being asked for only if it reads like a label: few values, which are codes
(0, 1, yes), or words in small letters or short abbreviations (nv, lower extremity, AP), or listed
in labels.toml, and half of the words shared by several patients. Everything else, a capitalised
word too, since it may be a name, is dropped unless it is named with ``--keep``; a value that holds
an identifier known from a header is blanked even then.
"""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from client.dataset import labels
from client.readers import _limits
from common.errors import CaseError, SiteError

Row = dict[str, str]
_LARGEST = 1 << 26
_MOST_ROWS = 1_000_000
_MOST_COLUMNS = 1_000
_MOST_CELLS = 12_000_000
_MOST_BYTES = 256 << 20
"""Most bytes of memory that a table may take."""
_ROW = 160
_TEXT = 100
"""Bytes that a row, and a text that is new, take beside their content."""
_MOST_VALUES = 20
_LONGEST = 40
_ROLES = {
    "file": ("file", "filename", "image", "path", "imagefile"),
    "sop": ("sopinstanceuid", "sopuid", "sop"),
    "series": ("seriesinstanceuid", "seriesuid", "series"),
    "patient": ("patientid", "patient"),
}
_CODE = re.compile(r"[-+]?\d{1,2}(?:\.\d{1,2})?|true|false|yes|no|y|n", re.IGNORECASE)
_WORDS = re.compile(r"[a-z][a-z0-9 _/()+-]*|[A-Z0-9][A-Z0-9+-]{0,4}")
_NUMBER = re.compile(r"\d{4,}|\d[/-]\d{1,2}[/-]\d")
_PERSONAL_WORD = re.compile(
    "name|surname|firstname|birth|birthday|dob|age|address|street|phone|tel|mobile|mail|email"
    "|hospital|clinic|institution|location|city|town|zip|postal|plz|country|physician|doctor"
    "|referrer|operator|radiologist|technician|accession|mrn|insurance|ssn|date|time|day|site"
    "|notes?|comments?|reports?|text|remarks?|reader|rater|observer|annotator|author|by|id|uid"
    "|url|folder|twin"
)


@dataclass(frozen=True)
class Sheet:
    """A table: its columns in order, and its rows."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...] = field(repr=False)

    def column(self, role: str) -> str | None:
        """The column that plays a role: "file", "sop", "series" or "patient"."""
        named = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(self.columns)}
        return next((named[alias] for alias in _ROLES[role] if alias in named), None)

    @property
    def others(self) -> list[str]:
        """Columns that say something about a case rather than which case it is."""
        keys = {self.column(role) for role in _ROLES}
        return [name for name in self.columns if name not in keys and name]


def read(path: Path) -> Sheet:
    """Read a table of text; separator comma, semicolon or tab.

    Raises:
        SiteError: it cannot be read, or it is larger than any table of cases.
    """
    try:
        raw = _limits.table_bytes(path, _LARGEST)
        if sum(map(raw.count, (b",", b";", b"\t", b"\n"))) > _MOST_CELLS:
            raise CaseError("table.cells", f"more than {_MOST_CELLS} cells", file=path.name)
        columns, rows = _rows(labels.Lines(raw))
    except (OSError, ValueError, csv.Error) as error:
        raise SiteError("table.unreadable", f"{path}: {error!r}", file=path.name) from None
    except CaseError as error:
        raise SiteError(error.sentence, f"{path}: {error.local}") from None
    return Sheet(columns, tuple(rows))


class _Cells(Mapping[str, str]):
    """A row of a large table: a cell by its column; a cell that a short row lacks is missing."""

    __slots__ = ("_cells", "_places")

    def __init__(self, places: dict[str, int], cells: tuple[str, ...]) -> None:
        self._places = places
        self._cells = cells

    def __getitem__(self, column: str) -> str:
        place = self._places[column]
        if place >= len(self._cells):
            raise KeyError(column)
        return self._cells[place]

    def __iter__(self) -> Iterator[str]:
        return (column for column, place in self._places.items() if place < len(self._cells))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _rows(lines: labels.Lines) -> tuple[tuple[str, ...], list[_Cells]]:
    """Columns and rows; a text that comes again is kept once.

    What all of them take in memory is counted.
    """
    cell_rows = lines.rows()
    columns = tuple(next(cell_rows, []))
    if len(columns) > _MOST_COLUMNS:
        raise CaseError(
            "table.columns", f"{len(columns)} columns; at most {_MOST_COLUMNS} are allowed", file=""
        )
    places = {column: place for place, column in enumerate(columns)}
    distinct: dict[str, str] = {}
    rows: list[_Cells] = []
    needed = 0
    for cells in cell_rows:
        texts = cells[: len(columns)]
        needed += (
            _ROW
            + 8 * len(texts)
            + sum(_TEXT + sys.getsizeof(text) for text in texts if text not in distinct)
        )
        if len(rows) == _MOST_ROWS or needed > _MOST_BYTES:
            raise CaseError("table.rows", file="", rows=len(rows))
        rows.append(_Cells(places, tuple(distinct.setdefault(text, text) for text in texts)))
    return columns, rows


class Identifiers:
    """Texts that name a person, gathered from headers and tables; they stay in memory."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def add(self, texts: Iterable[str]) -> None:
        """Note identifiers; short ones are passed over, since they would occur in anything."""
        for text in texts:
            for part in {text, *re.split(r"[\^=\s]+", text)}:
                word = part.strip().casefold()
                if len(word) >= 5 or (len(word) == 4 and not word.isdecimal()):
                    self._texts.add(word)

    def within(self, text: str) -> bool:
        """Whether a text holds one of them."""
        folded = text.casefold()
        return any(word in folded for word in self._texts) if len(folded) >= 4 else False


def stays(
    sheet: Sheet,
    owners: Sequence[str | None],
    keep: Iterable[str],
    identifiers: Identifiers,
    listed: Set[str] = frozenset(),
) -> list[str]:
    """Columns that are kept: those that read like labels, and those of ``keep``.

    ``listed`` are the values that labels.toml names.
    """
    asked = set(keep)
    return [
        name
        for name in sheet.others
        if name in asked
        or _is_label(name, sheet.rows, owners, identifiers=identifiers, listed=listed)
    ]


def cleaned(rows: Iterable[Row], identifiers: Identifiers) -> tuple[list[Row], int]:
    """Rows whose values hold no known identifier, and how many values were blanked for that."""
    blanked = 0
    result: list[Row] = []
    verdicts: dict[str, bool] = {}
    for row in rows:
        clean: Row = {}
        for name, value in row.items():
            bad = name not in ("file", "patient_id") and verdicts.setdefault(
                value, identifiers.within(value)
            )
            clean[name] = "" if bad else value
            blanked += bad
        result.append(clean)
    return result, blanked


def text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> bytes:
    """The table as comma-separated UTF-8."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _is_label(
    name: str,
    rows: Sequence[Mapping[str, str]],
    owners: Sequence[str | None],
    identifiers: Identifiers,
    listed: Set[str],
) -> bool:
    if any(map(_PERSONAL_WORD.fullmatch, _words(name))) or identifiers.within(name):
        return False
    people: dict[str, set[str | None]] = defaultdict(set)
    for row, owner in zip(rows, owners, strict=True):
        if row.get(name):
            people[row[name]].add(owner)
        if len(people) > _MOST_VALUES:
            return False
    if not people:
        return False
    if all(_CODE.fullmatch(value) for value in people):
        return True
    if any(value not in listed and not _reads_as_label(value, identifiers) for value in people):
        return False
    return 2 * sum(len(owner) > 1 for owner in people.values()) >= len(people)


def _reads_as_label(value: str, identifiers: Identifiers) -> bool:
    return (
        len(value) <= _LONGEST
        and bool(_WORDS.fullmatch(value))
        and not _NUMBER.search(value)
        and not identifiers.within(value)
    )


def _words(name: str) -> list[str]:
    return (
        re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
        .lower()
        .replace("_", " ")
        .replace("-", " ")
        .replace(".", " ")
        .split()
    )
