"""labels.csv and boxes.json that mean harm: bounded in bytes, rows, columns, values and depth."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from client.dataset import box_files, labels
from common.errors import CaseError, SiteError
from tests.client.readers.memory import at_most

MEGABYTE = 1 << 20
TASK: Any = SimpleNamespace(
    needs=frozenset({"label"}),
    columns=("lesion",),
    classes=("0", "1"),
    multi_label=False,
    mask_values=None,
)


def table(folder: Path, content: bytes, match: str, most: int = 8 * MEGABYTE) -> None:
    (folder / "labels.csv").write_bytes(content)
    with at_most(most + 2 * len(content)), pytest.raises(SiteError, match=match):
        labels.read_table(folder, TASK.columns)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"file,lesion\na.png,1\0\n", "save it as comma-separated"),
        (b'file,lesion\n"a.png,1\n' + b"b.png,0\n" * 400_000, "cannot be read|row of more"),
        (b'file,lesion\n"' + b'\n","' * 600_000, "row of more characters than are read"),
        (b"file,lesion\n" + b"a," * 600_000, "row of more characters than are read"),
        (b"file," + b"c," * 20_000 + b"\n", "more columns than are read"),
        (b"\xff\xfefile", "no column file|cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + os.urandom(2000), "cannot be read|no column file"),
        (b"", "no column file"),
    ],
    ids=["zero", "quote", "quoted lines", "one line", "columns", "half", "picture", "empty"],
)
def test_tables_that_are_none_are_refused(tmp_path: Path, content: bytes, match: str) -> None:
    table(tmp_path, content, match)


def test_tables_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "_MOST_LINES", 100)
    table(tmp_path, b"file,lesion\n" + b"\n" * 200, "more lines than are read")
    monkeypatch.setattr(labels, "_LARGEST", 1000)
    table(tmp_path, b"file,lesion\n" + b"a.png,1\n" * 200, "more bytes than are read")


def test_only_columns_that_are_asked_for_are_kept(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,name,lesion\na.png,Smith,1\n")
    assert labels.read_table(tmp_path, TASK.columns).rows == {"a.png": {"lesion": "1"}}


@pytest.mark.parametrize("text", ["Größe", "naïve"])
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_are_told_apart_however_long_the_table(
    tmp_path: Path, text: str, code: str
) -> None:
    rows = "file,lesion\n" + "".join(f"{i},0\n" for i in range(20_000)) + f"{text}.png,1\n"
    (tmp_path / "labels.csv").write_bytes(rows.encode(code))
    assert labels.read_table(tmp_path, TASK.columns).rows[f"{text}.png"] == {"lesion": "1"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("[" * 200_000, "valid JSON"),
        ('{"a":' * 100_000, "valid JSON"),
        ('{"a.png": ' + "9" * 5000 + "}", "valid JSON"),
        ("[" + "0," * 4_000_000 + "0]", "more values than are read"),
        ('{"a.png": 1, "a.png": 2}', "states 1 names twice"),
        ('{"a.png": 1, "images/a.png": 2}', "states 1 names twice"),
        ('{"a.png": {"width": 1, "width": 2}}', "states 1 names twice"),
        ('{"a.png": "\ud800"}', "valid JSON"),
        ('{"a.png": 1}\0', "valid JSON"),
    ],
    ids=[
        "deep list",
        "deep object",
        "integer",
        "many",
        "twice",
        "twice by key",
        "twice within",
        "surrogate",
        "zero",
    ],
)
def test_boxes_that_are_none_are_refused(tmp_path: Path, content: str, match: str) -> None:
    (tmp_path / "boxes.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with at_most(24 * MEGABYTE), pytest.raises(SiteError, match=match):
        box_files.read_boxes(tmp_path)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1" * 4000, '"x"', "null", "[[1]]", "1e999"])
def test_numbers_that_are_none_leave_out_their_image_only(tmp_path: Path, number: str) -> None:
    good = '{"width": 9, "height": 9, "objects": [{"label": "x", "box_xyxy": [1, 1, 5, 5]}]}'
    (tmp_path / "boxes.json").write_text(
        f'{{"a.png": {good.replace("5, 5", f"5, {number}")}, "b.png": {good}}}'
    )
    entries = box_files.read_boxes(tmp_path)
    task: Any = SimpleNamespace(classes=("x",))
    with pytest.raises(CaseError):
        box_files.parse_boxes(entries["a.png"], task, 2)
    assert len(box_files.parse_boxes(entries["b.png"], task, 2).classes) == 1


def test_boxes_json_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(box_files, "_LARGEST", 100)
    (tmp_path / "boxes.json").write_text(json.dumps({"a.png": "x" * 200}))
    with pytest.raises(SiteError, match="more bytes than are read"):
        box_files.read_boxes(tmp_path)
