"""What the hospital's audit log says, summed up: runs, refusals, and events.

Events are what its people and other hospitals did.

Names of studies and runs come from outside; whoever shows them cleans them
(``client/view/formatting.py``).
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from client.view.answer_kinds import kinds
from client.view.tail import Tail, parsed

_MOST_RUNS = 200
_MOST_REFUSALS = 50
_MOST_EVENTS = 25
_ABOUT = ("study", "by", "user", "site", "patients", "until", "reason")
_ROUTINE = frozenset(("asked", "opened", "clipped", "heads"))
"""Events of every round; they are in ``consilium site audit show``."""
_ALARMS = frozenset(("history rewritten", "unknown own head", "head refused"))
"""Events that mean that somebody does not tell the truth about an audit log
(``client/audit/witness.py``)."""


@dataclass
class RunHistory:
    """What one run of a study asked, and what it got.

    Attributes:
        first, last: times (ISO 8601, UTC) of the first and the last question.
        round: highest round that was asked for; ``rounds``: of so many, None where it is not known.
        answered, refused: questions.
        sent, received: bytes of answers and of questions; ``received`` is None where the log
            does not tell.
        left: kind of what left: in how many answers.
        fault: sentence of the last answer, if that was a refusal.
    """

    run: str
    study: str = ""
    digest: str = ""
    first: str = ""
    last: str = ""
    round: int = 0
    rounds: int | None = None
    answered: int = 0
    refused: int = 0
    sent: int = 0
    received: int | None = None
    left: dict[str, int] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True)
class Refusal:
    """One refused question: what the coordinator was told.

    ``id`` is under what the hospital's own log has the rest.
    """

    at: str
    run: str
    study: str
    kind: str
    round: int
    code: str
    reason: str
    id: str


@dataclass(frozen=True)
class Event:
    """Something other than a question: an approval, a stop, another hospital's head.

    ``alarm``: a person must look.
    """

    at: str
    event: str
    about: str
    alarm: bool


class SiteHistory:
    """Reads the audit log as it grows.

    Attributes:
        runs: by name, the one that asked last is the last.
        refusals, events, alarms: the newest first.
        entries: lines in all, as the last one says; None if it does not.
        last: when the last line was written.
        policy: SHA-256 of the policy that the worker works by; empty if the log does not tell.
        busy: since when a question is worked on; empty if none is, None while the audit log has not
            told when one began.

    Args:
        state: the worker's folder.
    """

    def __init__(self, state: Path) -> None:
        self._tail = Tail(state / "journal.jsonl")
        self._clear()

    def _clear(self) -> None:
        self.runs: dict[str, RunHistory] = {}
        self.refusals: deque[Refusal] = deque(maxlen=_MOST_REFUSALS)
        self.events: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self.alarms: deque[Event] = deque(maxlen=_MOST_EVENTS)
        self.refused = 0
        self.damaged = 0
        self.entries: int | None = None
        self.last = ""
        self.policy = ""
        self.busy: str | None = None
        self._days: dict[date, Counter[str]] = {}
        self._received: dict[date, int] = {}

    def read(self) -> SiteHistory:
        """Take in what was written since the last time; returns itself.

        Raises:
            OSError: the audit log cannot be read.
        """
        for number, content in enumerate(self._tail.lines()):
            if number == 0 and self._tail.fresh:
                self._clear()
            line = parsed(content)
            if line is None:
                self.damaged += 1
            else:
                self._take(line)
        return self

    def left_on(self, day: date) -> dict[str, int]:
        """Kind of what left on a day of this machine's clock: in how many answers."""
        return dict(self._days.get(day, Counter()))

    def received_on(self, day: date) -> int | None:
        """Bytes of a day's questions that were worked on; None if the log does not tell."""
        return None if self.busy is None else self._received.get(day, 0)

    def _take(self, line: dict[str, Any]) -> None:
        self.entries = _whole(line, "seq") + 1 if "seq" in line else None
        self.last = _text(line, "at")
        if "event" in line:
            self._happen(line)
        else:
            self._ask(line)

    def _happen(self, line: dict[str, Any]) -> None:
        if line["event"] == "asked":
            self._begin(line)
        # what another worker did not finish, nobody works on
        elif line["event"] in ("started", "ended"):
            self.busy = "" if self.busy is not None else None
        elif line["event"] == "policy":
            self.policy = _text(line, "digest")
        if _text(line, "event") in _ROUTINE:
            return
        details = ", ".join(
            f"{key} {line[key]}"
            for key in _ABOUT
            if isinstance(line.get(key), str | int) and line[key] != ""
        )
        event = Event(
            self.last, _text(line, "event"), details[:1000], _text(line, "event") in _ALARMS
        )
        self.events.appendleft(event)
        if event.alarm:
            self.alarms.appendleft(event)

    def _begin(self, line: dict[str, Any]) -> None:
        """A question is let in to be worked on."""
        self.busy = self.last
        size = _whole(line, "received")
        run = self._run(line)
        run.received = (run.received or 0) + size
        day = _day(self.last)
        if day is not None:
            self._received = {
                key: value for key, value in self._received.items() if (day - key).days < 2
            }
            self._received[day] = self._received.get(day, 0) + size

    def _run(self, line: dict[str, Any]) -> RunHistory:
        name = _text(line, "run")
        run = self.runs.pop(name, None) or RunHistory(name, first=self.last)
        # taken out and put in again: the one that asked last is the last one
        self.runs[name] = run
        if len(self.runs) > _MOST_RUNS:
            del self.runs[next(iter(self.runs))]
        run.study = _text(line, "study") or run.study
        run.digest = _text(line, "digest") or run.digest
        run.last = self.last
        run.round = max(run.round, _whole(line, "round"))
        return run

    def _ask(self, line: dict[str, Any]) -> None:
        """A question was answered or refused."""
        self.busy = "" if self.busy is not None else None
        run = self._run(line)
        run.fault = _text(line, "fault")
        run.sent += _whole(line, "out") or _whole(line, "bytes")
        if run.fault:
            run.refused += 1
            self._refuse(line)
        else:
            run.answered += 1
        self._note_left(run, line)

    def _note_left(self, run: RunHistory, line: dict[str, Any]) -> None:
        names = kinds(_text(line, "kind"), line.get("left"), bool(run.fault))
        for kind in names:
            run.left[kind] = run.left.get(kind, 0) + 1
        day = _day(_text(line, "at"))
        if day is not None:
            # two days are enough: the page tells of today, and a look may cross midnight
            self._days = {key: value for key, value in self._days.items() if (day - key).days < 2}
            self._days.setdefault(day, Counter()).update(names)

    def _refuse(self, line: dict[str, Any]) -> None:
        self.refused += 1
        texts = {key: _text(line, key) for key in ("at", "run", "study", "kind", "code", "id")}
        self.refusals.appendleft(
            Refusal(**texts, round=_whole(line, "round"), reason=_text(line, "fault"))
        )


def _text(line: dict[str, Any], key: str) -> str:
    value = line.get(key)
    return value[:1000] if isinstance(value, str) else ""


def _whole(line: dict[str, Any], key: str) -> int:
    value = line.get(key)
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 60
        else 0
    )


def _day(at: str) -> date | None:
    try:
        return datetime.fromisoformat(at).astimezone().date()
    except ValueError:
        return None
