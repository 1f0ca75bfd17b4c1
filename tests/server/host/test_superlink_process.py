"""Processes that the server host starts: waited for, and ended within their time."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from common.errors import ConsiliumError
from server.host import superlink_process
from server.host.superlink_process import ended, until
from tests import patience


def test_what_comes_is_waited_for() -> None:
    answers = iter([False, False, True])
    until(lambda: next(answers), 60.0, threading.Event(), "It does not come.")
    assert next(answers, None) is None


def test_what_does_not_come_is_the_given_sentence() -> None:
    with pytest.raises(ConsiliumError, match=r"^It does not come\.$"):
        until(lambda: False, 0.05, threading.Event(), "It does not come.")


def test_a_word_to_stop_ends_the_wait() -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(KeyboardInterrupt):
        until(lambda: False, 60.0, stop, "It does not come.")


STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(); signal.pause()"


@pytest.mark.parametrize(
    ("program", "code"),
    [("print(); import signal; signal.pause()", signal.SIGTERM), (STUBBORN, signal.SIGKILL)],
    ids=["obeys", "is killed"],
)
def test_a_process_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, program: str, code: signal.Signals
) -> None:
    monkeypatch.setattr(superlink_process, "STOP_TIMEOUT", 5.0 if code == signal.SIGTERM else 0.2)
    with subprocess.Popen([sys.executable, "-uc", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        ended(process)
        assert process.returncode == -code


def test_a_log_holds_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    hostile = b"a\x1b]52;c;x\x07\xc2\x9b\xff\tb\r\n" + b"x" * 9000 + b"\nend"
    superlink_process.keep_log(io.BytesIO(hostile), log)
    patience.until(lambda: log.exists() and log.read_text().endswith("end\n"))
    first, *rest = log.read_text().split("\n")
    assert first == "a\\x1b]52;c;x\\x07\\x9b\ufffd\tb"
    assert max(map(len, rest)) <= 2000 and rest[-2:] == ["end", ""]


def test_a_log_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superlink_process, "_LARGEST_LOG", 100)
    log = tmp_path / "x.log"
    superlink_process._copy(io.BytesIO(b"0123456789\n" * 100 + b"end\n"), log)
    assert log.read_text().endswith("end\n")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["x.log", "x.log.1"]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 300
