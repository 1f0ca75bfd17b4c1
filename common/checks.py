"""What ``consilium server doctor`` and ``consilium site doctor`` share: findings, and how facts are judged. Facts are passed in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from common.cli import console
from common.errors import CertificateError, ConsiliumError
from common.trust import certificates

State = Literal["ok", "warning", "wrong"]
RENEW_BEFORE = timedelta(days=30)
"""A certificate that ends sooner is worth a warning: a new kit takes people some days."""
CLOCK_WARNING, CLOCK_WRONG = 60.0, 300.0
"""Seconds between two clocks. Flower refuses signatures that are older than about 305 s (flwr 1.41, node authentication)."""
_STYLES: dict[str, str] = {"ok": "dim", "warning": "bold", "wrong": "red"}


@dataclass(frozen=True)
class CheckResult:
    """What was looked at, whether it is right, what was found, and what to do if it is not."""

    name: str
    state: State
    found: str
    advice: str = ""

    @property
    def text(self) -> str:
        """Found and advice as one sentence."""
        return f"{self.found}; {self.advice}" if self.advice else self.found


def ok(name: str, found: str) -> CheckResult:
    """All is well."""
    return CheckResult(name, "ok", found)


def warning(name: str, found: str, advice: str) -> CheckResult:
    """It works, but not for long or not as it should."""
    return CheckResult(name, "warning", found, advice)


def wrong(name: str, found: str, advice: str = "") -> CheckResult:
    """It does not work. Sentences of errors hold their advice already."""
    return CheckResult(name, "wrong", found.rstrip("."), advice)


def lines(
    findings: Sequence[CheckResult], paint: Callable[[str, str], str] = lambda text, style: text
) -> list[str]:
    """One line for each finding and one that sums up; ``paint`` gives a text a style of common/cli/console.py."""
    width = max((len(finding.name) for finding in findings), default=0)
    rows = [
        f"{paint(f.state.ljust(7), _STYLES[f.state])}  {f.name.ljust(width)}  {f.text}"
        for f in findings
    ]
    return [*rows, summary(findings)]


def summary(findings: Sequence[CheckResult]) -> str:
    """The last line."""
    bad, odd = (
        sum(finding.state == state for finding in findings) for state in ("wrong", "warning")
    )
    told = f"{bad} wrong" if bad else "Nothing is wrong"
    return (
        f"{told}, {odd} {'warning' if odd == 1 else 'warnings'}, {len(findings)} things looked at."
    )


def to_json(findings: Sequence[CheckResult]) -> dict[str, Any]:
    """``{"ok": bool, "findings": [{name, state, found, advice}]}``."""
    return {"ok": exit_code(findings) == 0, "findings": [asdict(finding) for finding in findings]}


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
    """The findings of one look; an error that it raises on purpose is a finding too, as is a file that cannot be read."""
    try:
        found = call()
    except ConsiliumError as error:
        return [wrong(name, str(error))]
    except OSError as error:
        return [
            wrong(
                name,
                f"{error.filename or 'a file'} cannot be used ({error.strerror or error})",
                "mend that and look again",
            )
        ]
    return [found] if isinstance(found, CheckResult) else found


def certificate(
    name: str, own: bytes, authority: bytes, holder: str | None, now: datetime, advice: str
) -> CheckResult:
    """Whether a certificate (PEM) is the consortium's, for ``holder``, valid now and for a while yet; the authority's own if both are one."""
    try:
        if own == authority:
            certificates.check_authority(own, now)
        else:
            certificates.check(own, authority, holder, now)
    except CertificateError as error:
        return wrong(name, str(error))
    until = certificates.details(own)["not_after"]
    found = f"good until {until:%Y-%m-%d}"
    return (
        ok(name, found)
        if until - now > RENEW_BEFORE
        else warning(name, f"{found}, for {(until - now).days} more days", advice)
    )


def clock(date: str | None, now: datetime) -> CheckResult:
    """This machine's clock beside the coordinator's: ``date`` is the header of its HTTP answer (RFC 9110 section 6.6.1)."""
    try:
        there = parsedate_to_datetime(date or "")
    except ValueError:
        return warning(
            "clock", "not compared: the coordinator told no time", "mend the way to it first"
        )
    apart = (now - there).total_seconds()
    found = f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the coordinator's"
    if abs(apart) > CLOCK_WRONG:
        return wrong(
            "clock",
            found,
            f"set it, e.g. with NTP: from {CLOCK_WRONG:.0f} s on every message is refused",
        )
    if abs(apart) > CLOCK_WARNING:
        return warning("clock", found, f"set it, e.g. with NTP, before it is {CLOCK_WRONG:.0f} s")
    return ok("clock", f"within {max(2, abs(apart)):.0f} s of the coordinator's")


def disk(free: int, least: int, place: str) -> CheckResult:
    """Bytes free beside the bytes without which nothing starts; ten times as many are comfortable."""
    found = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free < least:
        return wrong("disk", found, f"make room, at least {least >> 20} MiB are needed")
    return (
        ok("disk", found)
        if free >= 10 * least
        else warning("disk", found, "make room before it is full")
    )


def versions(
    installed: Mapping[str, str], required: Iterable[tuple[str, str, bool | None]]
) -> list[CheckResult]:
    """Whether what is installed is what the installed packages ask for.

    Args:
        installed: version of each package that is worth a line.
        required: ``(who, requirement, met)``; met is None if the package is missing.
    """
    told = ", ".join(f"{name} {version}" for name, version in installed.items())
    faults = [
        f"{who} needs {what}, which is {'not installed' if met is None else 'not what is installed'}"
        for who, what, met in required
        if not met
    ]
    if faults:
        return [
            wrong(
                "versions",
                f"version mismatch: {'; '.join(faults[:3])}",
                "install anew, with the constraints file",
            )
        ]
    return [ok("versions", told)]


def roots(
    doubles: Mapping[str, Sequence[str]],
    ours: Mapping[str, str],
    home: str | None,
    python_path: str,
    user_site: str,
) -> list[CheckResult]:
    """Whether every package comes from one place.

    Args:
        doubles: folders of each package that is installed more than once.
        ours: folder from which each of our own packages is imported.
        home: folder where they are installed; None if they are not.
        python_path: PYTHONPATH.
        user_site: the user's own packages' folder, "" if it is not looked into.
    """
    name, one = "packages", "keep one environment for Consilium and install into that"
    found = [
        wrong(name, f"{package} is installed twice, in {' and in '.join(places)}", one)
        for package, places in doubles.items()
    ]
    strange = {
        package: place for package, place in ours.items() if home is not None and place != home
    }
    found += [
        wrong(name, f"{package} is imported from {place} instead of {home}", one)
        for package, place in strange.items()
    ]
    if home is None and len(set(ours.values())) > 1:
        found.append(
            wrong(
                name,
                f"our own packages come from {' and from '.join(sorted(set(ours.values())))}",
                one,
            )
        )
    elif home is None:
        found.append(
            warning(
                name,
                f"Consilium is not installed and runs from {next(iter(ours.values()), 'nowhere')}",
                "install it",
            )
        )
    if python_path:
        found.append(
            warning(
                name,
                f"PYTHONPATH is set to {python_path}",
                "unset it: it puts other packages before the installed ones",
            )
        )
    if user_site:
        found.append(
            warning(
                name,
                f"packages of this user in {user_site} are used too",
                "use a virtual environment, or set PYTHONNOUSERSITE=1",
            )
        )
    return found or [ok(name, f"all from one place, {home}")]
