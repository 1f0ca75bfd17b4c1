"""How facts are judged: each threshold from both sides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from common import checks
from common.checks import CheckResult
from common.errors import InputError, SiteError
from common.trust import certificates

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = certificates.authority("chest-4", NOW - timedelta(days=100), 3650)


def granted(days: int) -> bytes:
    """A hospital's certificate that is good for so many days from NOW on."""
    key = certificates.private_key("tls")
    return certificates.grant(
        CA,
        certificates.request("north", key),
        "north",
        "client",
        NOW - timedelta(days=90),
        90 + days,
    )


@pytest.mark.parametrize(
    ("days", "state"), [(200, "ok"), (31, "ok"), (30, "warning"), (1, "warning"), (-1, "wrong")]
)
def test_a_certificate_is_judged_by_the_days_it_has_left(days: int, state: str) -> None:
    result = checks.certificate(
        "tls.crt", granted(days), CA.certificate, "north", NOW, "ask for a kit"
    )
    assert result.state == state
    assert (result.advice == "ask for a kit") == (state == "warning")
    if state == "wrong":
        assert "expired on 2026-02-28" in result.text


def test_a_foreign_certificate_and_one_for_another_name_are_wrong() -> None:
    other = certificates.authority("other", NOW, 100)
    foreign = checks.certificate("tls.crt", granted(100), other.certificate, "north", NOW, "")
    assert foreign.state == "wrong"
    assert "was not issued by this consortium" in foreign.text
    assert "'valley' is needed here" in checks.certificate(
        "tls.crt", granted(100), CA.certificate, "valley", NOW, ""
    ).text.replace('"', "'")


def test_the_authority_is_judged_by_itself() -> None:
    assert checks.certificate("ca.crt", CA.certificate, CA.certificate, None, NOW, "").state == "ok"
    assert (
        checks.certificate(
            "ca.crt", CA.certificate, CA.certificate, None, NOW + timedelta(days=9999), ""
        ).state
        == "wrong"
    )


@pytest.mark.parametrize(
    ("seconds", "state"),
    [
        (0, "ok"),
        (60, "ok"),
        (-60, "ok"),
        (61, "warning"),
        (-300, "warning"),
        (301, "wrong"),
        (-301, "wrong"),
    ],
)
def test_clocks(seconds: int, state: str) -> None:
    result = checks.clock(format_datetime(NOW, usegmt=True), NOW + timedelta(seconds=seconds))
    assert result.state == state
    if state != "ok":
        assert result.text.startswith(
            f"{abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} the coordinator's; "
        )


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_no_time_is_a_warning(date: str | None) -> None:
    assert checks.clock(date, NOW).state == "warning"


def test_disk() -> None:
    assert [
        checks.disk(free, 100 << 20, "here").state
        for free in (99 << 20, 100 << 20, 999 << 20, 1000 << 20)
    ] == [
        "wrong",
        "warning",
        "warning",
        "ok",
    ]


def test_errors_become_findings() -> None:
    def fails(error: Exception) -> CheckResult:
        raise error

    assert checks.attempt("x", lambda: fails(InputError("Full; make room."))) == [
        checks.wrong("x", "Full; make room")
    ]
    assert checks.attempt("x", lambda: fails(SiteError("data.no_masks"))) == [
        checks.wrong("x", str(SiteError("data.no_masks")).removesuffix("."))
    ]
    [result] = checks.attempt(
        "x", lambda: fails(PermissionError(13, "Permission denied", "ca.key"))
    )
    assert result.text == "ca.key cannot be used (Permission denied); mend that and look again"
    with pytest.raises(ZeroDivisionError):
        checks.attempt("x", lambda: fails(ZeroDivisionError()))


def test_lines_sum_and_code() -> None:
    results = [
        checks.ok("disk", "1.0 GiB free"),
        checks.warning("a longer name", "odd", "mend it"),
        checks.wrong("x", "bad"),
    ]
    assert checks.lines(results) == [
        "ok       disk           1.0 GiB free",
        "warning  a longer name  odd; mend it",
        "wrong    x              bad",
        "1 wrong, 1 warning, 3 things looked at.",
    ]
    assert checks.lines(results[:1])[-1] == "Nothing is wrong, 0 warnings, 1 things looked at."
    assert (checks.exit_code(results), checks.exit_code(results[:2])) == (1, 0)
    assert checks.to_json(results[1:2]) == {
        "ok": True,
        "findings": [
            {"name": "a longer name", "state": "warning", "found": "odd", "advice": "mend it"}
        ],
    }
    assert checks.lines(results, lambda text, style: f"<{style}>{text}")[2].startswith("<red>wrong")
