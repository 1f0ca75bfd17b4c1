"""Whole folders: what is written and withheld; no planted identifier is in the output."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont

from client.deidentify import burned_in, folder
from client.deidentify.pseudonyms import Pseudonyms
from common.errors import ArgumentError
from common.sentences.table import say
from tests.client.deidentify import phantom

PACKS = os.environ.get("CONSILIUM_PACKS")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four good files of three character sets, under names that identify, and three others.

    One has text in its pixels, one is damaged, one is of another kind.
    """
    top = tmp_path / "export"
    for number, characters in enumerate(phantom.PATIENTS):
        phantom.save(
            top,
            f"PID77418/MÜLLER {number}.dcm",
            phantom.header(characters, number, implicit=number == 1),
        )
    phantom.save(top, "deflated PID77418", deflated())
    phantom.save(top, "printed.dcm", printed())
    whole = (top / "printed.dcm").read_bytes()
    (top / "torn.dcm").write_bytes(whole[:400])
    (top / "PID77418.txt").write_text("PID77418")
    return top


def deflated() -> pydicom.FileDataset:
    image = phantom.header(number=7)
    image.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    return image


def printed() -> pydicom.FileDataset:
    image = phantom.header(number=9)
    sheet = Image.fromarray(np.frombuffer(image.PixelData, np.uint8).reshape(96, 128).copy())
    ImageDraw.Draw(sheet).text((2, 2), "PID77418 1963", fill=255, font=ImageFont.load_default(12))
    image.PixelData = np.asarray(sheet).tobytes()
    return image


def run(source: Path) -> tuple[folder.FolderResult, Path]:
    out = source.parent / "out"
    return folder.run(source, out, folder.beside(out, "key")), out


def test_good_files_are_written_and_the_others_listed(source: Path) -> None:
    result, _ = run(source)
    assert (result.written, result.there) == (4, 0)
    assert sorted((Path(one.file).name, one.kind) for one in result.withheld) == [
        ("PID77418.txt", "unusable"),
        ("printed.dcm", "look"),
        ("torn.dcm", "unusable"),
    ]
    listed = [
        json.loads(line)
        for line in (source.parent / "out.quarantine.jsonl").read_text("utf-8").splitlines()
    ]
    assert {line["file"] for line in listed} == {one.file for one in result.withheld}
    assert {burned_in.PRINTED, say("dicom.torn").render()} < set(result.counts())
    assert not [reason for reason in result.counts() if "PID" in reason or "/" in reason]


def test_no_planted_identifier_is_in_any_output(source: Path) -> None:
    _, out = run(source)
    written = sorted(path for path in out.rglob("*") if path.is_file())
    assert len(written) == 4
    words = [
        *phantom.PLANTED,
        *(part for name in phantom.PATIENTS.values() for part in name.replace("=", "^").split("^")),
    ]
    for path in written:
        assert leaks(path, words) == []
        assert not [
            word for word in words if word.casefold() in str(path.relative_to(out)).casefold()
        ]


def leaks(path: Path, words: list[str]) -> list[str]:
    """Words in the bytes, in any of the usual codings, or in the decoded header; not in pixels."""
    read = pydicom.dcmread(path)
    pixels = bytes(read.get("PixelData", b""))
    content, shown = path.read_bytes().replace(pixels, b"").lower(), str(read).casefold()
    words_left = []
    for word in words:
        coded = {
            word.encode(codec, "replace").lower()
            for codec in ("utf-8", "latin-1", "iso8859-5", "iso2022_jp", "gb18030", "utf-16-le")
        }
        if word.casefold() in shown or any(code in content for code in coded if code.strip(b"?")):
            words_left.append(word)
    return words_left


def test_output_names_are_pseudonyms_and_modes_private(source: Path) -> None:
    _, out = run(source)
    names = Pseudonyms.open(folder.beside(out, "key"))
    [patient] = out.iterdir()
    assert patient.name == names.patient("PID77418", "MERCY")
    assert {path.name for path in patient.iterdir()} == {
        f"{names.uid(f'{phantom.OBJECT}.{n}')}.dcm" for n in (0, 1, 2, 7)
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in patient.iterdir()} == {0o600}
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE(patient.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.beside(out, "quarantine.jsonl").stat().st_mode) == 0o600


def test_a_second_run_writes_nothing_anew(source: Path) -> None:
    _, out = run(source)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*.dcm")}
    again, _ = run(source)
    assert (again.written, again.there, len(again.withheld)) == (0, 4, 3)
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in out.rglob("*.dcm")
    } == before


