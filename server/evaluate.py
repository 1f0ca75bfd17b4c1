"""Ask hospitals to score a model on their own images; only metrics over many images come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common import networks
from common.errors import RoundError
from common.protocol import sum_specs
from common.protocol.envelopes import Question, Reply
from common.secagg.messages import SumSpec
from common.study.study import Study
from common.update import Layout, Vector
from server.aggregation.secure_sums import Sums
from server.participants import Member
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
        computers: the same of each hospital; sums of floats, and so weights, are the same to the bit for the same of these only.
        means: means over hospitals from a sum under masks, where hospitals keep their own metrics to themselves.
        summed: how many hospitals are in that sum.
    """

    sites: dict[str, Metrics] = field(default_factory=dict)
    intervals: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    examples: list[dict[str, str]] = field(default_factory=list)
    compute: dict[str, Any] = field(default_factory=dict)
    computers: dict[str, dict[str, Any]] = field(default_factory=dict)
    means: Metrics = field(default_factory=dict)
    summed: int = 0

    @property
    def hospitals(self) -> int:
        """How many hospitals the means are over."""
        return self.summed or len(self.sites)

    def mean(self) -> Metrics:
        """Mean over hospitals of each metric, over those where it is defined."""
        if self.means:
            return dict(self.means)
        keys = sorted({key for metrics in self.sites.values() for key in metrics})
        return {key: _mean([m.get(key) for m in self.sites.values()]) for key in keys}

    def grouped_computers(self) -> list[dict[str, Any]]:
        """Each kind of computer once, with the ``sites`` that have it: no number stands under one hospital's name."""
        groups: dict[str, dict[str, Any]] = {}
        for site, computer in sorted(self.computers.items()):
            groups.setdefault(repr(sorted(computer.items())), {**computer, "sites": []})[
                "sites"
            ].append(site)
        return list(groups.values())

    def to_json(self) -> dict[str, Any]:
        """As it stands in ``report.json``."""
        return {
            "sites": self.sites,
            "mean": self.mean(),
            "intervals": self.intervals,
            "hospitals": self.hospitals,
        }


def score(
    transport: Transport,
    study: Study,
    layout: Layout,
    model: Vector,
    members: Sequence[Member],
    settings: Mapping[str, Any],
    number: int = 0,
    secure: Sums | None = None,
) -> Scores:
    """Scores of one model on the members' own images.

    Args:
        settings: ``part`` (train, validation, test, all), ``intervals`` and ``examples`` (bool).
        secure: the run's secure sums, for hospitals that keep their metrics to themselves.
    """
    plan = Question("evaluate", study.to_table(), number, layout.digest, model, settings)
    if secure is not None and not all(m.tells_metrics for m in members):
        scores = _summed(secure, plan, study, members)
    else:
        scores, names = Scores(), {m.node: m.site for m in members}
        for node, reply in transport.ask(dict.fromkeys(names, plan), study.federation.deadline):
            _add(scores, names[node], reply)
    order = [m.site for m in members]
    scores.sites = {site: scores.sites[site] for site in order if site in scores.sites}
    scores.examples.sort(key=lambda e: order.index(e["site"]))
    return scores


def _summed(secure: Sums, plan: Question, study: Study, members: Sequence[Member]) -> Scores:
    """Means under masks; a hospital whose policy allows it sends its own metrics besides."""
    metrics = tuple(networks.task(study).higher_is_better)

    def order(cohort: int) -> SumSpec:
        part = str(plan.settings["part"])
        return sum_specs.order(
            study,
            "evaluate",
            cohort,
            number=plan.round,
            part=part,
            model=plan.model,
            layout=plan.layout,
            metrics=metrics,
        )

    scores = Scores()
    try:
        found = secure.collect(
            plan, order, [m.site for m in members], deadline=study.federation.deadline
        )
    except RoundError as error:
        scores.faults = {m.site: str(error) for m in members}
        return scores
    scores.faults = dict(found.dropped)
    scores.summed = len(found.survivors)
    for metric in metrics:
        count = found.lanes[sum_specs.defined(metric)]
        scores.means[metric] = (
            found.lanes[metric] / count if count >= study.secure_aggregation.min_cohort else None
        )
    for site, values in found.values.items():
        if "metrics" in values and site in found.survivors:
            _add(scores, site, Reply(site, "evaluate", values=values))
        else:
            _computed(scores, site, values)
    return scores


def _add(scores: Scores, site: str, reply: Reply) -> None:
    if reply.fault:
        scores.faults[site] = reply.refusal
        return
    metrics = reply.values.get("metrics")
    if not isinstance(metrics, dict) or not all(
        v is None or isinstance(v, int | float) for v in metrics.values()
    ):
        scores.faults[site] = "The answer holds no table of metrics."
        return
    scores.sites[site] = {str(k): v for k, v in metrics.items()}
    images, examples = reply.values.get("images"), reply.values.get("examples")
    scores.images[site] = images if isinstance(images, int) else 0
    scores.intervals[site] = {
        key: pair
        for key, pair in _table(reply.values.get("intervals")).items()
        if isinstance(pair, list)
    }
    scores.examples += (
        [{**e, "site": site} for e in examples if isinstance(e, dict)]
        if isinstance(examples, list)
        else []
    )
    _computed(scores, site, reply.values)


def _computed(scores: Scores, site: str, values: Mapping[str, Any]) -> None:
    """Note how a hospital computed, if it says so."""
    table = _table(values.get("compute"))
    scores.compute.update(table)
    if table:
        scores.computers[site] = {
            str(name): value for name, value in table.items() if name != "note"
        }


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) / len(known) if known else None
