"""Numbers and words of the report.

Metric names and their one-sentence meanings, times, signed differences.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_LARGEST = 1e15


@dataclass(frozen=True)
class Metric:
    """How a metric is written.

    Name, decimals, unit, whether it lies in [0, 1], and one plain sentence.
    """

    name: str
    meaning: str
    decimals: int = 3
    unit: str = ""
    share: bool = True

    def show(self, value: float | None) -> str:
        """The value with the metric's decimals and unit; a dash if there is none."""
        if value is None:
            return "–"
        return f"{value:.{self.decimals}f}{self.unit}".replace("-", "−")

    def printed(self, value: float) -> float:
        """The value as far as it is printed."""
        return round(value, self.decimals)

    def gap(self, ours: float | None, theirs: float | None) -> float | None:
        """The difference of the two values as they are printed, so that it never contradicts them.

        None if one is missing.
        """
        return (
            None
            if ours is None or theirs is None
            else self.printed(self.printed(ours) - self.printed(theirs))
        )

    def bare(self, value: float) -> str:
        """The value without its unit."""
        return f"{value:.{self.decimals}f}".replace("-", "−")

    def brief(self, value: float | None) -> str:
        """The value with two significant places at most, for narrow cells."""
        return (
            "–"
            if value is None
            else f"{value:.{min(2, self.decimals) if abs(value) < 10 else 1}f}".replace("-", "−")
        )

    def difference(self, value: float | None) -> str:
        """The value with its sign, or ``±0`` where it rounds to nothing."""
        if value is None:
            return "–"
        if round(value, self.decimals) == 0:
            return f"±{0:.{self.decimals}f}{self.unit}"
        return f"{value:+.{self.decimals}f}{self.unit}".replace("-", "−")


_METRICS = {
    "dice": Metric(
        "Dice",
        (
            "How much of the outlined area the model and the expert share: "
            "1 is the same outline, 0 is no overlap."
        ),
    ),
    "hd95": Metric(
        "HD95",
        "How far apart the two outlines lie, leaving out the worst 5 % of the boundary; "
        "counted in millimetres where the scan states"
        " its pixel spacing, else in pixels. 0 is the same outline.",
        decimals=2,
        share=False,
    ),
    "auc": Metric(
        "AUC",
        (
            "How often the model ranks a patient with the finding above one without it: "
            "1 is always, 0.5 is no better than a coin."
        ),
    ),
    "balanced_accuracy": Metric(
        "Balanced accuracy",
        "Share of correct answers, each class counting the same however rare it is: 1 is perfect.",
    ),
    "accuracy": Metric(
        "Accuracy",
        (
            "Share of correct answers; a model that always names the commonest class can "
            "look good here."
        ),
    ),
    "map_50": Metric(
        "mAP 50",
        (
            "How well findings are boxed, over all confidence thresholds, "
            "if half an overlap (IoU 0.5) counts as found: 1 is perfect."
        ),
    ),
    "map_50_95": Metric(
        "mAP 50–95",
        (
            "As mAP 50, averaged over ever stricter overlaps from IoU 0.5 to 0.95 (the "
            "COCO definition): 1 is perfect."
        ),
    ),
}


def metric(key: str) -> Metric:
    """How the metric ``key`` is written: ``dice_lesion`` as Dice of the class lesion.

    An unknown one keeps its key as name.
    """
    if key in _METRICS:
        return _METRICS[key]
    if key.startswith("dice_"):
        name = key.removeprefix("dice_")
        return dataclasses.replace(
            _METRICS["dice"], name=f"Dice, {name}", meaning=f"Dice of the class {name} alone."
        )
    return Metric(
        key, "A measure that the task plug-in reports; see its documentation.", share=False
    )


def finite(value: object) -> float | None:
    """``value`` as a float.

    None for null, NaN, infinity, absurd magnitudes and anything that is no number.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) <= _LARGEST else None


def whole(value: object) -> int:
    """``value`` as a whole number; 0 where there is none."""
    return round(finite(value) or 0)


def table(value: object) -> Mapping[str, Any]:
    """``value`` if it is a mapping, else an empty one.

    Sections of a report may be absent or null.
    """
    return value if isinstance(value, Mapping) else {}


def mean(values: Iterable[float | None]) -> float | None:
    """Mean of the values that exist, or None."""
    existing = [v for v in values if v is not None]
    return sum(existing) / len(existing) if existing else None


def duration(seconds: float | None) -> str:
    """``0.8 s``, ``48 s``, ``3 min 12 s``, ``2 h 05 min``."""
    if seconds is None or seconds < 0:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def listed(names: Iterable[str]) -> str:
    """``A``, ``A and B``, ``A, B and C``."""
    items = list(names)
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1]))) if items else ""


def shorten(name: str, length: int) -> str:
    """``name`` in ``length`` characters (East Asian ones count twice).

    The middle goes, so that names that differ at the end stay apart.
    """
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in name)
    if len(name) + wide <= length:
        return name
    length = length // 2 if wide > len(name) // 2 else length
    if len(name) <= length:
        return name
    tail = max(1, (length - 1) // 3)
    return f"{name[: max(1, length - 1 - tail)]}…{name[-tail:]}"
