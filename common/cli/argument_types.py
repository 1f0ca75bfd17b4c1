"""Texts of the command line turned into values: each converter checks one kind of argument.

A converter raises argparse's ``ArgumentTypeError``; the parser adds which argument it is about.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

from common.errors import did_you_mean

_COMPARISONS = ("local", "pooled")


def study_name(text: str) -> str:
    """The name of a study: letters, digits, dots, hyphens and underscores."""
    from common.study import config  # noqa: PLC0415  # only study new needs it

    if not config.NAME.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is not a name; give {config.NAME_RULE}")
    return text


def path(text: str) -> Path:
    """A path that is not empty; there may be nothing at it yet."""
    if not text.strip():
        raise ArgumentTypeError(f"{text!r} is not a path; give one that is not empty")
    return Path(text)


def folder(text: str) -> Path:
    """A folder that exists."""
    try:
        exists = bool(text.strip()) and Path(text).is_dir()
    except OSError as error:
        raise ArgumentTypeError(
            f"{text!r} cannot be opened ({error.strerror}); give a folder that can be read"
        ) from None
    if not exists:
        raise ArgumentTypeError(f"{text!r} is not a folder; give one that exists")
    return Path(text)


def model_folder(text: str) -> Path:
    """The model folder of a run; the run's own folder, a frequent slip, is refused with a hint."""
    place = folder(text)
    try:
        is_run = not (place / "model.json").exists() and (place / "model" / "model.json").is_file()
    except OSError:  # the command itself says why it cannot be read
        return place
    if is_run:
        raise ArgumentTypeError(
            f"{text!r} is the folder of a run; did you mean {str(place / 'model')!r}?"
        )
    return place


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """A converter for whole numbers from ``low`` to ``high``, both included."""
    limits = f"{low} or more" if high is None else f"{low} to {high}"

    def convert(text: str) -> int:
        # isdecimal, as int() also takes spaces, underscores and a plus sign.
        value = int(text) if text.lstrip("-").isdecimal() else low - 1
        if value < low or (high is not None and value > high):
            raise ArgumentTypeError(f"{text!r} is not allowed; give a whole number, {limits}")
        return value

    return convert


def words(text: str) -> tuple[str, ...]:
    """The words of a list with commas, each once, in the order given."""
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def comparisons(text: str) -> tuple[str, ...]:
    """The arms of a comparison, a list with commas of ``local`` and ``pooled``."""
    names = words(text)
    allowed = f"allowed: {', '.join(_COMPARISONS)}, or both with a comma"
    for name in names:
        if name not in _COMPARISONS:
            hint = did_you_mean(name, _COMPARISONS)
            raise ArgumentTypeError(f"{name!r} is not a comparison{hint}; {allowed}")
    if not names:
        raise ArgumentTypeError(f"{text!r} names no comparison; {allowed}")
    return names
