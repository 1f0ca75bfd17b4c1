"""Where an intake writes: places apart, earlier cases, and lists that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import stat
from pathlib import Path

import pytest

from client.ingest import layout
from client.ingest.layout import Places
from common.errors import ArgumentError, InputError


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "export").mkdir()
    return Places.of(tmp_path / "export", tmp_path / "sites" / "north", None)


def test_the_key_lies_beside_the_folder_unless_it_is_named(places: Places, tmp_path: Path) -> None:
    assert places.key == tmp_path / "sites" / "north.key"
    assert places.local("cases.jsonl") == tmp_path / "sites" / "north.cases.jsonl"
    assert places.site.is_dir()


def test_a_source_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "export").write_text("")
    with pytest.raises(ArgumentError, match="not a folder"):
        Places.of(tmp_path / "export", tmp_path / "north", None)


def test_cases_of_earlier_runs_need_their_file(places: Places) -> None:
    assert layout.earlier_cases(places) == {}
    places.local("cases.jsonl").write_text('{"name": "images/torn\n[]\n')
    assert layout.earlier_cases(places) == {}
    places.local("cases.jsonl").write_bytes(b"\xff")
    with pytest.raises(InputError, match="cannot be read"):
        layout.earlier_cases(places)


def test_modes(tmp_path: Path) -> None:
    layout.write(tmp_path / "own", b"x")
    layout.share(tmp_path / "shared", b"x")
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o644
    with pytest.raises(InputError, match="cannot be written"):
        layout.write(tmp_path / "nowhere" / "own", b"x")


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\uff1dcmd", "'quoted"])
def test_a_formula_is_text_and_its_name_comes_back(name: str) -> None:
    content = layout.quarantine([(name, "Damaged.")]).decode()
    head, [cell, reason] = csv.reader(io.StringIO(content))
    assert head == ["file", "reason"]
    assert cell == f"'{name}" and reason == "Damaged."


def test_stem() -> None:
    assert layout.stem("images/P-1_ab.nii.gz") == "P-1_ab"
