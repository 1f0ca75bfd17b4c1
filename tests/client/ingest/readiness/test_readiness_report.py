"""The readiness report finds what stands in the way; its page names nobody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client.ingest import ingestion
from client.ingest.layout import Places
from client.ingest.readiness import readiness_report
from tests.client.ingest import export


def readiness(source: Path, tmp_path: Path) -> dict[str, object]:
    return readiness_report.report(
        ingestion.ingest(Places.of(source, tmp_path / "out" / "north", None)), "north"
    )


def findings_of(report: dict[str, object], code: str) -> list[dict[str, object]]:
    return [f for f in report["findings"] if f["code"] == code]  # type: ignore[attr-defined]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return export.researcher(tmp_path / "export", patients=12)


def test_counts_balance_and_split(source: Path, tmp_path: Path) -> None:
    report = readiness(source, tmp_path)
    assert (report["cases"], report["patients"], report["masks"]) == (24, 12, 24)
    assert report["labels"]["pneumonia"] == {
        "0": {"images": 12, "patients": 6},
        "1": {"images": 12, "patients": 6},
    }
    assert report["boxes"] == {"lesion": 24}
    parts = report["split"]
    assert (
        sum(part["images"] for part in parts.values()) == 24
        and sum(part["patients"] for part in parts.values()) == 12
    )
    assert parts["test"]["patients"] >= 1
    assert (
        report["histograms"]["PNG"]["low"] >= 0
        and abs(sum(report["histograms"]["PNG"]["share"]) - 1) < 1e-4
    )
    assert not [f for f in report["findings"] if f["severity"] == "stop"]
    json.dumps(report, allow_nan=False)


def test_doubles_across_labels_and_patients(source: Path, tmp_path: Path) -> None:
    names = sorted((source / "images").iterdir())
    rows = [line.split(";") for line in (source / "labels.csv").read_text().splitlines()]
    copy = (
        source / "images" / "copy.png"
    )  # exactly the first patient's picture, as another file under another patient and label
    Image.open(names[0]).save(copy)
    near = source / "images" / "near.jpg"  # the second picture, larger, brighter and compressed
    Image.fromarray(
        np.clip(np.asarray(Image.open(names[1])) * 1.1 + 5, 0, 255).astype(np.uint8)
    ).resize((64, 48)).save(near, quality=80)
    label = next(row[3] for row in rows if row[0] == names[0].name)
    other = "1" if label == "0" else "0"
    with (source / "labels.csv").open("a") as table:
        table.write(f"\ncopy.png;new patient;;{other};early;;\nnear.jpg;third patient;;0;early;;\n")
    report = readiness(source, tmp_path)
    assert report["doubles"]["exact"] == {
        "groups": 1,
        "cases": 2,
        "across_patients": 1,
        "across_labels": 1,
    }
    assert (
        report["doubles"]["near"]["groups"] == 1
        and report["doubles"]["near"]["across_patients"] == 1
    )
    assert {f["severity"] for f in findings_of(report, "doubles")} == {"warn"}


def test_neighbouring_slices_of_one_patient_are_no_doubles(source: Path, tmp_path: Path) -> None:
    first = min((source / "images").iterdir())
    beside = np.asarray(Image.open(first)).astype(np.int16) + np.random.default_rng(0).integers(
        -2, 3, (24, 32)
    )
    Image.fromarray(np.clip(beside, 0, 255).astype(np.uint8)).save(source / "images" / "beside.png")
    with (source / "labels.csv").open("a") as table:
        table.write(f"\nbeside.png;{export.NUMBER}0;;1;early;;\n")
    assert not findings_of(readiness(source, tmp_path), "doubles")


def test_missing_labels_rare_classes_and_few_patients(tmp_path: Path) -> None:
    source = export.researcher(tmp_path / "export", patients=3)
    rows = (source / "labels.csv").read_text().splitlines()
    (source / "labels.csv").write_text("\n".join(rows[:-1]) + "\nnowhere.png;x;;0;early;;")
    next((source / "masks").iterdir()).unlink()
    (source / "masks" / "stray.png").write_bytes(next((source / "masks").iterdir()).read_bytes())
    report = readiness(source, tmp_path)
    whats = " | ".join(f["what"] for f in report["findings"])
    for words in (
        "very few patients",
        "no value in column pneumonia",
        "images have no mask",
        "masks that fit no image",
        "rows that fit no case",
    ):
        assert words in whats


def test_a_folder_without_labels_is_stopped(tmp_path: Path) -> None:
    export.png(tmp_path / "export" / "a.png", export.picture(1))
    report = readiness(tmp_path / "export", tmp_path)
    assert {f["code"] for f in report["findings"] if f["severity"] == "stop"} == {
        "labels",
        "patients",
    }


def test_volumes_tell_spacings_and_images_of_one_grey(tmp_path: Path) -> None:
    source = tmp_path / "export"
    for i, mm in enumerate((1.0, 1.0, 3.0)):
        export.nifti(
            source / f"{i}.nii.gz",
            np.random.default_rng(i).normal(size=(8, 8, 6)).astype(np.float32),
            np.diag([mm, mm, 2.0, 1.0]),
        )
    export.png(source / "flat.png", np.zeros((20, 20), np.uint8))
    report = readiness(source, tmp_path)
    assert report["spacings"] == {
        "1.00 x 1.00 x 2.00 mm": 2,
        "3.00 x 3.00 x 2.00 mm": 1,
        "not stated": 1,
    }
    assert findings_of(report, "pixels")[0]["count"] == 1 and findings_of(report, "spacing")
