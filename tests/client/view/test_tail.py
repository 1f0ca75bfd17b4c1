"""Lines of a growing file are read once, in whatever pieces they come."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.view.tail import Tail, parsed


def test_lines_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "f"
    grown = Tail(path)
    assert list(grown.lines()) == []
    lines: list[bytes] = []
    with path.open("ab", buffering=0) as file:
        for piece in (b"a", b"b\n\nc", b"\nd\n", b"e"):
            file.write(piece)
            lines += grown.lines()
    assert lines == [b"ab", b"c", b"d"]
    path.write_bytes(b"x\n")
    assert list(grown.lines()) == [b"x"] and grown.fresh


def test_only_whole_lines_of_a_bearable_length(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * ((1 << 16) + 1) + b"\nb\nhalf")
    assert list(Tail(path).lines()) == [b"b"]


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a\nb\n")
    tail = Tail(path)
    assert list(tail.lines()) == [b"a", b"b"] and tail.fresh
    assert list(tail.lines()) == [] and not tail.fresh
    path.write_bytes(b"x\ny\nz\n")
    assert list(tail.lines()) == [b"x", b"y", b"z"] and tail.fresh
    path.unlink()
    assert list(tail.lines()) == []


@pytest.mark.parametrize("line", [b"{", b"[1]", b"null", b"\xff", b"[" * 5000])
def test_what_is_no_object_is_none(line: bytes) -> None:
    assert parsed(line) is None
    assert parsed(b'{"a": 1}') == {"a": 1}
