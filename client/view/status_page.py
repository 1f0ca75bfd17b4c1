"""A hospital's status as one page: no other file, no other machine, useful without its script, every text in it cleaned and escaped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from client.policy.stop import LONGEST_REASON
from client.view._style import CSS, SCRIPT
from client.view.formatting import QUESTIONS, day, markup, moment, plain
from client.view.history import CLEAR, RunHistory
from client.view.processes import GONE, UNKNOWN
from client.view.status import DOWN, OPEN, STOPPED, WAITING, Status, TodaysUse, Word
from common.html import classed, digest, document, scroll
from common.quantities import grouped, plural, size

_MOST = 25
_LEADS = {
    OPEN: ("", "This hospital takes part."),
    STOPPED: ("off", "This hospital is stopped. Nothing is answered."),
    DOWN: ("wait", "This hospital does not answer: not everything that it needs is running."),
    WAITING: ("wait", "This hospital takes part, and its policy is closed at this hour."),
}


POLICY = (
    f"default-src 'none'; style-src {digest(CSS)}; script-src {digest(SCRIPT)}; connect-src 'self'; img-src data:; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The page's Content-Security-Policy: its own style and script by digest, its own address, nothing else."""


def mark(status: Status) -> str:
    """Changes whenever anything but the time does."""
    return hashlib.sha256(repr({**vars(status), "at": ""}).encode()).hexdigest()[:16]


def clock(status: Status) -> str:
    """The time of the look, by this machine's clock."""
    return datetime.fromisoformat(status.at).astimezone().strftime("%H:%M:%S")


def render(status: Status, csrf: str) -> str:
    """The whole page.

    Args:
        status: of the hospital.
        csrf: what the button's form must send back.
    """
    now = datetime.fromisoformat(status.at)
    parts = (
        _now(status, now),
        _button(status, csrf),
        _today(status.spent),
        _problems(status.problems),
        _runs(status.runs, now),
        _refusals(status, now),
        _words(status.words),
        _policy(status),
        _journal(status, now),
    )
    foot = "This page comes from this machine, loads nothing from elsewhere, and shows nothing about a patient."
    body = f"{_title(status)}<main>{''.join(parts)}</main><footer>{foot}</footer><script>{SCRIPT}</script>"
    return document(
        f"{plain(status.site)} – {plain(status.state)} – Consilium", CSS, body, policy=False
    )


def _title(status: Status) -> str:
    return (
        f'<header><p class="mark">Consilium · consortium {markup(status.consortium)}</p><h1>{markup(status.site)}</h1>'
        f'<p class="clock" id="clock" data-mark="{mark(status)}" data-seen="{clock(status)}">As of {clock(status)}</p>'
        '<noscript><p><a href="./">Look again</a></p></noscript></header>'
    )


def _section(name: str, heading: str, *content: str) -> str:
    """A section with its heading in the margin; it is exchanged alone when it changes."""
    return f'<section id="{name}" data-part aria-labelledby="{name}-h"><h2 id="{name}-h">{heading}</h2><div>{"".join(content)}</div></section>'


def _now(status: Status, now: datetime) -> str:
    kind, lead = _LEADS[status.state]
    facts = [
        (
            p.name.capitalize(),
            p.state + (f", process {p.pid}" if p.pid else ""),
            "look" if p.state == GONE else "",
        )
        for p in status.processes
    ]
    busy = (
        "unknown"
        if status.busy is None
        else f"being worked on since {moment(status.busy, now)}"
        if status.busy
        else "none at the moment"
    )
    if status.stopped:
        found = status.stopped
        facts.insert(
            0,
            (
                "Stopped",
                f"{moment(found.at, now)} by {found.by}{f': {found.reason}' if found.reason else ''}",
                "look",
            ),
        )
    facts.append(("Question", busy, ""))
    return _section(
        "now",
        "Now",
        f'<p class="lead {kind}" role="status">{lead}</p>',
        _pairs(facts),
        _unknown(status),
    )


def _unknown(status: Status) -> str:
    hidden = [process.name for process in status.processes if process.state == UNKNOWN]
    return (
        f'<p class="note">Whether the {" and the ".join(hidden)} runs is not seen from here, as from another container.</p>'
        if hidden
        else ""
    )


