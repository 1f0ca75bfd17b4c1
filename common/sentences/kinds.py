"""Types of the arguments of a sentence.

Numbers within bounds, words of the study, names of settings and hospitals, literals of a fixed
list. There is no type for free text. A kind looks at a value twice: alone (``fits``), and beside
what only a hospital has at hand (``stands``): the words of the study, the names of its settings and
of the policy's, the hospitals on the signed roster.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

Value = int | float | str | tuple[str, ...]
LARGEST_WHOLE = 999_999
"""A number of more than six digits could be somebody's identifier."""
_LARGEST_NUMBER = 1e9
_LONGEST = 200
"""Characters of a word of the study."""
_MOST = 64
"""Values of an argument that is a list."""
_SETTING = re.compile(r"[a-z][a-z0-9_]{0,40}(\.[a-z][a-z0-9_]{0,40}){0,3}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SPAN = re.compile(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)")


class Surroundings(Protocol):
    """What a hospital has at hand when a sentence is about to leave."""

    @property
    def words(self) -> frozenset[str]:
        """Texts of the study, each whole."""

    @property
    def settings(self) -> frozenset[str]:
        """Names of the settings of a study and of a policy."""

    @property
    def hospitals(self) -> frozenset[str]:
        """Names on the signed roster."""


class Kind(Protocol):
    """A type of argument."""

    @property
    def count(self) -> bool:
        """Whether a value tells something of the hospital's data.

        Then it leaves only where the policy's switch ``share_counts`` allows that.
        """

    def converted(self, value: object) -> Value:
        """A value in the form that fits, e.g. rounded."""

    def fits(self, value: object) -> bool:
        """Whether a value is of this type."""

    def stands(self, value: Value, surroundings: Surroundings) -> bool:
        """Whether a value that fits also stands in what the hospital has at hand."""

    def show(self, value: Value) -> str:
        """The value within a sentence."""


@dataclass(frozen=True)
class _Plain:
    """What kinds have in common unless they say otherwise.

    They are no counts; their values need no surroundings and are shown as they are.
    """

    count: bool = field(default=False, kw_only=True)

    def stands(self, value: Value, surroundings: Surroundings) -> bool:
        return True

    def show(self, value: Value) -> str:
        return str(value)


@dataclass(frozen=True)
class _Whole(_Plain):
    """A whole number from 0 to 999999; a larger one is told as the largest."""

    def converted(self, value: object) -> Value:
        return min(max(int(str(value)), 0), LARGEST_WHOLE)

    def fits(self, value: object) -> bool:
        # Not isinstance: True is an int too.
        return type(value) is int and 0 <= value <= LARGEST_WHOLE


@dataclass(frozen=True)
class _Number(_Plain):
    """A finite number of three significant digits, below 10^9 in size."""

    def converted(self, value: object) -> Value:
        number = float(str(value))
        if not math.isfinite(number):
            return 0.0
        return float(f"{min(max(number, -_LARGEST_NUMBER), _LARGEST_NUMBER):.3g}")

    def fits(self, value: object) -> bool:
        if type(value) is not float or not math.isfinite(value) or abs(value) > _LARGEST_NUMBER:
            return False
        return value == float(f"{value:.3g}")

    def show(self, value: Value) -> str:
        return f"{value:g}"


@dataclass(frozen=True)
class _Text(_Plain):
    """A word of the study: exactly a text that stands in it."""

    def converted(self, value: object) -> Value:
        return str(value)

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable()

    def stands(self, value: Value, surroundings: Surroundings) -> bool:
        return value in surroundings.words


@dataclass(frozen=True)
class _Setting(_Plain):
    """The name of a setting of a study or of a policy."""

    def converted(self, value: object) -> Value:
        return str(value)

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and _SETTING.fullmatch(value) is not None

    def stands(self, value: Value, surroundings: Surroundings) -> bool:
        return value in surroundings.settings


