"""The ServerApp: join, federate, compare, evaluate, report.

The same code in simulation and in deployment.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from common import networks
from common.errors import ArgumentError, RoundError
from common.study import study as studies
from common.study.schedule import rate_factor
from common.study.study import Study
from common.update import Layout, Vector
from server import checkpoint, evaluate, rounds
from server.aggregation import tally
from server.aggregation.secure_sums import Sums
from server.evaluate import Scores
from server.participants import Member, Participants, gather, join
from server.progress import WAITING, Reporter
from server.report import report
from server.round_record import RoundRecord
from server.rounds import Federation
from server.transport import Transport

app = ServerApp()

REQUEST = "CONSILIUM_ORDER"
"""Environment variable with the path of the order.

What to run, written by Consilium's own commands on this machine.
"""


@dataclass(frozen=True)
class RunRequest:
    """What the coordinator asked for.

    Attributes:
        study: path of the study file.
        out: run folder.
        compare: any of "local", "pooled".
        rounds, seed: override the study's, if not None.
        quiet: no progress on stderr.
        engine: recorded in the report.
        expected: number of hospitals to wait for; 0 if all are there from the start.
        seal: the coordinator's signature under the study.
        run: the run's name, as the signature has it.
        roster: the signed roster, as it travels.
    """

    study: str
    out: str
    compare: Sequence[str] = ()
    rounds: int | None = None
    seed: int | None = None
    quiet: bool = False
    engine: str = "inline"
    expected: int = 0
    seal: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    roster: Mapping[str, Any] = field(default_factory=dict)

    def resolved(self) -> Study:
        """The study with the overrides applied."""
        study = studies.read(Path(self.study))
        if self.rounds is not None:
            study = replace(study, federation=replace(study.federation, rounds=self.rounds))
        return study if self.seed is None else replace(study, seed=self.seed)


@dataclass
class Session:
    """Everything that one run of the app carries from step to step."""

    request: RunRequest
    study: Study
    run: report.FinishedRun
    transport: Transport
    reporter: Reporter
    roster: Participants
    layout: Layout
    start: Vector
    began: float
    scores: dict[str, Scores] = field(default_factory=dict)
    cross: dict[str, Any] | None = None
    local_models: dict[str, Vector] = field(default_factory=dict)
    sums: Sums | None = None
    total: int = 0
    status: str = "interrupted"
    bytes: dict[str, int] = field(default_factory=dict)
    """What the federation itself moved; the comparisons would not happen in a real one."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the study that the order names."""
    request = RunRequest(**json.loads(Path(os.environ[REQUEST]).read_text("utf-8")))
    with Reporter(request.quiet) as reporter:
        session = open_session(request, Transport(grid, request.seal), reporter)
        try:
            federate(session)
            compare(session)
            session.status = "finished"
        except RoundError:
            session.status = "failed"
            raise
        finally:
            conclude(session)


def open_session(request: RunRequest, transport: Transport, reporter: Reporter) -> Session:
    """Read the study, let hospitals join, make the start weights."""
    began, study = time.perf_counter(), request.resolved()
    layout, start, origin = networks.start_weights(study, Path(request.study).parent)
    gather(transport, request.expected, study.federation.min_sites, reporter.say)
    roster = _joined(request, transport, study, reporter)
    run = report.FinishedRun(Path(request.out), study)
    reporter.say(
        f"{study.name}: {study.task.name} with {study.model.name} ({layout.size:,} "
        f"weights, {origin}), {len(roster.members)} hospitals"
    )
    for site, reason in sorted(roster.excluded.items()):
        reporter.say(f"  excluded: {site}: {reason}")
    for member in roster.members:
        if member.reasons:
            reporter.say(f"  {member.site}: {' '.join(member.reasons)}")
    session = Session(request, study, run, transport, reporter, roster, layout, start, began)
    if study.secure_aggregation.enabled:
        session.sums, session.roster, session.total = tally.hold(
            transport, study, request.run, request.roster, roster
        )
        telling = [m.site for m in session.roster.members if m.counts or m.tells_metrics]
        own = (
            f"; by their policies these also tell their own numbers: {', '.join(telling)}"
            if telling
            else ""
        )
        reporter.say(
            f"secure aggregation over {len(session.roster.members)} hospitals: "
            f"the server reads sums of changes only{own}"
        )
    return session


def _joined(
    request: RunRequest, transport: Transport, study: Study, reporter: Reporter
) -> Participants:
    """Who takes part.

    Whom the run waits for stands in its folder meanwhile, for ``consilium server status``.
    """
    note = Path(request.out) / WAITING

    def say(text: str) -> None:
        reporter.say(text)
        if note.parent.is_dir():
            note.write_text(text, "utf-8")

    try:
        return join(transport, study, say=say)
    finally:
        note.unlink(missing_ok=True)


def federate(session: Session) -> None:
    """The federated rounds; the model on disk is always that of the last finished round."""
    federation = replace(
        _federation(session, session.roster.trainers), sums=session.sums, total=session.total
    )
    watch = session.reporter.phase("round", session.study.federation.rounds)
    settings = {"part": "validation"}
    saved = 0
    try:
        for record in rounds.run(
            federation, session.transport, lambda number, site, done, of: watch(site, done, of)
        ):
            validation = None
            if (
                _is_due(session.study, record.round) and not record.void
            ):  # a model that did not move has been scored
                validation = evaluate.score(
                    session.transport,
                    session.study,
                    session.layout,
                    federation.model,
                    session.roster.members,
                    settings,
                    record.round,
                    session.sums,
                )
                saved = _save(session, federation)
            session.run.add(record, _rate(session.study, record.round), validation)
            watch(_line(session, record, validation), 0, 0)
    finally:
        if federation.rounds_done > saved:
            _save(session, federation)
    session.scores["federated"] = _final(
        session, federation.model, examples=True, secure=session.sums
    )
    session.transport.traffic.take()
    session.bytes = dict(session.transport.traffic.total)


