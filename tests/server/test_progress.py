from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest

from server.progress import Reporter

WIDTH = 80


class Screen(io.StringIO):
    """A terminal that keeps all that was written to it."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """The lines that stand on the screen in the end: what was drawn over or erased is gone."""
        lines, row, column, remaining = [""], 0, 0, self.getvalue()
        while remaining:
            code = ""
            if remaining.startswith("\x1b["):
                code = remaining[: next(i for i, c in enumerate(remaining[2:], 3) if c.isalpha())]
                row = row - int(code[2:-1] or 1) if code.endswith("A") else row
                lines[row] = "" if code == "\x1b[2K" else lines[row]
            elif remaining[0] == "\n":
                row, column = row + 1, 0
                lines += [""] * (row >= len(lines))
            elif remaining[0] == "\r":
                column = 0
            else:
                lines[row] = (
                    lines[row][:column].ljust(column) + remaining[0] + lines[row][column + 1 :]
                )
                column += 1
            remaining = remaining[len(code) or 1 :]
        return [line for line in lines if line.strip()]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    terminal = Screen()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    return terminal


@contextlib.contextmanager
def reporting(screen: io.StringIO, quiet: bool = False) -> Iterator[Reporter]:
    """A reporter that writes to ``screen``."""
    with contextlib.redirect_stderr(screen), Reporter(quiet) as reporter:
        yield reporter


def drive(reporter: Reporter, until: int = 3) -> None:
    """A start line and two phases of three steps, the second up to ``until``."""
    reporter.say("polyps: segmentation")
    for name, last in (("round", 3), ("Aarhus alone", until)):
        advance = reporter.phase(name, 3)
        for step in range(last):
            for i, site in enumerate(
                ("Aarhus", "Universitätsklinikum Hamburg-Eppendorf", "[bold]Basel")
            ):
                advance(site, i + 1, 3)
                reporter._bar.refresh()
            advance(f"loss {step}", 0, 0)


LINES = [
    "polyps: segmentation",
    *(f"{name} {k + 1}/3: loss {k}" for name in ("round", "Aarhus alone") for k in range(3)),
]


def test_elsewhere_every_step_is_one_plain_line(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = io.StringIO()
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    with reporting(plain) as reporter:
        drive(reporter)
    assert plain.getvalue().splitlines() == LINES


def test_a_terminal_keeps_the_same_lines_and_no_bar(screen: Screen) -> None:
    with reporting(screen) as reporter:
        drive(reporter)
    assert "━" in screen.getvalue()
    assert screen.shown() == LINES


def test_an_error_leaves_no_bar_either(screen: Screen) -> None:
    with contextlib.suppress(KeyboardInterrupt), reporting(screen) as reporter:
        drive(reporter, until=1)
        raise KeyboardInterrupt
    assert screen.shown() == LINES[:-2]


def test_the_bar_fits_the_terminal_with_both_times_in_full(screen: Screen) -> None:
    with reporting(screen) as reporter:
        drive(reporter, until=2)
        reporter._bar.refresh()
        live = screen.shown()
    (bar,) = [line for line in live if "━" in line]
    assert len(bar) <= WIDTH
    assert "Aarhus alone" in bar
    assert "2/3" in bar
    assert bar.count(":") >= 4
    clock = bar[bar.index("2/3") :]
    assert "…" not in clock
    assert "left" in clock


def test_the_bar_names_the_hospital_and_reads_no_markup(screen: Screen) -> None:
    with reporting(screen) as reporter:
        reporter.phase("round", 20)("[bold]Basel", 1, 2)
        reporter._bar.refresh()
        assert "round: [bold]Basel" in screen.shown()[-1]
        reporter.phase("round", 20)("Universitätsklinikum Hamburg-Eppendorf", 2, 2)
        reporter._bar.refresh()
        last = screen.shown()[-1]
    assert "round: Universitätsklinikum" in last
    assert "Hamburg… " in last
    assert " 0/20 " in last


def test_quiet_says_nothing(screen: Screen) -> None:
    with reporting(screen, quiet=True) as reporter:
        drive(reporter)
    assert not screen.getvalue()


def test_a_terminal_without_cursor_gets_plain_lines(
    screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with reporting(screen) as reporter:
        drive(reporter)
    assert screen.getvalue().splitlines() == LINES


def test_what_a_hospital_wrote_is_not_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    with Reporter() as reporter:
        reporter.say("north: \x1b]52;c;x\x07\x9b2J\u202e" + "x" * 2_000_000)
        reporter.phase("round", 1)("north \x1b[2J", 0, 0)
    shown = written.getvalue()
    assert "north: \\x1b]52;c;x\\x07\\x9b2J\\u202ex" in shown
    assert shown.replace("\n", "").isprintable() and len(shown) < 5000
