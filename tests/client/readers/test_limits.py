"""Limits of reading: tables, packed growth, and gzip files read in bounded pieces."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from client.readers import _limits
from common.errors import CaseError, SiteError

CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """Two members, as block-wise gzip writes them, with padding behind."""
    path = tmp_path / "x.gz"
    half = len(CONTENT) // 2
    path.write_bytes(gzip.compress(CONTENT[:half]) + gzip.compress(CONTENT[half:]) + bytes(512))
    return path


def test_a_table_may_have_the_limit_and_no_byte_more(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"x" * 100)
    assert _limits.table_bytes(tmp_path / "labels.csv", 100) == b"x" * 100
    with pytest.raises(SiteError, match=r"labels\.csv") as caught:
        _limits.table_bytes(tmp_path / "labels.csv", 99)
    assert str(tmp_path) not in caught.value.public


def test_packed_volumes_may_grow_freely_up_to_a_size_and_by_a_factor_beyond() -> None:
    size = _limits.FREE // _limits.RATIO + 1
    _limits.check_packed(1000, _limits.FREE, 1000)
    _limits.check_packed(1000, size * _limits.RATIO, size)
    with pytest.raises(CaseError, match="packed"):
        _limits.check_packed(1000, size * _limits.RATIO + 1, size)


def test_no_file_holds_more_than_deflate_can_pack() -> None:
    _limits.check_packed(1032 * 10, 0, 10)
    with pytest.raises(CaseError):
        _limits.check_packed(1032 * 10 + 1, 0, 10)


def test_growth_is_held_against_size_or_what_is_free() -> None:
    _limits.check_growth(100, 1, free=100, ratio=2)
    _limits.check_growth(200, 100, free=100, ratio=2)
    with pytest.raises(CaseError):
        _limits.check_growth(201, 100, free=100, ratio=2)


def test_members_are_read_as_one_file_and_going_back_begins_anew(packed: Path) -> None:
    with _limits.Unpacked(packed) as file:
        assert file.read() == CONTENT
        file.finish()
        assert file.seek(1000) == 1000 == file.tell()
        assert file.read(500) == CONTENT[1000:1500]
        assert file.seek(100, io.SEEK_CUR) == 1600
        assert file.read(1) == CONTENT[1600:1601]


def test_what_follows_the_stated_end_is_refused(packed: Path) -> None:
    with _limits.Unpacked(packed) as file:
        file.read(len(CONTENT) - 1)
        with pytest.raises(ValueError, match="goes on"):
            file.finish()


def read_to_the_end(path: Path) -> None:
    with _limits.Unpacked(path) as file:
        file.read()
        file.finish()


@pytest.mark.parametrize("damage", ["cut", "checksum"])
def test_damage_is_a_value_error(tmp_path: Path, damage: str) -> None:
    content = gzip.compress(CONTENT)
    wrong = bytes([content[-8] ^ 1])
    bad = content[:-20] if damage == "cut" else content[:-8] + wrong + content[-7:]
    (tmp_path / "x.gz").write_bytes(bad)
    with pytest.raises(ValueError, match="gzip"):
        read_to_the_end(tmp_path / "x.gz")


def test_a_packed_file_has_no_end_to_count_from(packed: Path) -> None:
    with _limits.Unpacked(packed) as file, pytest.raises(ValueError, match="forwards"):
        file.seek(-1, io.SEEK_END)
