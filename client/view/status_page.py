"""A hospital's status as one page, useful without its script.

It needs no other file and no other machine; every text in it is cleaned and escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from client.policy.stop import LONGEST_REASON, Stop
from client.view import page_tables
from client.view._style import CSS, SCRIPT
from client.view.formatting import markup, moment, plain
from client.view.page_markup import note, pairs, section
from client.view.processes import GONE, UNKNOWN
from client.view.status import DOWN, OPEN, STOPPED, WAITING, Status, TodaysUse
from common.html import digest, document
from common.quantities import grouped, plural, size

_LEADS = {
    OPEN: ("", "This hospital takes part."),
    STOPPED: ("off", "This hospital is stopped. Nothing is answered."),
    DOWN: ("wait", "This hospital does not answer: not everything that it needs is running."),
    WAITING: ("wait", "This hospital takes part, and its policy is closed at this hour."),
}


POLICY = (
    f"default-src 'none'; style-src {digest(CSS)}; script-src {digest(SCRIPT)}; "
    "connect-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
"""The page's Content-Security-Policy: its own style, script and address, nothing else."""


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
        page_tables.runs(status.runs, now),
        page_tables.refusals(status, now),
        page_tables.approvals(status.words),
        page_tables.policy(status.rules),
        page_tables.audit_log(status, now),
    )
    foot = (
        "This page comes from this machine, loads nothing from elsewhere, "
        "and shows nothing about a patient."
    )
    main = f"<main>{''.join(parts)}</main>"
    body = f"{_title(status)}{main}<footer>{foot}</footer><script>{SCRIPT}</script>"
    return document(
        f"{plain(status.site)} – {plain(status.state)} – Consilium", CSS, body, policy=False
    )


def _title(status: Status) -> str:
    return (
        f'<header><p class="mark">Consilium · consortium {markup(status.consortium)}</p>'
        f"<h1>{markup(status.site)}</h1>"
        f'<p class="clock" id="clock" data-mark="{mark(status)}" data-seen="{clock(status)}">'
        f"As of {clock(status)}</p>"
        '<noscript><p><a href="./">Look again</a></p></noscript></header>'
    )


def _now(status: Status, now: datetime) -> str:
    kind, lead = _LEADS[status.state]
    facts = [_stopped(status.stopped, now)] if status.stopped else []
    for process in status.processes:
        number = f", process {process.pid}" if process.pid else ""
        look = "look" if process.state == GONE else ""
        facts.append((process.name.capitalize(), process.state + number, look))
    facts.append(("Question", _busy(status.busy, now), ""))
    return section(
        "now",
        "Now",
        f'<p class="lead {kind}" role="status">{lead}</p>',
        pairs(facts),
        _unknown(status),
    )


def _stopped(stop: Stop, now: datetime) -> tuple[str, str, str]:
    reason = f": {stop.reason}" if stop.reason else ""
    return "Stopped", f"{moment(stop.at, now)} by {stop.by}{reason}", "look"


def _busy(since: str | None, now: datetime) -> str:
    if since is None:
        return "unknown"
    return f"being worked on since {moment(since, now)}" if since else "none at the moment"


def _unknown(status: Status) -> str:
    hidden = [process.name for process in status.processes if process.state == UNKNOWN]
    if not hidden:
        return ""
    return note(
        f"Whether the {' and the '.join(hidden)} runs is not seen from here, "
        "as from another container."
    )


def _button(status: Status, csrf: str) -> str:
    hidden = f'<input type="hidden" name="csrf" value="{markup(csrf)}">'
    if status.stopped:
        form = (
            f'<form method="post" action="resume">{hidden}'
            '<button class="go" id="press">Answer again</button></form>'
        )
        remark = note("Approvals, budget and state are as they were before the stop.")
        return section("stop", "Resume", form, remark)
    field = (
        '<div class="field"><label for="reason">'
        "Reason, for your own people (optional; it does not leave)</label>"
        '<input type="text" id="reason" name="reason"'
        f' maxlength="{LONGEST_REASON}" autocomplete="off"></div>'
    )
    form = (
        f'<form method="post" action="stop">{hidden}{field}'
        '<button id="press">Stop now</button></form>'
    )
    remark = note(
        "Nothing leaves from that moment on, also no answer that is being worked on, "
        "until somebody here resumes. The other hospitals go on."
    )
    return section("stop", "Stop", form, remark)


def _today(spent: TodaysUse) -> str:
    facts = (
        _use("Rounds", spent.rounds, spent.rounds_allowed, grouped),
        _use("Left", spent.sent, spent.sent_allowed, size),
        _use("Came in", spent.received, None, size),
    )
    kinds = "".join(
        f"<li{page_tables.look(kind)}>{markup(kind)}, in {plural(count, 'answer')}</li>"
        for kind, count in sorted(spent.left.items())
    )
    return section(
        "today",
        "What left today",
        f"<dl>{''.join(facts)}</dl>",
        f"<ul>{kinds}</ul>" if kinds else "<p>Nothing has left today.</p>",
    )


def _use(name: str, value: int | None, allowed: float | None, shown: Callable[[float], str]) -> str:
    if value is None:
        return f"<dt>{name}</dt><dd>unknown</dd>"
    limit = f" of {shown(allowed)} that the policy allows" if allowed is not None else ""
    # a meter needs a range: none for a policy that allows nothing
    bar = (
        f'<meter min="0" max="{allowed:.0f}" value="{value}" aria-label="{name}"></meter>'
        if allowed
        else ""
    )
    return f"<dt>{name}</dt><dd>{shown(value)}{limit}{bar}</dd>"


def _problems(problems: Sequence[str]) -> str:
    items = "".join(f'<li class="look">{markup(problem)}</li>' for problem in problems)
    return section("problems", "To look at", f"<ul>{items}</ul>" if items else "<p>Nothing.</p>")
