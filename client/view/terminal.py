"""A hospital's status as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from client.view.formatting import day, moment, plain
from client.view.status import Status, TodaysUse
from common.quantities import grouped, plural, size

_MOST = 10
"""Runs, refusals and approvals that are listed; the page and --json have the rest."""


def lines(status: Status) -> Iterator[str]:
    """The whole status; every text in it is cleaned."""
    now = datetime.fromisoformat(status.at)
    yield f"{plain(status.site)}, consortium {plain(status.consortium)}: {status.state}"
    if status.stopped:
        why = f": {plain(status.stopped.reason)}" if status.stopped.reason else ""
        yield f"  stopped at {moment(status.stopped.at, now)} by {plain(status.stopped.by)}{why}"
    for process in status.processes:
        number = f", process {process.pid}" if process.pid else ""
        yield f"  {process.name:<9}{process.state}{number}"
    yield f"  {'question':<9}{_busy(status, now)}"
    yield f"  {'today':<9}{today(status.spent)}"
    for kind, count in sorted(status.spent.left.items()):
        yield f"  {'':<9}{plain(kind)}: {plural(count, 'answer')}"
    yield from _runs(status, now)
    yield from _refusals(status, now)
    yield from _words(status)
    changed = [f"{rule.name} = {plain(rule.value)}" for rule in status.rules if rule.own]
    if status.rules:
        yield f"policy: {'; '.join(changed) or 'as made'}"
    if status.last:
        entries = f"{plural(status.entries, 'entry', 'entries')}, " if status.entries else ""
        yield f"journal: {entries}last {moment(status.last, now)}"
    yield from (
        f"  {moment(event.at, now)}  {plain(event.event)}  {plain(event.about)}"
        for event in status.events[:_MOST]
    )
    yield from (f"! {plain(problem)}" for problem in status.problems)


def today(spent: TodaysUse) -> str:
    """What a day has used of what the policy allows."""
    rounds = (
        "an unknown number of rounds" if spent.rounds is None else plural(spent.rounds, "round")
    )
    rounds += f" of {grouped(spent.rounds_allowed)}" if spent.rounds_allowed is not None else ""
    sent = f"{size(spent.sent, 'unknown')} left" + (
        f" of {size(spent.sent_allowed)}" if spent.sent_allowed is not None else ""
    )
    return f"{rounds}, {sent}, {size(spent.received, 'unknown')} came in"


def _busy(status: Status, now: datetime) -> str:
    if status.busy is None:
        return "unknown whether one is being worked on"
    return f"being worked on since {moment(status.busy, now)}" if status.busy else "none"


def _runs(status: Status, now: datetime) -> Iterator[str]:
    yield f"runs: {len(status.runs) or 'none yet'}"
    for run in status.runs[:_MOST]:
        of = f" of {run.rounds}" if run.rounds else ""
        asked = f"{plural(run.answered, 'answer')}, {plural(run.refused, 'refusal')}"
        yield (
            f"  {plain(run.run) or 'before any run was known'}  {plain(run.study)}  "
            f"round {run.round}{of}, {asked}, {size(run.sent)} left, last {moment(run.last, now)}"
        )


def _refusals(status: Status, now: datetime) -> Iterator[str]:
    yield f"refused: {status.refused or 'nothing yet'}"
    for refusal in list(status.refusals)[:_MOST]:
        number = f"  [{plain(refusal.id)}]" if refusal.id else ""
        study = plain(refusal.study) or "unknown study"
        yield f"  {moment(refusal.at, now)}  {study}{number}  {plain(refusal.reason)}"


def _words(status: Status) -> Iterator[str]:
    if status.words:
        yield "approvals:"
    for word in status.words[:_MOST]:
        until = (
            f" by {plain(word.by)} until {day(word.until)}"
            if word.by
            else f", asked first on {day(word.at)}"
        )
        use = ", scoring only" if word.use == "evaluate" else ""
        yield f"  {plain(word.study)}  {plain(word.digest)[:16]}  {word.state}{until}{use}"
