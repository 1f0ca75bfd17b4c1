"""A whole intake: it loads as a hospital, identifies nobody and never overwrites."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from client.dataset import labels
from client.dataset import manifest as manifests
from client.deidentify import burned_in
from client.ingest import ingestion, layout
from client.ingest.intake import Intake
from client.ingest.layout import Places
from client.ingest.readiness import readiness_page, readiness_report
from common import networks
from common.errors import ArgumentError, InputError
from common.study import study as studies
from tests import kept
from tests.client.ingest import export

CLASSES = {
    "task": {"name": "classification", "target": ["pneumonia"], "classes": ["0", "1"]},
    "model": {"name": "cnn"},
}


def take(source: Path, site: Path, *keep: str) -> Intake:
    return ingestion.ingest(Places.of(source, site, None), keep)


def files(site: Path) -> dict[str, tuple[bytes, int]]:
    return {
        p.relative_to(site).as_posix(): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in sorted(site.rglob("*"))
        if p.is_file()
    }


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "hospitals" / "north"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return export.researcher(tmp_path / "export")


def documents(where: Places, done: Intake) -> None:
    report = readiness_report.report(done, where.site.name)
    layout.write(where.local("readiness.json"), json.dumps(report).encode())
    layout.write(where.local("readiness.html"), readiness_page.render(report).encode())


def test_no_identifier_is_left_anywhere(source: Path, site: Path) -> None:
    where = Places.of(source, site, None)
    export.jpeg(source / "images" / f"{export.NUMBER}.jpg", export.picture(50))
    export.tiff(source / "images" / f"{export.NAME}.tif", export.picture(51))
    export.nifti(source / "images" / f"{export.NAME}.nii.gz", np.arange(60.0).reshape(3, 4, 5))
    documents(where, ingestion.ingest(where))
    assert list(export.leaks(source))
    leaks = [leak for leak in export.leaks(site.parent) if "quarantine" not in leak]
    assert not leaks


def test_labels_masks_and_boxes_follow_their_images(source: Path, site: Path) -> None:
    done = take(source, site)
    assert len(done.cases) == done.fresh == 12 and not done.refused
    assert done.tables["labels.csv"].columns == ["pneumonia", "stage"]
    assert set(done.tables["labels.csv"].dropped) == {"Name", "birth date", "note"}
    for table in (
        CLASSES,
        {"task": {"name": "segmentation", "classes": ["lesion"]}, "model": {"name": "unet"}},
        {"task": {"name": "detection", "classes": ["lesion"]}, "model": {"name": "retinanet"}},
    ):
        study = studies.parse({"name": "s", **table})
        before = (
            manifests.index(source, networks.task(study), study.data)
            if table["task"]["name"] != "classification"
            else None
        )
        after = manifests.index(site, networks.task(study), study.data)
        assert len(after.cases) == 12 and after.patients == 6
        assert before is None or before.patients == after.patients
    rows = labels.read_table(
        site, networks.task(studies.parse({"name": "s", **CLASSES})).columns
    ).rows
    by_pixels = {Image.open(p).tobytes(): p.name for p in (site / "images").iterdir()}
    for i in range(12):
        name = by_pixels[export.picture(i).tobytes()]
        assert rows[name]["pneumonia"] == str(i // 2 % 2)
        boxes = json.loads((site / "boxes.json").read_text())[name]
        assert (
            boxes["objects"] == [{"label": "lesion", "box_xyxy": [5.0, 4.0, 12.0 + i // 2, 12.0]}]
            and "annotator" not in boxes
        )
        mask = np.asarray(Image.open(site / "masks" / name))
        assert mask.sum() == 255 * 8 * (7 + i // 2)


def test_patients_are_pseudonyms_and_images_of_one_stay_together(source: Path, site: Path) -> None:
    done = take(source, site)
    by_patient: dict[str, int] = {}
    for facts in done.cases.values():
        by_patient[facts.patient] = by_patient.get(facts.patient, 0) + 1
        assert facts.name.startswith(f"images/{facts.patient}_")
    assert sorted(by_patient.values()) == [2] * 6


def test_a_second_run_adds_only_what_is_new(source: Path, site: Path) -> None:
    take(source, site)
    before = files(site)
    again = take(source, site)
    assert again.fresh == 0 and {k: v[0] for k, v in files(site).items()} == {
        k: v[0] for k, v in before.items()
    }
    export.png(source / "images" / "late.png", export.picture(99))
    grown = take(source, site)
    after = files(site)
    assert grown.fresh == 1 and len(grown.cases) == 13
    images = [name for name in before if name.startswith(("images/", "masks/"))]
    assert all(after[name] == before[name] for name in images)
    assert len(json.loads(after["manifest.json"][0])["cases"]) == 13


def test_a_run_that_was_cut_short_goes_on(source: Path, site: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole" / "north"
    whole.parent.mkdir()
    take(source, whole)
    key = (whole.parent / "north.key").read_bytes()
    site.parent.mkdir()
    (site.parent / "north.key").write_bytes(key)
    (site.parent / "north.key").chmod(0o600)

    def stop(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    where = Places.of(source, site, None)
    with pytest.raises(KeyboardInterrupt):
        ingestion.ingest(where, (), stop)
    assert len(list((site / "images").iterdir())) == 5 and not (site / ".drafts").exists()
    kept = files(site)
    with where.local("cases.jsonl").open("a") as lines:
        lines.write('{"name": "images/tor')
    assert ingestion.ingest(where).fresh == 7
    assert {k: v[0] for k, v in files(site).items()} == {k: v[0] for k, v in files(whole).items()}
    assert all(files(site)[name] == kept[name] for name in kept)


def test_a_file_without_its_line_is_adopted_after_a_crash(source: Path, site: Path) -> None:
    where = Places.of(source, site, None)
    ingestion.ingest(where)
    before = files(site)
    where.local("cases.jsonl").write_text("")
    done = ingestion.ingest(where)
    assert len(done.cases) == 12 and not done.refused
    assert {k: v[0] for k, v in files(site).items()} == {k: v[0] for k, v in before.items()}


def test_damaged_files_wait_and_the_others_go_on(source: Path, site: Path) -> None:
    (source / "images" / "torn.png").write_bytes(
        (source / "images").iterdir().__next__().read_bytes()[:60]
    )
    (source / "images" / "empty.nii.gz").write_bytes(b"")
    (source / "images" / "=cmd.png").write_bytes(b"no picture")
    done = take(source, site)
    assert len(done.cases) == 12 and len(done.refused) == 3
    listed = (site.parent / "north.quarantine.csv").read_text()
    assert "images/torn.png" in listed
    assert not any("torn" in reason for _, reason in done.refused)


def test_a_changed_source_is_told_and_the_first_version_stands(source: Path, site: Path) -> None:
    take(source, site)
    before = files(site)
    path = next(p for p in (source / "images").iterdir())
    export.png(path, export.picture(77))
    done = take(source, site)
    assert done.changed == 1 and done.fresh == 0
    assert all(files(site)[name] == before[name] for name in before if name.startswith("images/"))


def test_labels_are_corrected_by_the_next_run(source: Path, site: Path) -> None:
    take(source, site)
    table = source / "labels.csv"
    table.write_text(table.read_text().replace(";0;", ";1;"))
    take(source, site)
    assert {line.split(",")[2] for line in (site / "labels.csv").read_text().splitlines()[1:]} == {
        "1"
    }


def test_modes_key_and_list_are_for_their_owner_only(source: Path, site: Path) -> None:
    take(source, site)
    for what in ("key", "quarantine.csv", "cases.jsonl"):
        assert stat.S_IMODE((site.parent / f"north.{what}").stat().st_mode) == 0o600
    assert not list(site.rglob("*.key"))


def test_what_lies_around_the_data_is_what_the_table_says(source: Path, site: Path) -> None:
    documents(Places.of(source, site, None), take(source, site))
    assert list(kept.wrong("data", site.parent, 0)) == []
    assert {pattern for _, pattern in kept.seen("data", site.parent)} == {
        "*.key",
        "*.cases.jsonl",
        "*.quarantine.csv",
        "*.readiness.json",
        "*.readiness.html",
        "*/**",
    }


def test_another_key_gives_other_names(source: Path, site: Path, tmp_path: Path) -> None:
    one = take(source, site)
    other = take(source, tmp_path / "elsewhere" / "north")
    assert not {f.patient for f in one.cases.values()} & {f.patient for f in other.cases.values()}
    assert not set(one.cases) & set(other.cases)


def test_kept_columns_are_cleaned_of_known_identifiers(source: Path, site: Path) -> None:
    table = source / "labels.csv"
    table.write_text(
        table.read_text().replace(f"seen by {export.DOCTOR}", f"prior of {export.NUMBER}3")
    )
    done = take(source, site, "note")
    assert done.tables["labels.csv"].blanked == 12
    assert export.NUMBER not in (site / "labels.csv").read_text()
    assert any(
        f["code"] == "leak" and f["severity"] == "stop"
        for f in readiness_report.report(done, "north")["findings"]
    )


def test_folders_in_each_other_and_a_key_inside_are_refused(source: Path, tmp_path: Path) -> None:
    for paths in (
        (source, source / "out", None),
        (source / "images", source, None),
        (source, source, None),
        (source, tmp_path / "s", tmp_path / "s" / "k"),
        (source, tmp_path / "s", source / "k"),
        (tmp_path / "nowhere", tmp_path / "s", None),
    ):
        with pytest.raises(ArgumentError):
            Places.of(*paths)


def test_letters_in_a_picture_wait_until_a_human_has_looked(source: Path, site: Path) -> None:
    canvas = Image.fromarray(export.picture(70, (256, 256)))
    ImageDraw.Draw(canvas).text(
        (6, 6), f"{export.NAME.upper()} {export.NUMBER}", fill=255, font_size=20
    )
    canvas.save(source / "images" / "printed.png")
    done = take(source, site)
    assert done.refused == [("images/printed.png", burned_in.PRINTED)] and len(done.cases) == 12
    done = ingestion.ingest(Places.of(source, site, None), cleared=["images/printed.png"])
    assert done.fresh == 1 and not done.refused


def test_a_patient_who_becomes_known_later_does_not_double_the_image(
    source: Path, site: Path
) -> None:
    table = source / "labels.csv"
    content = table.read_text()
    table.unlink()
    first = take(source, site)
    assert len({f.patient for f in first.cases.values()}) == 12
    before = files(site)
    table.write_text(content)
    done = take(source, site)
    assert (
        done.fresh == 0
        and len(done.cases) == 12
        and len({f.patient for f in done.cases.values()}) == 6
    )
    assert (
        len({line.split(",")[1] for line in (site / "cases.csv").read_text().splitlines()[1:]}) == 6
    )
    assert all(
        files(site)[name] == before[name]
        for name in before
        if name.startswith(("images/", "masks/"))
    )


def test_names_that_are_no_text(source: Path, site: Path) -> None:
    for i, name in enumerate((b"\xff\xfe.png", b"\xfftorn.png", "Ä=\n.png".encode())):
        path = os.path.join(os.fsencode(source / "images"), name)
        with open(path, "wb") as file:
            file.write(
                (source / "images" / min(os.listdir(source / "images"))).read_bytes()
                if i == 0
                else b"torn"
            )
    done = take(source, site)
    assert len(done.cases) == 13 and len(done.refused) == 2
    (site.parent / "north.quarantine.csv").read_text("utf-8")


def test_images_of_nobody_are_told(source: Path, site: Path) -> None:
    export.png(source / "images" / "late.png", export.picture(99))
    done = take(source, site)
    assert done.unowned == 1 and any(
        "whose they are" in f["what"] for f in readiness_report.report(done, "north")["findings"]
    )


def test_links_out_pipes_and_archives_are_passed_over(
    source: Path, site: Path, tmp_path: Path
) -> None:
    outside = export.png(tmp_path / "outside" / "secret.png", export.picture(5))
    (source / "images" / "out.png").symlink_to(outside)
    (source / "images" / "dead.png").symlink_to(tmp_path / "nothing")
    (source / "images" / "folder").symlink_to(outside.parent)
    (source / "images" / "loop").symlink_to(source)
    (source / "images" / "inside.png").symlink_to(
        next(p for p in (source / "images").iterdir() if not p.is_symlink())
    )
    (source / "more.zip").write_bytes(b"PK\3\4")
    (source / "notes.docx").write_bytes(b"x")
    export.png(source / "fov" / "x.png", export.picture(6))
    os.mkfifo(source / "images" / "pipe.png")
    done = take(source, site)
    assert len(done.cases) == 13
    assert done.aside == {
        "links to folders": 2,
        "links that lead out of the folder": 1,
        "links that lead nowhere": 1,
        "files that are no regular files": 1,
        "archives, which are not opened": 1,
        "files of no known kind": 1,
        "pictures outside images/ and masks/": 1,
    }


def test_a_folder_of_nothing_says_so(tmp_path: Path, site: Path) -> None:
    (tmp_path / "export").mkdir()
    done = take(tmp_path / "export", site)
    assert [
        f["code"]
        for f in readiness_report.report(done, "north")["findings"]
        if f["severity"] == "stop"
    ] == ["empty"]


def test_a_key_that_others_can_read_is_refused(source: Path, site: Path) -> None:
    take(source, site)
    (site.parent / "north.key").chmod(0o644)
    with pytest.raises(InputError):
        take(source, site)
