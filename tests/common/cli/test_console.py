"""Results on stdout, everything else on stderr; colours where somebody sees them."""

from __future__ import annotations

import io
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


def test_colours_only_on_a_terminal_and_only_if_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console.paint("x", "red", Terminal()) == "\033[31mx\033[0m"
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
