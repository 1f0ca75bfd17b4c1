"""What ``consilium server doctor`` and ``consilium site doctor`` share.

Findings, how they are shown, and how certificates, clocks and disks are judged. Nothing is looked
at here: facts are passed in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from common.cli import console
from common.errors import CertificateError, ConsiliumError
from common.trust import certificates

State = Literal["ok", "warning", "wrong"]
RENEW_BEFORE = timedelta(days=30)
"""A certificate that ends sooner is worth a warning: a new kit takes people some days."""
CLOCK_WARNING = 60.0
"""Seconds between two clocks that are worth a warning."""
CLOCK_WRONG = 300.0
"""Seconds: Flower refuses signatures older than about 305 s (flwr 1.41, node authentication)."""
_STYLES: dict[str, str] = {"ok": "dim", "warning": "bold", "wrong": "red"}


@dataclass(frozen=True)
class CheckResult:
    """What one look gave.

    Attributes:
        name: what was looked at.
        state: whether it is right.
        observation: what is there, without a full stop.
        advice: what to do if it is not right.
    """

    name: str
    state: State
    observation: str
    advice: str = ""

    @property
    def text(self) -> str:
        """Observation and advice as one sentence."""
        return f"{self.observation}; {self.advice}" if self.advice else self.observation


def ok(name: str, observation: str) -> CheckResult:
    """All is well."""
    return CheckResult(name, "ok", observation)


def warning(name: str, observation: str, advice: str) -> CheckResult:
    """It works, but not for long or not as it should."""
    return CheckResult(name, "warning", observation, advice)


def wrong(name: str, observation: str, advice: str = "") -> CheckResult:
    """It does not work. Sentences of errors hold their advice already."""
    return CheckResult(name, "wrong", observation.rstrip("."), advice)


def lines(
    findings: Sequence[CheckResult], paint: Callable[[str, str], str] = lambda text, style: text
) -> list[str]:
    """One line for each finding and one that sums up.

    Args:
        findings: in the order in which they are shown.
        paint: gives a text a style of common/cli/console.py.
    """
    width = max((len(finding.name) for finding in findings), default=0)
    rows = [
        f"{paint(f.state.ljust(7), _STYLES[f.state])}  {f.name.ljust(width)}  {f.text}"
        for f in findings
    ]
    return [*rows, summary(findings)]


def summary(findings: Sequence[CheckResult]) -> str:
    """The last line."""
    errors = sum(finding.state == "wrong" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    return (
        f"{f'{errors} wrong' if errors else 'Nothing is wrong'},"
        f" {warnings} {'warning' if warnings == 1 else 'warnings'},"
        f" {len(findings)} things looked at."
    )


def to_json(findings: Sequence[CheckResult]) -> dict[str, Any]:
    """``{"ok": bool, "findings": [{name, state, found, advice}]}``."""
    listed = [
        {"name": f.name, "state": f.state, "found": f.observation, "advice": f.advice}
        for f in findings
    ]
    return {"ok": exit_code(findings) == 0, "findings": listed}


def show(findings: Sequence[CheckResult], as_json: bool) -> int:
    """Print what a doctor found; returns the command's exit code."""
    if as_json:
        console.out_json(to_json(findings))
    else:
        console.out(
            "\n".join(lines(findings, lambda text, style: console.paint(text, style, sys.stdout)))
        )
    return exit_code(findings)


def exit_code(findings: Iterable[CheckResult]) -> int:
    """1 if something is wrong."""
    return int(any(finding.state == "wrong" for finding in findings))


def attempt(name: str, call: Callable[[], CheckResult | list[CheckResult]]) -> list[CheckResult]:
    """The findings of one look.

    An error that it raises on purpose is a finding too, as is a file that cannot be read.
    """
    try:
        result = call()
    except ConsiliumError as error:
        return [wrong(name, str(error))]
    except OSError as error:
        sentence = f"{error.filename or 'a file'} cannot be used ({error.strerror or error})"
        return [wrong(name, sentence, "mend that and look again")]
    return [result] if isinstance(result, CheckResult) else result


def certificate(
    name: str, own: bytes, authority: bytes, holder: str | None, now: datetime, advice: str
) -> CheckResult:
    """Whether a certificate is the consortium's, for its holder, valid now and for a while yet.

    Args:
        name: of the finding.
        own: the certificate, PEM.
        authority: that of the consortium, PEM; where it is ``own``, it is judged by itself.
        holder: the name that has to be in it; None takes any.
        now: UTC.
        advice: what to do where it ends soon.
    """
    try:
        if own == authority:
            certificates.check_authority(own, now)
        else:
            certificates.check(own, authority, holder, now)
    except CertificateError as error:
        return wrong(name, str(error))
    until = certificates.details(own)["not_after"]
    validity = f"good until {until:%Y-%m-%d}"
    if until - now > RENEW_BEFORE:
        return ok(name, validity)
    return warning(name, f"{validity}, for {(until - now).days} more days", advice)


def clock(date: str | None, now: datetime) -> CheckResult:
    """This machine's clock beside the coordinator's.

    Args:
        date: header of the coordinator's HTTP answer (RFC 9110 section 6.6.1); None if none came.
        now: UTC.
    """
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return warning(
            "clock", "not compared: the coordinator told no time", "mend the way to it first"
        )
    apart = (now - theirs).total_seconds()
    gap = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the coordinator's"
    if abs(apart) > CLOCK_WRONG:
        advice = f"set it, e.g. with NTP: from {CLOCK_WRONG:.0f} s on every message is refused"
        return wrong("clock", gap, advice)
    if abs(apart) > CLOCK_WARNING:
        return warning("clock", gap, f"set it, e.g. with NTP, before it is {CLOCK_WRONG:.0f} s")
    # The header has whole seconds, and the answer took a while: nothing below 2 s is claimed.
    return ok("clock", f"within {max(2, abs(apart)):.0f} s of the coordinator's")


def disk(free: int, least: int, place: str) -> CheckResult:
    """Bytes free beside those without which nothing starts; ten times as many are comfortable."""
    room = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free < least:
        return wrong("disk", room, f"make room, at least {least >> 20} MiB are needed")
    if free < 10 * least:
        return warning("disk", room, "make room before it is full")
    return ok("disk", room)
