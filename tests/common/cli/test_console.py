"""Results on stdout, everything else on stderr; colours where somebody sees them."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import sys

import pytest

from common.cli import console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


HOSTILE = "\x1b]52;c;cm0=\x07 \x9b31m \u202egnp.exe \u2028 \x1b[2J\rnorth \x7f"
SHOWN = "\\x1b]52;c;cm0=\\x07 \\x9b31m \\u202egnp.exe \\u2028 \\x1b[2J\\rnorth \\x7f"


def test_nothing_that_others_wrote_is_obeyed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("no"))
    console.out(f"a\tb\n{HOSTILE}")
    console.note(HOSTILE)
    console.agreed(HOSTILE)
    assert capsys.readouterr() == (f"a\tb\n{SHOWN}\n", f"{SHOWN}\n{SHOWN}")
    console.out("x" * 2_000_000)
    assert len(capsys.readouterr().out) == 4001
    console.out_json({HOSTILE: HOSTILE})
    line = capsys.readouterr().out
    assert json.loads(line) == {HOSTILE: HOSTILE} and line.strip().isprintable()


def test_our_own_styles_are_written_and_what_looks_like_them_is_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    console.note(console.paint("\x1b[1mx", "red", Terminal()))
    console.out(console.clear() + "y")
    assert capsys.readouterr() == ("\033[H\033[2Jy\n", "\033[31m\\x1b[1mx\033[0m\n")


def test_colours_only_on_a_terminal_and_only_if_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console.paint("x", "red", Terminal()) != "x"
    assert console.paint("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.paint("x", "red", Terminal()) == "x"
    monkeypatch.setenv("NO_COLOR", "")
    assert console.paint("x", "red", Terminal()) != "x"
    monkeypatch.setenv("TERM", "dumb")
    assert console.paint("x", "red", Terminal()) == "x"


def test_a_result_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    console.out_json({"a": [1, None], "b": "x\ny"})
    assert capsys.readouterr().out == '{"a": [1, null], "b": "x\\ny"}\n'
    with pytest.raises(ValueError, match="JSON"):
        console.out_json({"a": math.nan})


@pytest.mark.parametrize(
    ("answer", "agreed"), [("yes\n", True), (" yes \n", True), ("y\n", False), ("", False)]
)
def test_only_yes_is_yes(
    answer: str,
    agreed: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert console.agreed("Sure? ") is agreed
    assert capsys.readouterr() == ("", "Sure? ")


def test_while_work_is_done_stdout_is_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with console.work():
        sys.stdout.write("chatter\n")
        os.write(1, b"below Python\n")
    console.out("result")
    shown = capfd.readouterr()
    assert shown.out == "result\n"
    assert "chatter" in shown.err and "below Python" in shown.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_event(number: signal.Signals) -> None:
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = console.stop_event()
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