def _button(status: Status, csrf: str) -> str:
    hidden = f'<input type="hidden" name="csrf" value="{markup(csrf)}">'
    if status.stopped:
        form = f'<form method="post" action="resume">{hidden}<button class="go" id="press">Answer again</button></form>'
        return _section(
            "stop",
            "Resume",
            form,
            '<p class="note">Approvals, budget and state are as they were before the stop.</p>',
        )
    field = (
        '<div class="field"><label for="reason">Reason, for your own people (optional; it does not leave)</label>'
        f'<input type="text" id="reason" name="reason" maxlength="{LONGEST_REASON}" autocomplete="off"></div>'
    )
    note = '<p class="note">Nothing leaves from that moment on, also no answer that is being worked on, until somebody here resumes. The other hospitals go on.</p>'
    return _section(
        "stop",
        "Stop",
        f'<form method="post" action="stop">{hidden}{field}<button id="press">Stop now</button></form>',
        note,
    )


def _today(spent: TodaysUse) -> str:
    rows = (
        ("Rounds", spent.rounds, spent.rounds_allowed, grouped),
        ("Left", spent.sent, spent.sent_allowed, size),
        ("Came in", spent.received, None, size),
    )
    facts = []
    for name, value, allowed, shown in rows:
        if value is None:
            facts.append(f"<dt>{name}</dt><dd>unknown</dd>")
            continue
        limit = f" of {shown(allowed)} that the policy allows" if allowed is not None else ""
        bar = (
            f'<meter min="0" max="{allowed:.0f}" value="{value}" aria-label="{name}"></meter>'
            if allowed
            else ""
        )
        facts.append(f"<dt>{name}</dt><dd>{shown(value)}{limit}{bar}</dd>")
    kinds = "".join(
        f"<li{_look(kind)}>{markup(kind)}, in {plural(count, 'answer')}</li>"
        for kind, count in sorted(spent.left.items())
    )
    return _section(
        "today",
        "What left today",
        f"<dl>{''.join(facts)}</dl>",
        f"<ul>{kinds}</ul>" if kinds else "<p>Nothing has left today.</p>",
    )


def _look(kind: str) -> str:
    return classed("look" if kind in CLEAR else "")


def _problems(problems: Sequence[str]) -> str:
    found = "".join(f'<li class="look">{markup(problem)}</li>' for problem in problems)
    return _section("problems", "To look at", f"<ul>{found}</ul>" if found else "<p>Nothing.</p>")


def _runs(runs: Sequence[RunHistory], now: datetime) -> str:
    if not runs:
        return _section("runs", "Studies", "<p>No study has asked anything yet.</p>")
    heads = (
        ("Study", ""),
        ("Round", "num"),
        ("Answers", "num"),
        ("Left", "num"),
        ("What left", "wide"),
        ("Last", "when"),
    )
    return _section(
        "runs",
        "Studies",
        _grid("runs", "Studies that asked", heads, [_run(run, now) for run in runs[:_MOST]]),
        _more(len(runs)),
    )


def _run(run: RunHistory, now: datetime) -> list[str]:
    name = markup(run.study) or "<i>unknown</i>"
    refused = f"<small>{plural(run.refused, 'refusal')}</small>" if run.refused else ""
    came = f"<small>{size(run.received)} came in</small>" if run.received is not None else ""
    left = ", ".join(f"<span{_look(kind)}>{markup(kind)}</span>" for kind in sorted(run.left))
    return [
        f"{name}<small>{markup(run.run)}</small>",
        f"{grouped(run.round)}{f' of {grouped(run.rounds)}' if run.rounds else ''}",
        f"{grouped(run.answered)}{refused}",
        f"{size(run.sent)}{came}",
        left or "nothing",
        moment(run.last, now),
    ]


def _refusals(status: Status, now: datetime) -> str:
    if not status.refusals:
        return _section("refused", "What was refused", "<p>Nothing.</p>")
    heads = (("When", "when"), ("Study", ""), ("Question", ""), ("Why", "wide"), ("Id", ""))
    rows = [
        [
            moment(one.at, now),
            markup(one.study) or "<i>unknown</i>",
            f"{markup(QUESTIONS.get(one.kind, one.kind)) or '–'}{f', round {one.round}' if one.round else ''}",
            markup(one.reason),
            f"<code>{markup(one.id)}</code>" if one.id else "–",
        ]
        for one in status.refusals[:_MOST]
    ]
    note = '<p class="note">Under its id the hospital\'s own log, <code>worker/state/site.log</code>, has the rest of each.</p>'
    return _section(
        "refused",
        "What was refused",
        note,
        _grid("refused", "Refused questions", heads, rows),
        _more(status.refused),
    )


