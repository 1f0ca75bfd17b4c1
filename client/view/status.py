"""A hospital at one moment: what runs, left, was refused, is spent and is allowed.

What cannot be read is said to be unknown, with a sentence among the problems; nothing here stops
because a file is damaged or missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from client.home import SiteHome
from client.policy import approvals, daily_limits, policy, stop
from client.policy.approvals import Approval
from client.policy.policy import Policy
from client.policy.stop import Stop
from client.view import processes
from client.view.formatting import moment
from client.view.history import Event, Refusal, RunHistory, SiteHistory
from client.view.processes import Process
from common.errors import ConsiliumError
from common.study import config

T = TypeVar("T")
STOPPED = "stopped"
DOWN = "not running"
WAITING = "outside its hours"
OPEN = "taking part"


@dataclass(frozen=True)
class PolicyRule:
    """One setting of the hospital's policy, as it stands in policy.toml.

    ``own``: it is not the value that every policy is made with.
    """

    name: str
    value: str
    meaning: str
    own: bool


@dataclass(frozen=True)
class StudyApproval:
    """An approval of a study by a person, or a study that waits for one.

    For one that waits ``by`` is empty, and ``at`` says when it first asked.
    """

    study: str
    digest: str
    by: str
    at: str
    until: str
    use: str
    state: str


@dataclass(frozen=True)
class TodaysUse:
    """A day of this machine's clock against the policy; None where it is not known.

    Attributes:
        rounds, rounds_allowed: training rounds answered, of all studies together.
        sent, sent_allowed: bytes that left.
        received: bytes that came in.
        left: kind of what left: in how many answers.
    """

    day: str
    rounds: int | None
    rounds_allowed: int | None
    sent: int | None
    sent_allowed: float | None
    received: int | None
    left: dict[str, int]


@dataclass(frozen=True)
class Status:
    """A hospital at one moment; times are ISO 8601 with zone.

    Attributes:
        state: "taking part", "stopped", "not running" or "outside its hours".
        busy: since when a question is being worked on; empty if none is, None if that is not known.
        runs: the one that asked last comes first.
        refusals: the newest first, at most 50 of ``refused``.
        entries: of the audit log, in all; None if that is not known. ``last``: when the last was
            written; empty if none was.
        events: what the hospital's people and other hospitals did, the newest first, at most 25.
        problems: sentences about what could not be read or does not fit.
    """

    at: str
    site: str
    consortium: str
    state: str
    stopped: Stop | None
    processes: tuple[Process, ...]
    busy: str | None
    spent: TodaysUse
    runs: tuple[RunHistory, ...]
    refused: int
    refusals: tuple[Refusal, ...]
    words: tuple[StudyApproval, ...]
    rules: tuple[PolicyRule, ...]
    entries: int | None
    last: str
    events: tuple[Event, ...]
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as one JSON object."""
        return asdict(self)


