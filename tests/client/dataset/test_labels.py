"""labels.csv and cases.csv: merging, encodings, missing columns and values."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from client.dataset import labels
from common.errors import CaseError, SiteError


def task(*columns: str, classes: tuple[str, ...] = ("0", "1"), multi_label: bool = False) -> Any:
    return SimpleNamespace(
        needs=frozenset({"label"}),
        columns=columns,
        classes=classes,
        multi_label=multi_label,
        mask_values=None,
    )


def write(folder: Path, text: str | bytes, name: str = "labels.csv") -> None:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.mark.parametrize(
    "content",
    [
        "file,dx,patient_id\na.png,1,p\nb.png,0,q\n".encode("utf-8-sig"),
        b"file,dx,patient_id\r\na.png,1,p\r\n\r\nb.png,0,q",
        b"file;dx;patient_id\na.png;1;p\nb.png;0;q\n",
        b"patient_id\tfile\tdx\np\ta.png\t1\nq\tb.png\t0\n",
        (
            'file,dx,patient_id,note\n"a.png"," 1 ",p,"two\nlines, one cell"\nimages/b.png,0,q,\n'
        ).encode("utf-16"),
    ],
)
def test_spreadsheet_habits(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    rows = labels.read_table(tmp_path, ("dx",)).rows
    assert rows == {
        "a.png": {"dx": "1", "patient_id": "p"},
        "b.png": {"dx": "0", "patient_id": "q"},
    }


def test_windows_1252(tmp_path: Path) -> None:
    write(tmp_path, "file,dx\nMüller.png,1\n".encode("cp1252"))
    assert list(labels.read_table(tmp_path, ("dx",)).rows) == ["Müller.png"]


def test_both_tables_are_merged_and_other_columns_forgotten(tmp_path: Path) -> None:
    write(tmp_path, "file,dx,name\na.png,1,Smith\n")
    write(tmp_path, "file,patient_id,age\na.png,p,44\nb.png,q,45\n", "cases.csv")
    rows = labels.read_table(tmp_path, ("dx",)).rows
    assert rows == {"a.png": {"dx": "1", "patient_id": "p"}, "b.png": {"patient_id": "q"}}


def test_contradicting_rows_are_marked(tmp_path: Path) -> None:
    write(tmp_path, "file,dx\na.png,1\na.png,0\nb.png,1\nb.png,1\n")
    assert labels.read_table(tmp_path, ("dx",)).torn == {"a.png"}


def test_missing_column_is_named_and_those_present_stay_in_the_log(tmp_path: Path) -> None:
    write(tmp_path, "file,dx,age\na.png,1,44\n")
    with pytest.raises(SiteError, match="a column of malignant among its 3 columns") as caught:
        labels.read_table(tmp_path, ("malignant",))
    assert (
        not any(word in caught.value.public for word in ("44", "dx", "age"))
        and "its columns are: file, dx, age." in caught.value.local
    )


def test_which_of_several_columns_is_missing_stays_in_the_log(tmp_path: Path) -> None:
    """Else one refusal would answer, for each guess, whether the hospital has such a column."""
    sentences = []
    for asked in (("dx", "hiv_status"), ("hiv_status", "dx")):
        write(tmp_path, f"file,{asked[0]}\na.png,1\n")
        with pytest.raises(SiteError) as caught:
            labels.read_table(tmp_path, ("dx", "hiv_status"))
        sentences.append(caught.value.public)
        assert f"no column {asked[1]};" in caught.value.local
    assert sentences[0] == sentences[1]


@pytest.mark.parametrize("asked", ["file", "patient_id"])
@pytest.mark.parametrize("renamed", [False, True])
def test_whose_an_image_is_cannot_be_a_target(tmp_path: Path, asked: str, renamed: bool) -> None:
    """A study that has a person's identifier as a class would ask whether that person is here."""
    write(tmp_path, "file,patient_id,dx\na.png,P1,1\n")
    if renamed:
        (tmp_path / "labels.toml").write_text(f'[columns]\ndx = "{asked}"\n')
    with pytest.raises(SiteError) as caught:
        labels.read_table(tmp_path, ("dx", asked))
    assert caught.value.sentence.code == "data.identifying_column"


def test_first_line_without_names_is_never_quoted(tmp_path: Path) -> None:
    write(tmp_path, "smith.png,1,P-4711\n")
    with pytest.raises(SiteError, match="no column file among its 3 columns") as caught:
        labels.read_table(tmp_path, ("dx",))
    assert "smith" not in caught.value.public
    assert "smith" in caught.value.local


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b'file,dx\na.png,"open quote\n', b"\xff\xfe\x00", b"file,dx\n\x81\x8d.png,1\n"],
)
def test_rubbish_is_a_site_error(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    with pytest.raises(SiteError, match=r"labels\.csv"):
        labels.read_table(tmp_path, ("dx",))


def test_tables_are_needed_only_for_labels(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"no labels\.csv.*file and dx"):
        labels.read_table(tmp_path, ("dx",))
    assert labels.read_table(tmp_path, ()).rows == {}


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("1.0", 1), ("0", 0), ("00", 0), ("", None)]
)
def test_numbers_agree_by_value(text: str, number: int | None) -> None:
    assert labels.read_target({"dx": text}, task("dx")) == number


def test_class_names_keep_their_order() -> None:
    assert labels.read_target({"dx": "nv"}, task("dx", classes=("mel", "nv"))) == 1


@pytest.mark.parametrize("text", ["2", "nan", "yes", "0.5"])
def test_other_values_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(CaseError, match=r"the study names: 0, 1\.") as caught:
        labels.read_target({"dx": text}, task("dx"))
    assert repr(text) in caught.value.local
    assert repr(text) not in caught.value.public


def test_several_targets() -> None:
    both = task("a", "b", multi_label=True)
    assert labels.read_target({"a": "1.0", "b": "0"}, both) == (1, 0)
    assert labels.read_target({"a": "1"}, both) is None
    named = task("a", "b", classes=("no", "yes"), multi_label=True)
    assert labels.read_target({"a": "yes", "b": "no"}, named) == (1, 0)
    with pytest.raises(CaseError):
        labels.read_target({"a": "2", "b": "0"}, both)
