"""A line is on the disk or not there at all, whoever else writes and wherever the machine stops."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from common.storage import append_log
from tests.patience import patient


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def fill(path: Path, *texts: bytes) -> None:
    with append_log.opened(path) as log:
        for text in texts:
            log.append(text)


def test_lines_come_back_in_their_order(path: Path) -> None:
    assert append_log.lines(path) == []
    append_log.append(path, {"a": 1})
    append_log.append(path, {"a": "two\nlines"})
    assert append_log.lines(path) == [b'{"a": 1}', b'{"a": "two\\nlines"}']
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_mode_is_that_of_the_umask_where_people_read(path: Path) -> None:
    before = os.umask(0o027)
    try:
        append_log.append(path, {}, 0o666)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("torn", [b"x", b"{" * 70_000, b"\x00" * 200_000, b'{"a": 3}'])
def test_half_a_last_line_is_no_line_and_goes_before_the_next(path: Path, torn: bytes) -> None:
    fill(path, b"one", b"two")
    with path.open("ab") as file:
        file.write(torn)
    assert append_log.lines(path) == [b"one", b"two"]
    with append_log.opened(path) as log:
        assert list(log.lines()) == [b"one", b"two"]
    fill(path, b"three")
    assert path.read_bytes() == b"one\ntwo\nthree\n"


def test_every_cut_leaves_the_lines_before_it(path: Path) -> None:
    texts = [b"", b"a", b"bb" * 50, b"", b"c"]
    fill(path, *texts)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        expected = whole[:length].split(b"\n")[:-1]
        assert append_log.lines(path) == expected
        fill(path, b"new")
        assert append_log.lines(path) == [*expected, b"new"]


def test_lines_from_a_place_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of three bytes end within lines, at their ends and behind them."""
    monkeypatch.setattr(append_log, "_BLOCK", 3)
    fill(path, b"a", b"bcd", b"", b"efghijk")
    with append_log.opened(path) as log:
        assert [list(log.lines(start)) for start in (0, 2, 6, 7, 15)] == [
            [b"a", b"bcd", b"", b"efghijk"],
            [b"bcd", b"", b"efghijk"],
            [b"", b"efghijk"],
            [b"efghijk"],
            [],
        ]
        assert log.whole == 15


def test_a_line_with_an_end_in_it_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="end of a line"):
        fill(path, b"a\nb")
    assert append_log.lines(path) == []


def _full(*_: object) -> int:
    raise OSError(28, os.strerror(28))


def _part(handle: int, content: bytes, honest: Callable[[int, bytes], int] = os.write) -> int:
    return honest(handle, content[:2])


@pytest.mark.parametrize(
    ("name", "broken"),
    [("write", _full), ("write", _part), ("fsync", _full)],
    ids=["full", "part", "fsync"],
)
def test_what_the_disk_does_not_take_is_not_there(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, broken: object
) -> None:
    fill(path, b"one")
    with append_log.opened(path) as log:
        with monkeypatch.context() as patch:
            patch.setattr(os, name, broken)
            with pytest.raises(OSError, match=r"No space left|took a part"):
                log.append(b"second")
        assert append_log.lines(path) == [b"one"]
        log.append(b"third")
    assert path.read_bytes() == b"one\nthird\n"


def _writer(path: Path, name: str, times: int) -> None:
    for number in range(times):
        append_log.append(path, {"by": name, "number": number})


def test_two_processes_lose_no_line(path: Path) -> None:
    context = get_context("fork")
    writers = [context.Process(target=_writer, args=(path, name, 60)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(patient(60))
    written = append_log.lines(path)
    assert len(written) == 120 and len(set(written)) == 120
    for name in "ab":
        own = [line for line in written if f'"by": "{name}"'.encode() in line]
        assert own == [f'{{"by": "{name}", "number": {n}}}'.encode() for n in range(60)]


def _endless(path: Path, announce: Connection) -> None:
    for number in range(len(append_log.lines(path)), 10**9):
        append_log.append(path, {"number": number, "filling": "x" * (number % 5000)})
        announce.send(number)


def test_a_killed_writer_leaves_every_line_that_it_announced(path: Path) -> None:
    context, pauses = get_context("fork"), random.Random(3)
    for _ in range(20):
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=_endless, args=(path, there))
        child.start()
        there.close()
        announced = here.recv()
        for _ in range(pauses.randrange(8)):
            announced = here.recv()
        os.kill(child.pid or 0, signal.SIGKILL)
        child.join(patient(30))
        numbers = [int(line.split(b",")[0].rsplit(b" ", 1)[1]) for line in append_log.lines(path)]
        assert numbers == list(range(len(numbers))) and len(numbers) > announced
