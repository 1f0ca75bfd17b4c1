"""The command line: what it refuses and how, what it hands on, and what stands on stdout."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from common.cli import main
from common.errors import ArgumentError, RoundError, StudyError
from common.simulation import run
from tests.patience import patient

SITE_ARGUMENTS = (
    "approval_arguments",
    "audit_arguments",
    "intake_arguments",
    "process_arguments",
    "site_arguments",
    "site_options",
    "view_arguments",
)


def python(*words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
        **settings,
    )


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from common.cli import main; main.main(['--help']);"
        " print(*sorted({m.split('.')[0] for m in sys.modules})); print(*(m for m in sys.modules"
        " if m.startswith(('client', 'server'))))"
    )
    done = python("-c", script)
    sides = set(done.stdout.splitlines()[-1].split())
    loaded = set(done.stdout.splitlines()[-2].split())
    assert done.returncode == 0
    assert "consilium demo" in done.stdout
    assert not loaded & {
        "torch",
        "flwr",
        "numpy",
        "monai",
        "rich",
        "scipy",
        "tomllib",
        "tempfile",
    }
    assert sides == {
        *("client", "client.commands", "client.commands.arguments"),
        *(f"client.commands.arguments.{name}" for name in SITE_ARGUMENTS),
        *("server", "server.commands", "server.commands.server_arguments"),
    }


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("consilium")


@pytest.mark.parametrize("words", [[], ["study"]])
def test_no_command_shows_the_help_and_fails(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("usage: consilium")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            RoundError("Round 3 has 1 update; at least 2 are needed."),
            1,
            "Round 3 has 1 update; at least 2 are needed.",
        ),
        (StudyError("name is ''."), 2, "name is ''."),
        (ArgumentError("x."), 2, "x."),
        (KeyboardInterrupt(), 1, "stopped at your request."),
    ],
)
def test_errors_end_in_a_sentence_and_an_exit_code(
    error: BaseException,
    code: int,
    text: str,
    seen: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(run, "demo", fail)
    assert main.main(["demo", "--json"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"consilium: {text}\n"


@pytest.mark.parametrize(
    "error", [AttributeError("half imported"), RoundError("No answer."), KeyboardInterrupt()]
)
def test_whatever_ctrl_c_ends_in_it_is_a_stop(
    error: BaseException,
    seen: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def cut_short(*_: Any, **__: Any) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise error from None

    # A shell that starts tests in the background lets them ignore Ctrl-C.
    before = signal.default_int_handler
    signal.signal(signal.SIGINT, before)
    monkeypatch.setattr(run, "demo", cut_short)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main.main(["demo"]) == 1
    assert capsys.readouterr().err == "consilium: stopped at your request.\n"
    assert list(tmp_path.glob("consilium-*.log")) == []
    assert signal.getsignal(signal.SIGINT) is before


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The demo has a fault that nobody foresaw."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(run, "demo", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("broken")
def test_an_unforeseen_error_is_short_and_its_trace_is_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["demo"]) == 1
    shown = capsys.readouterr().err
    [trace] = tmp_path.glob("consilium-*.log")
    assert (
        shown
        == f"consilium: unexpected ZeroDivisionError: by nought; full trace written to {trace}.\n"
    )
    assert "Traceback" in trace.read_text("utf-8")
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


@pytest.mark.parametrize("words", [["demo", "--debug"], ["--debug", "demo"]])
@pytest.mark.usefixtures("broken")
def test_debug_shows_the_trace(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 1
    assert "Traceback" in capsys.readouterr().err
    assert list(tmp_path.glob("consilium-*.log")) == []


def test_a_reader_that_stops_listening_is_no_fault() -> None:
    """``consilium study show --fields | head -1``."""
    program = [sys.executable, "-m", "common.cli.main", "study", "show", "--fields"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
        assert process.wait(patient(60)) == 1
    assert complaint == ""


def test_flower_calls_nobody(monkeypatch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    for name in ("FLWR_TELEMETRY_ENABLED", "FLWR_DISABLE_UPDATE_CHECK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert main.main(["demo"]) == 0
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    assert os.environ["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert len(seen) == 1