def test_another_file_under_a_name_that_is_taken_is_listed_and_nothing_overwritten(
    source: Path,
) -> None:
    twin = phantom.header(number=0)
    twin.InstanceNumber = 5
    phantom.save(source, "PID77418/Z.dcm", twin)
    result, _ = run(source)
    assert result.written == 4
    assert [one.kind for one in result.withheld].count("conflict") == 1
    assert folder.CONFLICT in result.counts()


def test_what_a_human_has_cleared_goes_on_as_long_as_it_is_the_same_file(source: Path) -> None:
    _, out = run(source)
    listed, chosen = folder.beside(out, "quarantine.jsonl"), source.parent / "cleared"
    chosen.write_text(
        "\n".join(line for line in listed.read_text("utf-8").splitlines() if '"look"' in line),
        "utf-8",
    )
    result = folder.run(source, out, folder.beside(out, "key"), passed=folder.cleared(chosen))
    assert (result.written, result.there) == (1, 4)
    assert {one.kind for one in result.withheld} == {"unusable"}
    other = phantom.header(number=10)
    other.BurnedInAnnotation = "YES"
    phantom.save(source, "printed.dcm", other)
    again = folder.run(source, out, folder.beside(out, "key"), passed=folder.cleared(chosen))
    assert [Path(one.file).name for one in again.withheld if one.kind == "look"] == ["printed.dcm"]


@pytest.mark.parametrize("content", ["no list", "[]", '{"file": "x"}', "7"])
def test_a_list_of_cleared_files_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "list").write_text(content)
    with pytest.raises(ArgumentError, match="quarantine list"):
        folder.cleared(tmp_path / "list")


def test_the_same_key_gives_the_same_patients_in_another_folder(source: Path) -> None:
    _, out = run(source)
    other = source.parent / "later"
    folder.run(source, other, folder.beside(out, "key"))
    assert sorted(path.relative_to(out) for path in out.rglob("*")) == sorted(
        path.relative_to(other) for path in other.rglob("*")
    )


def test_the_source_is_only_read(source: Path) -> None:
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    run(source)
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before


def test_a_directory_of_a_medium_and_an_object_without_class_are_listed(source: Path) -> None:
    image = phantom.header(number=3)
    del image.SOPClassUID
    image.save_as(source / "noclass.dcm")
    directory = phantom.header(number=4)
    directory.DirectoryRecordSequence = []
    phantom.save(source, "DICOMDIR", directory)
    result, _ = run(source)
    reasons = {Path(one.file).name: one.reason for one in result.withheld}
    assert reasons["noclass.dcm"] == say("dicom.no_object").render()
    assert reasons["DICOMDIR"] == say("dicom.directory").render()


@pytest.mark.parametrize(
    ("out", "key", "words"),
    [
        ("export/new", "k", "lies in the other"),
        (".", "k", "lies in the other"),
        ("out", "out/k", "key lies"),
    ],
)
def test_folders_and_key_must_be_apart(source: Path, out: str, key: str, words: str) -> None:
    top = source.parent
    with pytest.raises(ArgumentError, match=words):
        folder.run(source, top / out, top / key)
    assert sorted(path.name for path in top.iterdir()) == ["export"]


def test_there_must_be_a_folder_to_read(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="does not exist"):
        folder.run(tmp_path / "none", tmp_path / "out", tmp_path / "k")


def test_progress_counts_every_file(source: Path) -> None:
    calls: list[tuple[int, int]] = []
    out = source.parent / "out"
    folder.run(
        source, out, folder.beside(out, "key"), tell=lambda done, total: calls.append((done, total))
    )
    assert calls == [(n, 7) for n in range(1, 8)]


@pytest.mark.skipif(not PACKS, reason="CONSILIUM_PACKS does not name the folder with real data")
def test_on_real_radiographs_no_planted_identifier_is_left(tmp_path: Path) -> None:
    for site in sorted(
        path for path in (Path(PACKS or "") / "cxr_dicom").iterdir() if path.is_dir()
    ):
        out, planted = (
            tmp_path / site.name,
            json.loads((site / "planted_identifiers.json").read_text("utf-8")),
        )
        result = folder.run(site / "dicom", out, tmp_path / f"{site.name}.key")
        assert result.written > 0.75 * len(planted)
        words = [Path(name).stem for name in planted]
        for values in planted.values():
            words += [str(value) for value in values.values() if isinstance(value, str)]
            words += [part for part in values["PatientName"].split("^") if len(part) > 3]
        unique = sorted(set(words))
        assert not [path for path in out.rglob("*.dcm") if leaks(path, unique)]
        assert not [
            word
            for word in unique
            if any(word in str(path.relative_to(tmp_path)) for path in out.rglob("*"))
        ]
        shutil.rmtree(out)