@dataclass(frozen=True)
class _Hospital(_Plain):
    """The name of a hospital on the signed roster."""

    def converted(self, value: object) -> Value:
        return str(value)

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and _NAME.fullmatch(value) is not None

    def stands(self, value: Value, surroundings: Surroundings) -> bool:
        return value in surroundings.hospitals


@dataclass(frozen=True)
class _Literal(_Plain):
    """One text of a fixed list, or what stands for everything else."""

    choices: tuple[str, ...] = ()
    other: str = ""

    def converted(self, value: object) -> Value:
        return str(value) if not self.other or value in self.choices else self.other

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and (
            value in self.choices or (self.other != "" and value == self.other)
        )


@dataclass(frozen=True)
class _Several(_Plain):
    """Up to 64 values of another kind; only the first ones of more are told."""

    one: _Text | _Literal = _Text()

    def converted(self, value: object) -> Value:
        items: Iterable[object] = value if isinstance(value, list | tuple) else ()
        return tuple(str(self.one.converted(item)) for item in items)[:_MOST]

    def fits(self, value: object) -> bool:
        return isinstance(value, tuple) and len(value) <= _MOST and all(map(self.one.fits, value))

    def stands(self, value: Value, surroundings: Surroundings) -> bool:
        return isinstance(value, tuple) and all(
            self.one.stands(item, surroundings) for item in value
        )

    def show(self, value: Value) -> str:
        return ", ".join(value) if isinstance(value, tuple) and value else "none"


@dataclass(frozen=True)
class _Spans(_Plain):
    """Times of day from and to, as ``20:00-06:30``."""

    def converted(self, value: object) -> Value:
        return tuple(map(str, value)) if isinstance(value, list | tuple) else ()

    def fits(self, value: object) -> bool:
        if not isinstance(value, tuple) or len(value) > _MOST:
            return False
        return all(isinstance(span, str) and _SPAN.fullmatch(span) for span in value)

    def show(self, value: Value) -> str:
        return ", ".join(value) if isinstance(value, tuple) else ""


@dataclass(frozen=True)
class Entry:
    """A row of the table of sentences.

    Attributes:
        template: the sentence with the names of its arguments in braces.
        kinds: name of an argument: its type.
        short: the sentence without the arguments that are counts; empty where a general one takes
            its place.
    """

    template: str
    kinds: dict[str, Kind]
    short: str = ""

    @property
    def counts(self) -> frozenset[str]:
        """Arguments that tell something of the hospital's data."""
        return frozenset(name for name, kind in self.kinds.items() if kind.count)


def row(template: str, short: str = "", /, **kinds: Kind) -> Entry:
    """A row of the table, as the files of the table write it."""
    return Entry(template, kinds, short)


@dataclass(frozen=True)
class _Reason(_Plain):
    """A row of another part of the table by its code, shown with its arguments left open."""

    rows: Mapping[str, Entry] = field(default_factory=dict, hash=False)

    def converted(self, value: object) -> Value:
        return str(value)

    def fits(self, value: object) -> bool:
        return isinstance(value, str) and value in self.rows

    def show(self, value: Value) -> str:
        entry = self.rows[str(value)]
        return (entry.short or entry.template).format_map(dict.fromkeys(entry.kinds, "..."))


def literal(*choices: str, other: str = "") -> _Literal:
    """One text of a fixed list.

    Args:
        choices: the list.
        other: what stands for everything else, if anything may.
    """
    return _Literal(choices, other)


def several(one: _Literal) -> Kind:
    """Up to 64 texts of a fixed list."""
    return _Several(one)


def reason(rows: Mapping[str, Entry]) -> Kind:
    """A code of other rows of the table."""
    return _Reason(rows)


WHOLE = _Whole()
COUNT = _Whole(count=True)
NUMBER = _Number()
WORD = _Text()
WORDS = _Several()
SETTING = _Setting()
HOSPITAL = _Hospital()
SPANS = _Spans()
