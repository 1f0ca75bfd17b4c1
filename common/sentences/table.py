"""All that a hospital says in words: codes of one curated table with typed arguments.

The reader's own table makes a sentence of them. What travels is ``{"code", "arguments"}``. There is
no argument of free text, so that no header, file name, name or cell of a table can leave in a
sentence. The parts of the table lie beside this file, by subject.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from common.sentences._cases import CASES
from common.sentences._data import DATA
from common.sentences._dicom import DICOM
from common.sentences._exchange import EXCHANGE
from common.sentences._hospital import HOSPITAL
from common.sentences.kinds import Entry, Surroundings, Value

TABLE: Mapping[str, Entry] = {**DATA, **CASES, **DICOM, **HOSPITAL, **EXCHANGE}
"""Code: its sentence and the types of its arguments."""
STEPS = (
    "question",
    "signature",
    "admission",
    "record",
    "reading",
    "sum",
    "training",
    "scoring",
    "outbox",
    "gateway",
)
"""Where at a hospital a question came to nothing."""
_UNFIT = "data.unfit"
_UNKNOWN = "message.unknown"


@dataclass(frozen=True)
class Sentence:
    """A code of the table with arguments of its types.

    Args:
        code: of the table.
        arguments: names and values, by name.

    Raises:
        ValueError: the code is not in the table, or the arguments are not those of its row.
    """

    code: str
    arguments: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        entry = TABLE.get(self.code)
        if entry is None:
            raise ValueError(f"a sentence has the code {self.code!r}, which is not in the table")
        values = dict(self.arguments)
        # Two forms of a row: with all arguments, or without those that are counts.
        whole = values.keys() == entry.kinds.keys()
        short = entry.short != "" and values.keys() == entry.kinds.keys() - entry.counts
        # Fewer values than arguments: a name stood twice, and one value would go unchecked.
        if len(values) < len(self.arguments) or not (whole or short):
            raise ValueError(
                f"{self.code} has the arguments {sorted(values)}; {sorted(entry.kinds)} are needed"
            )
        if not all(entry.kinds[name].fits(value) for name, value in values.items()):
            raise ValueError(f"{self.code} has an argument of another type")

    def render(self) -> str:
        """The sentence, for people."""
        entry = TABLE[self.code]
        whole = len(self.arguments) == len(entry.kinds)
        return (entry.template if whole else entry.short).format_map(
            {n: entry.kinds[n].show(v) for n, v in self.arguments}
        )

    @property
    def least_count(self) -> float:
        """The smallest number of the hospital's data in it; infinite without one."""
        counts = TABLE[self.code].counts
        numbers = [value for name, value in self.arguments if name in counts]
        return min((value for value in numbers if isinstance(value, int | float)), default=math.inf)

    def without_counts(self) -> Sentence:
        """The same without numbers of the hospital's data, or a general sentence in its place."""
        entry = TABLE[self.code]
        if not entry.counts:
            return self
        if not entry.short:
            return Sentence(_UNFIT)
        return Sentence(
            self.code,
            tuple((name, value) for name, value in self.arguments if name not in entry.counts),
        )

    def stands(self, surroundings: Surroundings) -> bool:
        """Whether this hospital has every word of the study, setting and hospital in it at hand."""
        kinds = TABLE[self.code].kinds
        return all(kinds[name].stands(value, surroundings) for name, value in self.arguments)

    def to_json(self) -> dict[str, Any]:
        """``{"code", "arguments"}``."""
        return {
            "code": self.code,
            "arguments": {n: list(v) if isinstance(v, tuple) else v for n, v in self.arguments},
        }

    @staticmethod
    def from_json(value: object) -> Sentence:
        """A sentence as it travels.

        Raises:
            ValueError: its code is not in the table, or its arguments are not those of its row
                and of their types.
        """
        try:
            if not isinstance(value, Mapping) or value.keys() != {"code", "arguments"}:
                raise ValueError("not a code with arguments")
            arguments = tuple(
                (name, tuple(v) if isinstance(v, list) else v)
                for name, v in sorted(value["arguments"].items())
            )
            return Sentence(value["code"], arguments)
        except (TypeError, AttributeError, KeyError):
            raise ValueError("no code of the table with arguments of its types") from None


def say(code: str, **arguments: object) -> Sentence:
    """A sentence of this side; numbers are rounded and cut to what its types allow.

    Raises:
        ValueError: the code is not in the table, or the arguments are not those of its row.
    """
    kinds = TABLE[code].kinds if code in TABLE else {}
    return Sentence(
        code,
        tuple(
            (n, kinds[n].converted(v) if n in kinds else str(v))
            for n, v in sorted(arguments.items())
        ),
    )


def heard(value: object) -> Sentence:
    """A sentence of the other side; a neutral one where this side does not know it.

    The text that came is never shown.
    """
    try:
        return Sentence.from_json(value)
    except ValueError:
        return Sentence(_UNKNOWN)


def rendered(values: object, most: int) -> tuple[str, ...]:
    """The first sentences of a list as it travels, for people.

    Args:
        values: sentences as they travel, some with ``images``, the number of images left out.
        most: so many of them.
    """
    items = values[:most] if isinstance(values, list) else []
    return tuple(_counted(item) for item in items)


def _counted(item: object) -> str:
    images = item.get("images") if isinstance(item, Mapping) else None
    if not isinstance(item, Mapping) or type(images) is not int:
        return heard(item).render()
    reason = {name: v for name, v in item.items() if name != "images"}
    return f"{images} left out: {heard(reason).render()}"
