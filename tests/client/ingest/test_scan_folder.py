"""Files of an export are sorted by what they hold, and what is passed over is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.ingest import scan_folder
from common.errors import InputError
from tests.client.ingest import export

DICOM = bytes(128) + b"DICM" + bytes(16)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_content_decides_what_is_dicom(tmp_path: Path) -> None:
    write(tmp_path / "picture.png", DICOM)
    write(tmp_path / "archive" / "0001", DICOM)
    write(tmp_path / "bare", b"\x08\0\x05\0CS\x0a\0ISO_IR 100")
    write(tmp_path / "notes", b"words")
    folder = scan_folder.look(tmp_path)
    assert [file.key for file in folder.dicom] == ["archive/0001", "bare", "picture.png"]
    assert folder.aside == {"files of no known kind": 1}


def test_with_an_images_folder_other_pictures_are_passed_over(tmp_path: Path) -> None:
    for key in ("a.png", "masks/a.png", "set/masks/b.png"):
        export.png(tmp_path / key, export.picture())
    folder = scan_folder.look(tmp_path)
    assert [file.key for file in folder.images] == ["a.png"]
    assert [file.key for file in folder.masks] == ["masks/a.png", "set/masks/b.png"]
    export.png(tmp_path / "images" / "c.png", export.picture())
    folder = scan_folder.look(tmp_path)
    assert [file.key for file in folder.images] == ["images/c.png"]
    assert folder.aside == {"pictures outside images/ and masks/": 1}


def test_tables_count_at_the_top_only(tmp_path: Path) -> None:
    write(tmp_path / "labels.csv", b"file\n")
    write(tmp_path / "images" / "labels.csv", b"file\n")
    write(tmp_path / "images" / "Thumbs.db", b"x")
    folder = scan_folder.look(tmp_path)
    assert folder.tables == {"labels.csv": tmp_path / "labels.csv"}
    assert folder.aside == {"files of no known kind": 1, "files of the operating system": 1}


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be listed"):
        scan_folder.look(tmp_path / "nowhere")