def _save(session: Session, federation: Federation) -> int:
    """Keep what a round came to; the number of that round."""
    state = {
        name: getattr(federation, name)
        for name in ("study", "layout", "model", "memory", "counted", "heads", "total")
    }
    sums = {} if session.sums is None else session.sums.progress
    saved = checkpoint.Saved(
        rounds=federation.rounds_done,
        roster=session.roster,
        sums=sums,
        threads=networks.threads(),
        **state,
    )
    checkpoint.save(session.run.folder, saved)
    return federation.rounds_done


def compare(session: Session) -> None:
    """Each hospital alone, and all data together, with the same recipe and the same number of images seen.

    Raises:
        ArgumentError: a hospital's data cannot be used in this way here.
    """
    discreet = [m.site for m in session.roster.members if not (m.counts and m.tells_metrics)]
    if session.request.compare and discreet:
        raise ArgumentError(
            "--compare needs every hospital's counts and metrics; "
            f"the policy of {', '.join(discreet)} keeps them."
        )
    if "local" in session.request.compare:
        for member in session.roster.trainers:
            session.local_models[member.site] = _trained(
                session, [member], f"{member.site} alone", 1
            )
        session.scores["local"] = _own(session)
    if "pooled" in session.request.compare:
        if session.roster.pooled is None:
            raise ArgumentError(
                "--compare pooled needs all hospitals' folders on one machine; "
                "it works in simulation only."
            )
        model = _trained(session, [session.roster.pooled], "pooled", len(session.roster.trainers))
        session.scores["pooled"] = _final(session, model)


def conclude(session: Session) -> None:
    """Write the report of whatever was reached."""
    seconds = time.perf_counter() - session.began
    federated = session.scores.get("federated", Scores())
    computed = {"compute": federated.compute, "computers": federated.grouped_computers()}
    more = {**computed, "engine": session.request.engine, "pictures": bool(federated.examples)}
    session.transport.traffic.take()
    moved = session.bytes or session.transport.traffic.total
    content = report.assemble(
        session.study,
        session.status,
        session.roster,
        session.run.rounds,
        session.scores,
        session.cross,
        seconds,
        moved,
        more,
    )
    session.run.finish(content, federated.examples)


def _federation(session: Session, members: Sequence[Member], repeat: int = 1) -> Federation:
    return Federation(session.study, session.layout, session.start.copy(), members, repeat=repeat)


def _trained(session: Session, members: Sequence[Member], name: str, repeat: int) -> Vector:
    """A model for comparison; one "hospital" alone has nobody to hide among."""
    alone = replace(session.study.federation, min_sites=1, fraction=1.0)
    study = replace(
        session.study,
        federation=alone,
        secure_aggregation=replace(session.study.secure_aggregation, enabled=False),
    )
    federation = replace(_federation(session, members, repeat), study=study)
    watch = session.reporter.phase(name, study.federation.rounds)
    for record in rounds.run(federation, session.transport, lambda number, site, done, of: None):
        watch(f"loss {record.mean_loss or 0.0:.4f}", 0, 0)
    return federation.model


def _own(session: Session) -> Scores:
    """Local models at home.

    The full matrix (model of A on hospital B) goes into ``session.cross``.
    """
    own, members, key = Scores(), session.roster.members, networks.task(session.study).primary
    values = []
    for site, model in session.local_models.items():
        scores = _final(session, model)
        values.append([scores.sites.get(m.site, {}).get(key) for m in members])
        for part in ("sites", "intervals"):
            if site in getattr(scores, part):
                getattr(own, part)[site] = getattr(scores, part)[site]
    federated = session.scores["federated"].sites
    values.append([federated.get(m.site, {}).get(key) for m in members])
    session.cross = {
        "metric": key,
        "models": [*session.local_models, "federated"],
        "sites": [m.site for m in members],
        "values": values,
    }
    return own


def _final(
    session: Session, model: Vector, examples: bool = False, secure: Sums | None = None
) -> Scores:
    settings = {"part": "test", "intervals": True, "examples": examples}
    return evaluate.score(
        session.transport,
        session.study,
        session.layout,
        model,
        session.roster.members,
        settings,
        secure=secure,
    )


def _is_due(study: Study, number: int) -> bool:
    return study.evaluation.every > 0 and (
        number % study.evaluation.every == 0 or number == study.federation.rounds
    )


def _rate(study: Study, number: int) -> float:
    return study.training.learning_rate * rate_factor(study, number - 0.5)


def _line(session: Session, record: RoundRecord, validation: Scores | None) -> str:
    if record.void:
        return f"void: {record.void}"
    text = f"loss {record.mean_loss or 0.0:.4f}, {record.seconds:.1f} s"
    if record.refused:
        text += ", refused: " + "; ".join(f"{r['site']}: {r['reason']}" for r in record.refused)
    text += "".join(f", {site}: {note}" for site, note in record.notes.items())
    if validation is not None:
        key = networks.task(session.study).primary
        value = validation.mean().get(key)
        text += f", validation {key} {'undefined' if value is None else f'{value:.3f}'}"
    return text
