"""The ServerApp: join, federate, compare, evaluate, report.

The same code in simulation and in deployment.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from common import networks
from common.errors import RoundError
from common.study.schedule import rate_factor
from common.study.study import Study
from server import checkpoint, evaluate, rounds
from server.aggregation import tally
from server.comparison import compare
from server.evaluate import Scores
from server.participants import Participants, gather, join
from server.progress import WAITING, Reporter
from server.report import report
from server.round_record import RoundRecord
from server.rounds import Federation
from server.session import REQUEST, RunRequest, Session
from server.transport import Transport

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the study that the request names."""
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
    began = time.perf_counter()
    study = request.resolved()
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
        open_sites = [m.site for m in session.roster.members if m.counts or m.tells_metrics]
        exceptions = (
            f"; by their policies these also tell their own numbers: {', '.join(open_sites)}"
            if open_sites
            else ""
        )
        reporter.say(
            f"secure aggregation over {len(session.roster.members)} hospitals: "
            f"the server reads sums of changes only{exceptions}"
        )
    return session


def _joined(
    request: RunRequest, transport: Transport, study: Study, reporter: Reporter
) -> Participants:
    """Who takes part.

    Whom the run waits for stands in its folder meanwhile, for ``consilium server status``.
    """
    waiting = Path(request.out) / WAITING

    def say(text: str) -> None:
        reporter.say(text)
        if waiting.parent.is_dir():
            waiting.write_text(text, "utf-8")

    try:
        return join(transport, study, say=say)
    finally:
        waiting.unlink(missing_ok=True)


def federate(session: Session) -> None:
    """The federated rounds; the model on disk is always that of the last finished round."""
    federation = replace(
        session.federation(session.roster.trainers), sums=session.sums, total=session.total
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
    session.scores["federated"] = session.score_finally(
        federation.model, examples=True, secure=session.sums
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


def conclude(session: Session) -> None:
    """Write the report of whatever was reached."""
    seconds = time.perf_counter() - session.began
    federated = session.scores.get("federated", Scores())
    computers = {"compute": federated.compute, "computers": federated.grouped_computers()}
    details = {**computers, "engine": session.request.engine, "pictures": bool(federated.examples)}
    session.transport.traffic.take()
    traffic = session.bytes or session.transport.traffic.total
    content = report.assemble(
        session.study,
        session.status,
        session.roster,
        session.run.rounds,
        session.scores,
        session.cross,
        seconds,
        traffic,
        details,
    )
    session.run.finish(content, federated.examples)


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
    text += "".join(f", {site}: {remark}" for site, remark in record.notes.items())
    if validation is not None:
        key = networks.task(session.study).primary
        value = validation.mean().get(key)
        text += f", validation {key} {'undefined' if value is None else f'{value:.3f}'}"
    return text
