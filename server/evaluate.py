"""Ask hospitals to score a model on their own images; only metrics over many images come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.study import Study
from common.update import Layout, Vector
from common.wire import Plan, Reply
from server.roster import Member
from server.transport import Transport

Metrics = dict[str, float | None]


@dataclass
class Scores:
    """One model on several hospitals.

    Attributes:
        sites: ``{site: {metric: value}}``; undefined metrics are None.
        intervals: ``{site: {metric: [low, high]}}``, 95 %, bootstrap over patients.
        images: ``{site: number of scored images}``.
        faults: ``{site: sentence}``.
        examples: pictures of synthetic phantoms; empty for every real hospital.
        compute: device, precision and the like, as a hospital reports it.
    """

    sites: dict[str, Metrics] = field(default_factory=dict)
    intervals: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    examples: list[dict[str, str]] = field(default_factory=list)
    compute: dict[str, Any] = field(default_factory=dict)

    def mean(self) -> Metrics:
        """Mean over hospitals of each metric, over those where it is defined."""
        keys = sorted({key for metrics in self.sites.values() for key in metrics})
        return {key: _mean([m.get(key) for m in self.sites.values()]) for key in keys}

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``report.json``."""
        return {"sites": self.sites, "mean": self.mean(), "intervals": self.intervals}


def score(
    transport: Transport,
    study: Study,
    layout: Layout,
    model: Vector,
    members: Sequence[Member],
    settings: Mapping[str, Any],
    number: int = 0,
) -> Scores:
    """Scores of one model on the members' own images.

    Args:
        settings: ``part`` (train, validation, test, all), ``intervals`` and ``examples`` (bool).
    """
    plan = Plan("evaluate", study.to_table(), number, layout.digest, model, settings)
    names = {m.node: m.site for m in members}
    scores = Scores()
    for node, reply in transport.ask(dict.fromkeys(names, plan)):
        _add(scores, names[node], reply)
    order = [m.site for m in members]
    scores.sites = {site: scores.sites[site] for site in order if site in scores.sites}
    scores.examples.sort(key=lambda e: order.index(e["site"]))
    return scores


def _add(scores: Scores, site: str, reply: Reply) -> None:
    if reply.fault:
        scores.faults[site] = reply.fault
        return
    metrics = reply.values.get("metrics")
    if not isinstance(metrics, dict) or not all(v is None or isinstance(v, int | float) for v in metrics.values()):
        scores.faults[site] = "The answer holds no table of metrics."
        return
    scores.sites[site] = {str(k): v for k, v in metrics.items()}
    scores.images[site] = int(reply.values.get("images", 0))
    scores.intervals[site] = dict(reply.values.get("intervals", {}))
    scores.examples += [{**e, "site": site} for e in reply.values.get("examples", []) if isinstance(e, dict)]
    scores.compute.update(reply.values.get("compute", {}))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
