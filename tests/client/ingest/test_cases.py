"""Which files a name in a table means, and which names are too vague."""

from __future__ import annotations

from pathlib import Path

from client.ingest import cases
from client.ingest.cases import CaseSource, Finder
from client.ingest.scan_folder import ExportFile


def picture(path: Path, key: str) -> ExportFile:
    return ExportFile(path, key, "picture", "images")


def test_a_picture_is_found_by_place_and_by_name_with_or_without_ending(tmp_path: Path) -> None:
    sources = cases.plain([picture(tmp_path / "a.png", "images/set/a.png")])
    find = Finder(sources)
    for name in ("set/a.png", "a.png", "a", "set/a"):
        assert find(name) == 0
    assert find("b.png") is None


def test_a_name_that_two_cases_share_means_neither(tmp_path: Path) -> None:
    keys = ("images/one/a.png", "images/two/a.png")
    find = Finder(cases.plain([picture(tmp_path / key, key) for key in keys]))
    assert find("a.png") is None
    assert find("one/a.png") == 0
    assert find("two/a.png") == 1


def test_a_series_is_found_by_uid_file_and_folder() -> None:
    names = cases.of_series(["dicom/ct/1", "dicom/ct/2"], ["1.2.3"])
    find = Finder([CaseSource("dicom volume", (), "series", names)])
    assert [find(name) for name in ("1.2.3", "ct", "ct/2", "1.2")] == [0, 0, 0, None]


def test_the_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"1")
    source = CaseSource("picture", (path,), "file a", frozenset())
    before = source.stamp
    assert source.stamp == before
    path.write_bytes(b"12")
    assert source.stamp != before
