"""Numbers as people read them, on pages and terminals."""

from __future__ import annotations


def grouped(count: float) -> str:
    """A whole number in groups of three digits."""
    return f"{count:,.0f}".replace(",", "\u202f")


def plural(count: int, one: str, many: str = "") -> str:
    """``1 hospital``, ``3 hospitals``."""
    return f"{grouped(count)} {one if count == 1 else many or one + 's'}"


def size(count: float | None, missing: str = "–") -> str:
    """Bytes in decimal units, ``812 B``, ``4.1 kB``; ``missing`` where there is no number."""
    if count is None or count < 0:
        return missing
    # 999.5 would be rounded to 1000; it is 1.0 of the next unit.
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{grouped(count)} TB" if count >= 10 else f"{count:.1f} TB"
