"""Invented results of models at hospitals, and the verdict on them in words."""

from __future__ import annotations

from typing import Any

from server.report import verdict


def report(
    *,
    key: str = "dice",
    higher: bool = True,
    width: float | None = 0.01,
    **models: dict[str, float | None],
) -> dict[str, Any]:
    """A report with one value per model and hospital.

    Intervals of ``width`` to both sides, or none.
    """
    metrics: dict[str, Any] = {}
    for model, values in models.items():
        numbers = [v for v in values.values() if v is not None]
        metrics[model] = {
            "sites": {s: {key: v} for s, v in values.items()},
            "mean": {key: sum(numbers) / len(numbers) if numbers else None},
        }
        if width is not None:
            metrics[model]["intervals"] = {
                s: {key: [v - width, v + width]} for s, v in values.items() if v is not None
            }
    names = list(dict.fromkeys(s for values in models.values() for s in values))
    return {
        "status": "finished",
        "primary": key,
        "higher_is_better": {key: higher},
        "metrics": metrics,
        "sites": {s: {} for s in names},
    }


def hide(content: dict[str, Any], **means: float) -> dict[str, Any]:
    """The same report where each model's mean over five hospitals was summed under masks."""
    for model, value in means.items():
        content["metrics"].setdefault(model, {"sites": {}})
        content["metrics"][model] |= {"mean": {content["primary"]: value}, "hospitals": 5}
    return content


def sentences(content: dict[str, Any]) -> str:
    return " ".join(verdict.judge(content).sentences)
