"""Processes that the server host starts: waited for, and ended within their time."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from common.errors import ConsiliumError
from server.host import superlink_process
from server.host.superlink_process import ended, until


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
