"""Sections of the page that are tables: studies, refusals, approvals, own rules, audit log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from client.view.answer_kinds import CLEAR
from client.view.formatting import QUESTIONS, day, markup, moment
from client.view.history import RunHistory
from client.view.page_markup import MOST, more, note, pairs, section, table
from client.view.status import PolicyRule, Status, StudyApproval
from common.html import classed
from common.quantities import grouped, plural, size


def runs(histories: Sequence[RunHistory], now: datetime) -> str:
    """The studies that asked."""
    if not histories:
        return section("runs", "Studies", "<p>No study has asked anything yet.</p>")
    heads = (
        ("Study", ""),
        ("Round", "num"),
        ("Answers", "num"),
        ("Left", "num"),
        ("What left", "wide"),
        ("Last", "when"),
    )
    rows = [_run(run, now) for run in histories[:MOST]]
    grid = table("runs", "Studies that asked", heads, rows)
    return section("runs", "Studies", grid, more(len(histories)))


def _run(run: RunHistory, now: datetime) -> list[str]:
    name = markup(run.study) or "<i>unknown</i>"
    refused = f"<small>{plural(run.refused, 'refusal')}</small>" if run.refused else ""
    came = f"<small>{size(run.received)} came in</small>" if run.received is not None else ""
    left = ", ".join(f"<span{look(kind)}>{markup(kind)}</span>" for kind in sorted(run.left))
    return [
        f"{name}<small>{markup(run.run)}</small>",
        f"{grouped(run.round)}{f' of {grouped(run.rounds)}' if run.rounds else ''}",
        f"{grouped(run.answered)}{refused}",
        f"{size(run.sent)}{came}",
        left or "nothing",
        moment(run.last, now),
    ]


def look(kind: str) -> str:
    """The class of a kind of what left: what left in clear is marked."""
    return classed("look" if kind in CLEAR else "")


def refusals(status: Status, now: datetime) -> str:
    """The questions that were refused."""
    if not status.refusals:
        return section("refused", "What was refused", "<p>Nothing.</p>")
    heads = (("When", "when"), ("Study", ""), ("Question", ""), ("Why", "wide"), ("Id", ""))
    rows = [
        [
            moment(refusal.at, now),
            markup(refusal.study) or "<i>unknown</i>",
            (markup(QUESTIONS.get(refusal.kind, refusal.kind)) or "–")
            + (f", round {refusal.round}" if refusal.round else ""),
            markup(refusal.reason),
            f"<code>{markup(refusal.id)}</code>" if refusal.id else "–",
        ]
        for refusal in status.refusals[:MOST]
    ]
    remark = note(
        "Under its id the hospital's own log, <code>worker/state/site.log</code>, "
        "has the rest of each."
    )
    grid = table("refused", "Refused questions", heads, rows)
    return section("refused", "What was refused", remark, grid, more(status.refused))


def approvals(words: Sequence[StudyApproval]) -> str:
    """The studies that are approved, and those that wait for a person."""
    if not words:
        nothing = "<p>No study is approved, and none waits.</p>"
        return section("approvals", "Approvals", nothing)
    heads = (("Study", ""), ("State", ""), ("By", ""), ("Until", "when"), ("For", ""))
    rows = [
        [
            f"{markup(word.study)}<small><code>{markup(word.digest[:16])}</code></small>",
            '<span class="look">waits for a person</span>'
            if word.state == "waits"
            else markup(word.state),
            markup(word.by) or "–",
            day(word.until) if word.until else "–",
            {"train": "training", "evaluate": "scoring only"}.get(word.use, "–"),
        ]
        for word in words[:MOST]
    ]
    remark = note(
        "A study that waits is read and approved with <code>consilium site approve</code>."
    )
    waits = any(word.state == "waits" for word in words)
    return section(
        "approvals",
        "Approvals",
        remark if waits else "",
        table("approvals", "Approvals", heads, rows),
        more(len(words)),
    )


def policy(rules: Sequence[PolicyRule]) -> str:
    """The rules of the hospital's policy that are its own, and all of them folded."""
    if not rules:
        return section("policy", "Own rules", "<p>Unknown: policy.toml cannot be read.</p>")
    own = [rule for rule in rules if rule.own]
    if own:
        differ = plural(len(own), "rule differs", "rules differ")
        lead = f"<p>{differ} from how a policy is made:</p>"
        lead += pairs((rule.name, rule.value, "") for rule in own)
    else:
        lead = "<p>Every rule is as it was made.</p>"
    heads = (("Rule", ""), ("Value", "wide"), ("Meaning", "wide"))
    rows = [
        [f"<code>{rule.name}</code>", f"<code>{markup(rule.value)}</code>", markup(rule.meaning)]
        for rule in rules
    ]
    fold = (
        f'<details id="rules"><summary>All {len(rows)} rules</summary>'
        f"{table('policy', 'All rules', heads, rows)}</details>"
    )
    return section("policy", "Own rules", lead, fold)


def audit_log(status: Status, now: datetime) -> str:
    """How long the audit log is, and its events besides questions."""
    if not status.last:
        return section("journal", "Journal", "<p>Nothing is in it yet.</p>")
    count = (
        f"{plural(status.entries, 'entry', 'entries')}, each" if status.entries else "Each entry is"
    )
    text = (
        f"<p>{count} chained to the one before; the last is of {moment(status.last, now)}. "
        "<code>consilium site audit verify</code> checks it.</p>"
    )
    heads = (("When", "when"), ("Event", ""), ("About", "wide"))
    rows = [
        [
            moment(event.at, now),
            f"<span{classed('look' if event.alarm else '')}>{markup(event.event)}</span>",
            markup(event.about),
        ]
        for event in status.events
    ]
    grid = table("journal", "Events besides questions", heads, rows) if rows else ""
    return section("journal", "Journal", text, grid)
