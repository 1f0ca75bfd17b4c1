"""Read TOML files with one sentence for whatever is wrong, and write TOML with comments.

The standard library reads TOML only. What ``dumps`` writes (texts, numbers, truth values, lists
and tables), ``loads`` reads back equal. Grammar: TOML v1.0.0.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common.errors import InputError

_LARGEST_FILE = 1 << 20
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_GAP = "  # "


def read(path: Path, noun: str, refusal: type[InputError] = InputError) -> dict[str, Any]:
    """The tables of a small TOML file.

    Args:
        path: the file.
        noun: what it is, in sentences, e.g. "Policy file".
        refusal: the error's class.

    Raises:
        InputError: it cannot be read, is too large or is not TOML.
    """
    try:
        if (size := path.stat().st_size) > _LARGEST_FILE:
            raise refusal(f"{noun} {path} has {size} bytes; at most {_LARGEST_FILE} are allowed.")
        return loads(path.read_text("utf-8"))
    except OSError as error:
        raise refusal(
            f"{noun} {path} cannot be read ({error.strerror}); give the path of a TOML file."
        ) from None
    except UnicodeDecodeError:
        raise refusal(f"{noun} {path} is not UTF-8 text; save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise refusal(f"{noun} {path} is not valid TOML: {error}.") from None


def loads(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        tomllib.TOMLDecodeError: it is not TOML, or tables or numbers beyond all measure.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    # The standard library says neither in its own words: both limits are Python's.
    except ValueError:
        raise tomllib.TOMLDecodeError("a whole number has too many digits") from None
    except RecursionError:
        raise tomllib.TOMLDecodeError("lists or tables lie too deep in each other") from None


def dumps(table: Mapping[str, Any], notes: Mapping[str, str] | None = None) -> str:
    """A table as TOML text.

    Args:
        table: values in the order in which they are to stand; within a table plain values come
            before sub-tables, as TOML asks.
        notes: comments by dotted place, e.g. ``{"": "head of the file", "training": "...",
            "data.prepare[0].size": "..."}``. That of a value stands behind it, that of a table
            above its header.

    Raises:
        TypeError: a value that TOML has no form for, e.g. None.
    """
    notes = notes or {}
    lines = [*_comment(notes.get("", "")), *_body(table, "", "", notes)]
    return "\n".join(lines).strip("\n") + "\n"


def inline(value: Any) -> str:
    """One value as it stands behind ``key =``.

    Raises:
        TypeError: TOML has no form for it, e.g. None.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(float(value))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {inline(v)}" for k, v in value.items()) + "}"
    raise TypeError(f"TOML has no form for a value of type {type(value).__name__}.")


def _body(
    table: Mapping[str, Any], header: str, place: str, notes: Mapping[str, str]
) -> Iterator[str]:
    inner = {k: v for k, v in table.items() if isinstance(v, Mapping) or _is_tables(v)}
    plain = [
        (f"{_key(k)} = {inline(v)}", notes.get(_join(place, k), ""))
        for k, v in table.items()
        if k not in inner
    ]
    width = max((len(text) for text, note in plain if note), default=0)
    for text, note in plain:
        yield text.ljust(width) + _GAP + note if note else text
    for key, value in inner.items():
        name = _join(header, _key(key))
        there = _join(place, key)
        if isinstance(value, Mapping):
            yield from (
                "",
                *_comment(notes.get(there, "")),
                f"[{name}]",
                *_body(value, name, there, notes),
            )
            continue
        for i, item in enumerate(value):
            spot = f"{there}[{i}]"
            yield from (
                "",
                *_comment(notes.get(spot, "")),
                f"[[{name}]]",
                *_body(item, name, spot, notes),
            )


def _comment(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in text.splitlines()]


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _is_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(v, Mapping) for v in value)
    )


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _text(key)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
