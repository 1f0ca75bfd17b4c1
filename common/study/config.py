"""Settings as data: frozen dataclasses whose fields carry their meaning, limits and default.

A settings class is the single place where a field is documented. ``load`` turns a TOML table into
one, refuses what is unknown or out of range with one sentence, and ignores nothing. ``describe``
lists the fields for ``consilium study show --fields``.
"""

from __future__ import annotations

import dataclasses
import math
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from common.errors import StudyError, did_you_mean
from common.study import toml

T = TypeVar("T")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a study may be called: its name stands in reports, file names and commands."""
NAME_RULE = "1 to 64 letters, digits, dots, hyphens or underscores, starting with a letter or digit"
_MOST_SHOWN = 120
"""Characters of a value in a message."""
_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


def setting(
    default: Any = dataclasses.MISSING,
    *,
    doc: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[Any, ...] | None = None,
) -> Any:
    """Declare a field: its default, one line of meaning (with units) and its limits (inclusive)."""
    metadata = {"doc": doc, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


def load(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Build ``cls`` from a TOML table.

    Args:
        cls: a frozen dataclass whose fields were declared with :func:`setting`.
        table: the values as ``tomllib`` gives them.
        where: dotted place in the study file, for messages, e.g. ``training``.

    Raises:
        StudyError: unknown or missing field, wrong type, value out of range.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in table:
        if name not in fields:
            hint = did_you_mean(name, fields)
            raise StudyError(
                f"{where}.{name} is not a setting{hint}; allowed here: {', '.join(sorted(fields))}."
            )
    hints = typing.get_type_hints(cls)
    values = {}
    for name, field in fields.items():
        place = f"{where}.{name}"
        if name in table:
            values[name] = _checked(_converted(table[name], hints[name], place), field, place)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise StudyError(
                f"{place} is missing; give {_word(hints[name])}: {field.metadata['doc']}."
            )
    return cls(**values)


def describe(cls: type, where: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield ``(place, default, allowed, meaning)`` for each field of a settings class."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        default = "required" if field.default is dataclasses.MISSING else _toml(field.default)
        yield (
            f"{where}.{field.name}",
            default,
            _allowed(field, hints[field.name]),
            field.metadata["doc"],
        )


def shown(value: Any) -> str:
    """A value in a message, as it would stand in the study file; a long one is cut."""
    try:
        text = toml.inline(value)
    except TypeError:
        # None, which JSON has and TOML has not; a date.
        text = "null" if value is None else str(value)
    # Python writes no whole number of more than some thousand digits.
    except ValueError:
        text = "a number beyond all measure"
    if not text.isprintable():
        text = text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 4]} ..."


def closest(value: Any, allowed: Iterable[Any]) -> str:
    """`` (did you mean "x"?)`` for the closest allowed value, or an empty string."""
    return did_you_mean(str(value), map(str, allowed)).replace("'", '"')


def to_table(value: Any) -> dict[str, Any]:
    """A settings object as a plain TOML-able table; fields that are ``None`` are left out."""
    table = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in table.items() if v is not None}


def _converted(value: Any, hint: Any, place: str) -> Any:
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    complaint = f"{place} is {shown(value)}"
    if origin in (types.UnionType, typing.Union):
        return _converted(value, next(a for a in arguments if a is not type(None)), place)
    if origin is tuple:
        if not isinstance(value, list):
            raise StudyError(f"{complaint}; give {_word(hint)}.")
        return tuple(_converted(v, arguments[0], f"{place}[{i}]") for i, v in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise StudyError(f"{complaint}; give a number of at most 1.7e308.") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"{complaint}; give a finite number.")
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        raise StudyError(f"{complaint}; give {_word(hint)}.")
    return value


def _checked(value: Any, field: dataclasses.Field[Any], place: str) -> Any:
    for item in value if isinstance(value, tuple) else (value,):
        low, high, choices = (field.metadata[k] for k in ("low", "high", "choices"))
        if choices is not None and item not in choices:
            raise StudyError(
                f"{place} is {shown(item)}{closest(item, choices)}; allowed: "
                f"{', '.join(map(shown, choices))}."
            )
        # Negated, so that NaN, which no comparison holds for, is out of range.
        below = low is not None and not item >= low
        above = high is not None and not item <= high
        if below or above:
            raise StudyError(f"{place} is {shown(item)}; allowed: {_range(low, high)}.")
    return value


def _range(low: float | None, high: float | None) -> str:
    if high is None:
        return f"{low:g} or more"
    return f"{high:g} or less" if low is None else f"{low:g} to {high:g}"


def _allowed(field: dataclasses.Field[Any], hint: Any) -> str:
    low, high, choices = (field.metadata[k] for k in ("low", "high", "choices"))
    if choices is not None:
        return " | ".join(map(str, choices))
    return _word(hint) if low is None and high is None else f"{_word(hint)}, {_range(low, high)}"


def _word(hint: Any) -> str:
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return f"a list, each {_word(arguments[0])}"
    if arguments:
        return _word(next(a for a in arguments if a is not type(None)))
    return _WORDS.get(hint, "a table")


def _toml(value: Any) -> str:
    return "none" if value is None else toml.inline(value)
