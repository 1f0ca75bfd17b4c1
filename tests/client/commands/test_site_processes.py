"""Both processes of a hospital are started, started again when they end, and ended together."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import pytest

from client.commands import site_processes
from client.home import SiteHome
from common.errors import InputError


class Child:
    """A process that ends when it is told to, or at once."""

    def __init__(self, part: str, events: list[str], crash: bool) -> None:
        self.part, self.events = part, events
        self.returncode = 3 if crash else None
        events.append(f"start {part}")

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self.events.append(f"end {self.part}")

    def wait(self, timeout: float) -> int:
        return 0


class Looks:
    """An event that is set after so many looks; it never waits."""

    def __init__(self, looks: int) -> None:
        self.looks, self.pauses = looks, list[float]()

    def wait(self, pause: float) -> bool:
        self.pauses.append(pause)
        return len(self.pauses) > self.looks


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    home = SiteHome(tmp_path)
    home.logs.mkdir()
    return home


def run(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch, looks: int, crashing: str = ""
) -> tuple[list[str], list[float]]:
    events: list[str] = []
    monkeypatch.setattr(
        site_processes,
        "_start",
        lambda command, log: Child(command[-1], events, command[-1] == crashing),
    )
    stop = Looks(looks)
    site_processes.run_both(home, stop)  # type: ignore[arg-type]
    return events, stop.pauses


def test_both_are_started_once_and_ended_gateway_first(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, pauses = run(home, monkeypatch, looks=3)
    assert events == ["start worker", "start gateway", "end gateway", "end worker"]
    assert pauses == [0.0, 0.5, 0.5, 0.5]


def test_one_that_ends_is_started_again_after_a_pause(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events, pauses = run(home, monkeypatch, looks=3, crashing="worker")
    assert events.count("start worker") == 3 and events.count("start gateway") == 1
    assert pauses[2:] == [5.0, 5.0]
    assert "the worker ended with code 3; it is started again" in capsys.readouterr().err


def test_neither_stays_behind_where_one_cannot_be_started_again(
    home: SiteHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def start(command: list[str], log: Path) -> Child:
        if log == home.gateway_log:
            raise InputError("a link lies in the log's place")
        return Child(command[-1], events, crash=False)

    monkeypatch.setattr(site_processes, "_start", start)
    with pytest.raises(InputError):
        site_processes.run_both(home, Looks(3))  # type: ignore[arg-type]
    assert events == ["start worker", "end worker"]


def test_what_a_process_prints_goes_into_its_log_and_nowhere_else(home: SiteHome) -> None:
    command = [sys.executable, "-c", "print('out', flush=True); raise SystemExit('err')"]
    for _ in range(2):
        site_processes._start(command, home.worker_log).wait()
    assert home.worker_log.read_text() == "out\nerr\n" * 2
    record = home.path / "record"
    home.worker_log.rename(record)
    home.worker_log.symlink_to(record)
    with pytest.raises(InputError, match="not this user's own place for a log"):
        site_processes._start(command, home.worker_log)
    assert record.read_text() == "out\nerr\n" * 2


def test_a_log_line_has_the_time_and_the_file_is_private(tmp_path: Path) -> None:
    write = site_processes._log(tmp_path / "gateway.log")
    threads = [threading.Thread(target=write, args=(f"line {i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = (tmp_path / "gateway.log").read_text("utf-8").splitlines()
    assert sorted(line.split(" ", 1)[1] for line in lines) == [f"line {i}" for i in range(8)]
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00 ", line) for line in lines)
    assert (tmp_path / "gateway.log").stat().st_mode & 0o777 == 0o600
