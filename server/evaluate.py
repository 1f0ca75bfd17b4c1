"""Ask hospitals to score a model on their own images; only metrics over many images come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common import networks
from common.errors import InputError, RoundError
from common.protocol import sum_specs
from common.protocol.envelopes import Question, Reply, finite_or_none
from common.secagg.messages import SumSpec
from common.sentences import table as sentences
from common.study.study import Study
from common.update import Layout, Vector
from server import checkpoint
from server.aggregation.secure_sums import Sums
from server.participants import Member, grouped, join
from server.progress import Reporter
from server.report.wording import mean, table
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
        computers: the same of each hospital; sums of floats, and so weights, are the same to the
            bit for the same of these only.
        means: means over hospitals from a sum under masks, where hospitals keep their own metrics
            to themselves.
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
        return {key: mean([m.get(key) for m in self.sites.values()]) for key in keys}

    def grouped_computers(self) -> list[dict[str, Any]]:
        """Each kind of computer once, with the ``sites`` that have it.

        No number stands under one hospital's name.
        """
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
    question = Question("evaluate", study.to_table(), number, layout.digest, model, settings)
    if secure is not None and not all(m.tells_metrics for m in members):
        scores = _score_under_masks(secure, question, study, members)
    else:
        scores = Scores()
        sites_by_node = {m.node: m.site for m in members}
        for node, reply in transport.ask(
            dict.fromkeys(sites_by_node, question), study.federation.deadline
        ):
            _add_scores(scores, sites_by_node[node], reply)
    names = [m.site for m in members]
    scores.sites = {site: scores.sites[site] for site in names if site in scores.sites}
    scores.examples.sort(key=lambda e: names.index(e["site"]))
    return scores


def score_model(transport: Transport, model: Path, split: str, quiet: bool) -> dict[str, Any]:
    """Scores of a model folder on every connected hospital, those it was not trained on too.

    Args:
        split: "test" takes each hospital's own test patients, "all" every image.

    Raises:
        InputError: the model cannot be read or no hospital can score it.
    """
    study, layout, weights = checkpoint.load(model)
    with Reporter(quiet) as reporter:
        roster = join(transport, study, scoring=True)
        reporter.say(f"{study.name}: scoring {len(roster.members)} hospitals ({split})")
        scores = score(
            transport, study, layout, weights, roster.members, {"part": split, "intervals": True}
        )
        faults = {**roster.excluded, **scores.faults}
        for site, fault in sorted(faults.items()):
            reporter.say(f"  not scored: {site}: {fault}")
    if not scores.sites:
        raise InputError("No hospital could be scored. " + grouped(faults))
    study_part = {"name": study.name, "task": study.task.name, "hash": study.digest}
    result = {
        "study": study_part,
        "model": str(model),
        "split": split,
        "metrics": scores.to_json(),
        "images": scores.images,
        "faults": faults,
    }
    cleaned: dict[str, Any] = finite_or_none(result)
    return cleaned


def _score_under_masks(
    secure: Sums, question: Question, study: Study, members: Sequence[Member]
) -> Scores:
    """Means under masks; a hospital whose policy allows it sends its own metrics besides."""
    metrics = tuple(networks.task(study).higher_is_better)

    def spec(cohort: int) -> SumSpec:
        part = str(question.settings["part"])
        return sum_specs.specify(
            study,
            "evaluate",
            cohort,
            number=question.round,
            part=part,
            model=question.model,
            layout=question.layout,
            metrics=metrics,
        )

    scores = Scores()
    try:
        opened = secure.collect(
            question, spec, [m.site for m in members], deadline=study.federation.deadline
        )
    except RoundError as error:
        scores.faults = {m.site: str(error) for m in members}
        return scores
    scores.faults = dict(opened.dropped)
    scores.summed = len(opened.survivors)
    for metric in metrics:
        count = opened.lanes[sum_specs.defined(metric)]
        scores.means[metric] = (
            opened.lanes[metric] / count if count >= study.secure_aggregation.min_cohort else None
        )
    for site, values in opened.values.items():
        if "metrics" in values and site in opened.survivors:
            _add_scores(scores, site, Reply(site, "evaluate", values=values))
        else:
            _note_computer(scores, site, values)
    return scores


def _add_scores(scores: Scores, site: str, reply: Reply) -> None:
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
    images = reply.values.get("images")
    examples = reply.values.get("examples")
    scores.images[site] = images if isinstance(images, int) else 0
    scores.intervals[site] = {
        key: pair
        for key, pair in table(reply.values.get("intervals")).items()
        if isinstance(pair, list)
    }
    scores.examples += (
        [{**e, "site": site} for e in examples if isinstance(e, dict)]
        if isinstance(examples, list)
        else []
    )
    _note_computer(scores, site, reply.values)


def _note_computer(scores: Scores, site: str, values: Mapping[str, Any]) -> None:
    """Note how a hospital computed, if it says so."""
    compute = _computer(values.get("compute"))
    scores.compute.update(compute)
    if compute:
        scores.computers[site] = {
            str(name): value for name, value in compute.items() if name != "note"
        }


def _computer(value: object) -> Mapping[str, Any]:
    """How a hospital computes, with its note as a sentence for people."""
    compute = dict(table(value))
    note = compute.pop("note", None)
    return compute if note is None else {**compute, "note": sentences.heard(note).render()}
