"""RTSTRUCT and SEG in an export become masks with one number for each name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from client.dataset import label_names, masks
from client.ingest import ingestion
from client.ingest.layout import Places
from client.readers import _registry
from common import networks
from common.study import study as studies
from tests.client.ingest import export

STUDY = studies.parse(
    {
        "name": "s",
        "task": {"name": "segmentation", "classes": ["liver", "tumour"]},
        "model": {"name": "unet"},
        "data": {"dimensions": 3},
    }
)


def contours(
    path: Path, number: str, series: str, regions: dict[str, tuple[float, float, float, float]]
) -> None:
    """An RTSTRUCT with a rectangle of each region on the slices at 2.5 and 5 mm.

    Rectangles are (x0, y0, x1, y1) in mm.
    """
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = f"{series}.77"
    header.SeriesInstanceUID, header.StudyInstanceUID, header.Modality = (
        f"{series}.78",
        f"{series}.9",
        "RTSTRUCT",
    )
    header.PatientID, header.PatientName = number, f"{export.NAME}^Erika"
    named, study, frame = Dataset(), Dataset(), Dataset()
    named.SeriesInstanceUID, frame.FrameOfReferenceUID = series, f"{series}.7"
    study.RTReferencedSeriesSequence, frame.RTReferencedStudySequence = [named], [study]
    header.ReferencedFrameOfReferenceSequence = [frame]
    header.StructureSetROISequence, header.ROIContourSequence = [], []
    for i, (name, (x0, y0, x1, y1)) in enumerate(regions.items(), 1):
        region, drawn = Dataset(), Dataset()
        region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = (
            i,
            name,
            f"{series}.7",
        )
        drawn.ReferencedROINumber, drawn.ContourSequence = i, []
        for z in (2.5, 5.0):
            item = Dataset()
            item.ContourGeometricType, item.NumberOfContourPoints = "CLOSED_PLANAR", 4
            item.ContourData = [
                f"{v:g}" for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1)) for v in (x, y, z)
            ]
            drawn.ContourSequence.append(item)
        header.StructureSetROISequence.append(region)
        header.ROIContourSequence.append(drawn)
    header.save_as(path, enforce_file_format=True)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    root = tmp_path / "PACS"
    for i, regions in enumerate(
        ({"liver": (2, 2, 8, 6), "tumour": (10, 2, 14, 6)}, {"tumour": (2, 2, 8, 6)})
    ):
        export.volume(root / f"{i}", f"{export.NUMBER}{i}", f"1.2.826.{i + 1}", seed=i)
        contours(root / f"{i}" / "rs", f"{export.NUMBER}{i}", f"1.2.826.{i + 1}", regions)
    return root


def test_each_name_has_one_number_whatever_the_objects_call_it(
    archive: Path, tmp_path: Path
) -> None:
    where = Places.of(archive, tmp_path / "sites" / "north", None)
    done = ingestion.ingest(where)
    assert not done.refused and len(done.cases) == 2
    assert label_names.read(where.site).masks == {1: "liver", 2: "tumour"}
    areas = {}
    for facts in done.cases.values():
        image, mask = where.site / facts.name, where.site / facts.mask
        read = masks.read_mask(
            mask, image, _registry.read(image).array.shape[1:], networks.task(STUDY)
        )
        areas[tuple(np.unique(read).tolist())] = int((read > 0).sum())
    # columns 0.7 mm apart, rows 0.5 mm: 9 x 8 and 5 x 8 pixels have their centres inside, on two
    # of four slices
    assert areas == {(0, 1, 2): 2 * (9 * 8 + 5 * 8), (0, 2): 2 * 9 * 8}
    assert not [leak for leak in export.leaks(where.site.parent) if "quarantine" not in leak]


def test_numbers_stay_when_new_names_come(archive: Path, tmp_path: Path) -> None:
    where = Places.of(archive, tmp_path / "sites" / "north", None)
    ingestion.ingest(where)
    export.volume(archive / "late", f"{export.NUMBER}7", "1.2.826.9", seed=7)
    contours(
        archive / "late" / "rs",
        f"{export.NUMBER}7",
        "1.2.826.9",
        {"cyst": (2, 2, 8, 6), f"seen by {export.NAME}": (10, 2, 14, 6)},
    )
    ingestion.ingest(where)
    assert label_names.read(where.site).masks == {1: "liver", 2: "tumour", 3: "cyst", 4: "unnamed"}


def test_what_was_drawn_elsewhere_waits(archive: Path, tmp_path: Path) -> None:
    contours(archive / "stray", f"{export.NUMBER}5", "1.2.999", {"liver": (2, 2, 8, 6)})
    done = ingestion.ingest(Places.of(archive, tmp_path / "sites" / "north", None))
    assert [file for file, _ in done.refused] == ["stray"] and sum(
        bool(f.mask) for f in done.cases.values()
    ) == 2
