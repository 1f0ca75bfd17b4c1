"""DICOM in an export: series become volumes, single images stay DICOM, nobody is named."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw

from client.dataset import manifest as manifests
from client.ingest import ingestion, layout
from client.ingest.layout import Places
from client.ingest.readiness import readiness_page, readiness_report
from client.readers import _registry
from client.readers.dicom import series as sorting
from common import networks
from common.study import study as studies
from tests.client.ingest import export

STUDY = studies.parse(
    {
        "name": "s",
        "task": {"name": "classification", "target": ["finding"], "classes": ["0", "1"]},
        "model": {"name": "cnn"},
    }
)
VOLUMES = studies.parse({**STUDY.to_table(), "data": {**STUDY.to_table()["data"], "dimensions": 3}})


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An export.

    Two CT series in one folder under meaningless names, three single images, a directory, a report,
    junk.
    """
    root = tmp_path / "PACS"
    first = export.volume(root / "A" / "B", f"{export.NUMBER}1", "1.2.826.1")
    for path in export.volume(root / "tmp", f"{export.NUMBER}2", "1.2.826.2", slices=5, seed=9):
        path.rename(first[0].parent / f"{export.NAME}{path.name}")
    for i in range(3):
        path = root / "X" / f"{export.NAME}{i}"
        export.dicom(
            path,
            export.picture(20 + i).astype(np.uint16) * 9,
            f"{export.NUMBER}{i}",
            (f"1.2.826.5{i}", f"1.2.826.5{i}.1"),
        )
    (root / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (root / "README.txt").write_text(export.NAME)
    rows = ["PatientID,finding"] + [f"{export.NUMBER}{i},{i % 2}" for i in range(3)]
    (root / "labels.csv").write_text("\n".join(rows))
    return root


@pytest.fixture
def where(archive: Path, tmp_path: Path) -> Places:
    return Places.of(archive, tmp_path / "hospitals" / "north", None)


def test_series_become_volumes_with_their_values_and_place(archive: Path, where: Places) -> None:
    done = ingestion.ingest(where)
    scans = {
        one.shape: sorting.read(one) for one in sorting.sort(p for p in archive.rglob("*IM*"))[0]
    }
    volumes = sorted((where.site / "images").iterdir())
    assert len(volumes) == 2 and not done.refused
    for path in volumes:
        scan = _registry.read(path)
        original = scans[scan.array.shape[1:]]
        assert np.array_equal(scan.array, original.array) and np.allclose(
            scan.spacing, original.spacing
        )
        assert original.affine is not None and np.allclose(nib.load(path).affine, original.affine)
        assert nib.load(path).get_data_dtype() == np.int16


def test_images_stay_dicom_with_their_pixels_under_new_headers(
    archive: Path, where: Places
) -> None:
    ingestion.ingest(where)
    new = sorted((where.site / "dicom").iterdir())
    assert len(new) == 3
    originals = {_registry.read(p).array.tobytes() for p in (archive / "X").iterdir()}
    for path in new:
        assert _registry.read(path).array.tobytes() in originals
        header = pydicom.dcmread(path)
        assert (
            header.PatientIdentityRemoved == "YES" and header.PatientID == path.name.split("_")[0]
        )
        assert not [e for e in header.iterall() if e.tag.is_private]


def test_no_identifier_is_left_anywhere(archive: Path, where: Places) -> None:
    done = ingestion.ingest(where)
    report = readiness_report.report(done, "north")
    layout.write(where.local("readiness.html"), readiness_page.render(report).encode())
    assert list(export.leaks(archive))
    assert not [leak for leak in export.leaks(where.site.parent) if "quarantine" not in leak]


def test_a_patient_is_one_whether_a_table_or_a_header_names_them(
    archive: Path, where: Places
) -> None:
    done = ingestion.ingest(where)
    assert len({facts.patient for facts in done.cases.values()}) == 3
    assert manifests.index(where.site, networks.task(STUDY), STUDY.data).patients == 3
    assert len(done.tables["labels.csv"].rows) == 5


def test_a_table_may_speak_of_uids_files_or_folders(archive: Path, where: Places) -> None:
    rows = ["file,finding", "A/B/IM0000,1", f"{export.NAME}IM0001,0", f"X/{export.NAME}0,1"]
    (archive / "labels.csv").write_text("\n".join(rows))
    (archive / "cases.csv").write_text(
        "SOPInstanceUID,SeriesInstanceUID,stage\n1.2.826.51.1,,1\n,1.2.826.2,2\n9.9,,1"
    )
    done = ingestion.ingest(where)
    assert len(done.tables["labels.csv"].rows) == 3 and done.unmatched["cases.csv"] == 1
    stages = {row.get("stage", "") for row in done.tables["cases.csv"].rows}
    assert stages == {"", "1", "2"}


def test_labels_of_slices_make_the_slices_the_cases(archive: Path, where: Places) -> None:
    (archive / "labels.csv").write_text("file,finding\nIM0000,1\nIM0001,0\nIM0002,0\nIM0003,1")
    done = ingestion.ingest(where)
    assert sorted(facts.kind for facts in done.cases.values()) == ["image"] * 7 + ["volume"]
    assert len({row["file"] for row in done.tables["labels.csv"].rows}) == 4


@pytest.mark.parametrize("how", ["header", "pixels"])
def test_text_in_pixels_waits_for_a_human(archive: Path, where: Places, how: str) -> None:
    picture = export.picture(60, (256, 256)).astype(np.uint16) * 9
    more = {}
    if how == "header":
        more = {"BurnedInAnnotation": "YES"}
    else:
        canvas = Image.new("L", (256, 256))
        ImageDraw.Draw(canvas).text(
            (6, 6), f"{export.NAME.upper()} {export.NUMBER}", fill=255, font_size=20
        )
        picture[np.asarray(canvas) > 128] = 4095
    export.dicom(
        archive / "burned", picture, f"{export.NUMBER}9", ("1.2.826.8", "1.2.826.8.1"), **more
    )
    done = ingestion.ingest(where)
    assert [file for file, _ in done.refused] == ["burned"]
    manifest = [
        f for f in readiness_report.report(done, "north")["findings"] if f["code"] == "quarantine"
    ]
    assert len(manifest) == 1 and "screen" in manifest[0]["do"]
    cleared = ingestion.ingest(where, cleared={"burned"})
    assert cleared.fresh == 1 and not cleared.refused


def test_what_cannot_be_a_volume_waits_and_damaged_files_do_not_stop_the_rest(
    archive: Path, where: Places
) -> None:
    (archive / "A" / "B" / "IM0002").unlink()
    (archive / "torn.dcm").write_bytes(next((archive / "X").iterdir()).read_bytes()[:300])
    done = ingestion.ingest(where)
    assert len(done.cases) == 4 and len(done.refused) >= 1


def test_one_uid_for_two_images_waits(archive: Path, where: Places) -> None:
    export.dicom(
        archive / "again", export.picture(80).astype(np.uint16), "5", ("1.2.826.99", "1.2.826.50.1")
    )
    done = ingestion.ingest(where)
    assert len(done.cases) == 5 and len(done.refused) == 1


def test_a_second_run_decodes_nothing_again(where: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    from client.ingest import convert

    ingestion.ingest(where)
    monkeypatch.setattr(convert, "take", lambda *_: pytest.fail("taken again"))
    assert ingestion.ingest(where).fresh == 0


def test_volumes_serve_a_study(where: Places) -> None:
    ingestion.ingest(where)
    for path in (where.site / "dicom").iterdir():
        path.unlink()
    manifest = manifests.index(where.site, networks.task(VOLUMES), VOLUMES.data)
    assert manifest.patients == 2


@pytest.mark.skipif(
    "CONSILIUM_PACKS" not in os.environ, reason="CONSILIUM_PACKS does not point to the data packs"
)
@pytest.mark.parametrize("hospital", ["guangzhou_cn", "intl_collection", "nih_bethesda_us"])
def test_real_radiographs_with_planted_identifiers(tmp_path: Path, hospital: str) -> None:
    import json
    import shutil

    pack = Path(os.environ["CONSILIUM_PACKS"]) / "cxr_dicom" / hospital
    planted = json.loads((pack / "planted_identifiers.json").read_text("utf-8"))
    shutil.copytree(pack, tmp_path / "in", ignore=shutil.ignore_patterns("planted*"))
    where = Places.of(tmp_path / "in", tmp_path / "out" / "north", None)
    done = ingestion.ingest(where)
    layout.write(
        where.local("readiness.html"),
        readiness_page.render(readiness_report.report(done, "north")).encode(),
    )
    texts = {str(v) for entry in planted.values() for v in entry.values() if isinstance(v, str)} | {
        name.split(".")[0] for name in planted
    }
    burned = {name for name, entry in planted.items() if entry["burned_in_pixels"]}
    assert burned <= {file.rsplit("/", 1)[-1] for file, _ in done.refused}
    for path in (
        p for p in (tmp_path / "out").rglob("*") if p.is_file() and "quarantine" not in p.name
    ):
        content = path.read_bytes()
        if path.suffix == ".dcm":
            header = pydicom.dcmread(path)
            header.PixelData = b""  # chance finds short texts in pixels
            assert not header.get("PatientBirthDate")
            content = str(header).encode() + str(header.file_meta).encode()
        for text in (
            t for t in texts if not re.fullmatch(r"\d{8}", t)
        ):  # one patient's moved date may be another's date
            assert not any(
                text.encode(code, "ignore") in content
                for code in ("utf-8", "gb18030", "latin-1")
                if len(text) > 3
            )