def _words(words: Sequence[Word]) -> str:
    if not words:
        return _section("approvals", "Approvals", "<p>No study is approved, and none waits.</p>")
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
        for word in words[:_MOST]
    ]
    waits = any(word.state == "waits" for word in words)
    note = (
        '<p class="note">A study that waits is read and approved with <code>consilium site approve</code>.</p>'
        if waits
        else ""
    )
    return _section(
        "approvals",
        "Approvals",
        note,
        _grid("approvals", "Approvals", heads, rows),
        _more(len(words)),
    )


def _policy(status: Status) -> str:
    if not status.rules:
        return _section("policy", "Own rules", "<p>Unknown: policy.toml cannot be read.</p>")
    own = [rule for rule in status.rules if rule.own]
    first = (
        _pairs((rule.name, rule.value, "") for rule in own)
        if own
        else "<p>Every rule is as it was made.</p>"
    )
    lead = (
        f"<p>{plural(len(own), 'rule differs', 'rules differ')} from how a policy is made:</p>"
        if own
        else ""
    )
    heads = (("Rule", ""), ("Value", "wide"), ("Meaning", "wide"))
    rows = [
        [f"<code>{rule.name}</code>", f"<code>{markup(rule.value)}</code>", markup(rule.meaning)]
        for rule in status.rules
    ]
    fold = f'<details id="rules"><summary>All {len(rows)} rules</summary>{_grid("policy", "All rules", heads, rows)}</details>'
    return _section("policy", "Own rules", lead, first, fold)


def _journal(status: Status, now: datetime) -> str:
    if not status.last:
        return _section("journal", "Journal", "<p>Nothing is in it yet.</p>")
    count = (
        f"{plural(status.entries, 'entry', 'entries')}, each" if status.entries else "Each entry is"
    )
    text = f"<p>{count} chained to the one before; the last is of {moment(status.last, now)}. <code>consilium site audit verify</code> checks it.</p>"
    heads = (("When", "when"), ("Event", ""), ("About", "wide"))
    rows = [
        [
            moment(one.at, now),
            f"<span{classed('look' if one.alarm else '')}>{markup(one.event)}</span>",
            markup(one.about),
        ]
        for one in status.events
    ]
    return _section(
        "journal",
        "Journal",
        text,
        _grid("journal", "Events besides questions", heads, rows) if rows else "",
    )


def _pairs(items: Iterable[tuple[str, str, str]]) -> str:
    rows = "".join(
        f"<dt>{markup(name)}</dt><dd{classed(kind)}>{markup(value)}</dd>"
        for name, value, kind in items
    )
    return f"<dl>{rows}</dl>"


def _grid(
    name: str, label: str, heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]
) -> str:
    """A table that scrolls sideways where it must, also by keyboard; cells are markup, the first one of a row is its heading.

    Each part says what it is, since the style sheet stacks the cells on narrow screens.
    """
    kinds = [classed(kind) for _, kind in heads]
    names = [head for head, _ in heads]
    top = "".join(
        f'<th scope="col" role="columnheader"{kind}>{head}</th>'
        for head, kind in zip(names, kinds, strict=True)
    )
    body = "".join(
        f'<tr role="row"><th scope="row" role="rowheader"{kinds[0]}>{row[0]}</th>'
        + "".join(
            f'<td role="cell" data-head="{head}"{kind}>{cell}</td>'
            for head, cell, kind in zip(names[1:], row[1:], kinds[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    table = f'<table role="table"><thead role="rowgroup"><tr role="row">{top}</tr></thead><tbody role="rowgroup">{body}</tbody></table>'
    return scroll(label, table, name=f"{name}-t")


def _more(count: int) -> str:
    return (
        f'<p class="note">The last {_MOST} of {grouped(count)}; consilium site status --json has more.</p>'
        if count > _MOST
        else ""
    )