class Viewer:
    """Looks at a hospital again and again; growing files are not read twice.

    It is not for several threads at once.

    Args:
        home: an enrolled hospital's folder.
    """

    def __init__(self, home: SiteHome) -> None:
        self._home = home
        self._record = SiteHistory(home.state)
        self._problems: list[str] = []

    def look(self, now: datetime) -> Status:
        """The hospital at this moment; ``now`` has a zone."""
        self._problems = []
        home = self._home
        here = now.astimezone()
        settings = self._try(home.settings, "site.toml")
        rules = self._try(lambda: policy.read(home.policy_toml), "policy.toml")
        self._try(self._record.read, "the journal")
        words, lengths = self._words(now)
        alive = processes.look(home)
        self._check(alive, now)
        stopped = stop.read(home.state)
        return Status(
            at=now.isoformat(timespec="seconds"),
            site=settings.name if settings else "unknown",
            consortium=settings.consortium if settings else "unknown",
            state=_state(stopped, alive, rules, here),
            stopped=stopped,
            processes=alive,
            busy="" if alive[0].state == processes.GONE else self._record.busy,
            spent=self._spent(rules, here),
            runs=tuple(_with_length(run, lengths) for run in reversed(self._record.runs.values())),
            refused=self._record.refused,
            refusals=tuple(self._record.refusals),
            words=words,
            rules=_rules(rules) if rules else (),
            entries=self._record.entries,
            last=self._record.last,
            events=tuple(self._record.events),
            problems=tuple(self._problems),
        )

    def _try(self, read: Callable[[], T], name: str) -> T | None:
        try:
            return read()
        except ConsiliumError as error:
            self._problems.append(str(error))
        except OSError as error:
            self._problems.append(
                f"What {name} says is unknown: it cannot be read here ({error.strerror})."
            )
        return None

    def _words(self, now: datetime) -> tuple[tuple[StudyApproval, ...], dict[str, int]]:
        """Approvals and waiting studies, and the number of rounds of each study by its digest."""
        state = self._home.state
        decided = self._try(lambda: approvals.all_of(state), "the list of approvals") or ()
        waiting = self._try(lambda: approvals.offers(state), "the list of waiting studies") or ()
        words = [_waiting(study.name, study.digest, at) for at, study in waiting]
        words += [_approved(approval, now) for approval in reversed(decided)]
        lengths = {study.digest: study.federation.rounds for _, study in waiting}
        lengths |= {approval.digest: _rounds(approval.table) for approval in decided}
        return tuple(words), lengths

    def _spent(self, rules: Policy | None, here: datetime) -> TodaysUse:
        use = self._try(lambda: daily_limits.today(self._home.state, here.date()), "the budget")
        return TodaysUse(
            day=here.date().isoformat(),
            rounds=use.rounds if use else None,
            rounds_allowed=rules.rounds_per_day if rules else None,
            sent=use.bytes if use else None,
            sent_allowed=rules.megabytes_per_day * 1e6 if rules else None,
            received=self._record.received_on(here.date()),
            left=self._record.left_on(here.date()),
        )

    def _check(self, alive: tuple[Process, ...], now: datetime) -> None:
        """Problems that no single file shows."""
        if self._record.damaged:
            self._problems.append(
                f"{self._record.damaged} lines of the journal cannot be read; "
                "the hospital's IT must look at it."
            )
        self._problems += [
            f"{moment(alarm.at, now)}, {alarm.event}: {alarm.about}"
            for alarm in self._record.alarms
        ]
        digest = self._record.policy
        if (
            alive[0].state == processes.RUNNING
            and digest
            and _sha256(self._home.policy_toml) not in ("", digest)
        ):
            self._problems.append(
                "policy.toml was changed after the worker started; "
                "restart the worker, which still works by the old rules."
            )


def _state(
    stopped: Stop | None, alive: tuple[Process, ...], rules: Policy | None, here: datetime
) -> str:
    if stopped is not None:
        return STOPPED
    if rules is None or any(process.state == processes.GONE for process in alive):
        return DOWN
    return OPEN if rules.is_open(here) else WAITING


def _rules(current: Policy) -> tuple[PolicyRule, ...]:
    default = Policy()
    rules = []
    for place, _, _, meaning in config.describe(Policy, "policy"):
        name = place.removeprefix("policy.")
        value = getattr(current, name)
        own = value != getattr(default, name)
        rules.append(PolicyRule(name, config.shown(value), meaning, own))
    return tuple(rules)


def _waiting(name: str, digest: str, asked: str) -> StudyApproval:
    return StudyApproval(
        study=name, digest=digest, by="", at=asked, until="", use="", state="waits"
    )


def _approved(approval: Approval, now: datetime) -> StudyApproval:
    ended = "withdrawn" if approval.withdrawn else "ended"
    return StudyApproval(
        study=approval.name,
        digest=approval.digest,
        by=approval.by,
        at=approval.at,
        until=approval.until,
        use=approval.use,
        state="approved" if approval.holds(now) else ended,
    )


def _with_length(run: RunHistory, lengths: dict[str, int]) -> RunHistory:
    return replace(run, rounds=lengths.get(run.digest) or None, left=dict(run.left))


def _rounds(table: Any) -> int:
    federation = table.get("federation") if hasattr(table, "get") else None
    rounds = federation.get("rounds") if isinstance(federation, dict) else None
    return rounds if isinstance(rounds, int) else 0


def _sha256(path: Path) -> str:
    """Of a file's content; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
