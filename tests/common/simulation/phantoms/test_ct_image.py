"""The slices are valid CT Image objects, and belong together as a patient's do."""

from __future__ import annotations

import numpy as np
import pydicom

from common.simulation.phantoms.ct_image import Source
from common.simulation.phantoms.profiles import PROFILES
from tests.common.simulation.phantoms.slices import (
    HOSPITALS,
    PATIENTS,
    SIZE,
    dicom_files,
    read_strictly,
)

# PS3.3 table A.3-1: modules Patient, General Study, General Series, Frame of Reference, General
# Equipment, General Image, Image Plane, Image Pixel, CT Image and SOP Common, as numbers of
# attributes that must have a value (type 1) or may be empty (type 2).
TYPE_1 = (
    "StudyInstanceUID Modality SeriesInstanceUID FrameOfReferenceUID PixelSpacing"
    " ImageOrientationPatient ImagePositionPatient "
    "SamplesPerPixel PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit"
    " PixelRepresentation PixelData ImageType "
    "RescaleIntercept RescaleSlope RescaleType SOPClassUID SOPInstanceUID PatientPosition"
    " WindowCenter WindowWidth"
)
TYPE_2 = (
    "PatientName PatientID PatientBirthDate PatientSex StudyDate StudyTime ReferringPhysicianName"
    " StudyID AccessionNumber SeriesNumber "
    "PositionReferenceIndicator Manufacturer InstanceNumber SliceThickness KVP AcquisitionNumber"
)


def test_every_file_is_a_valid_ct_image(folder):
    for path in dicom_files(folder):
        header = read_strictly(path)
        assert all(name in header and header[name].VM > 0 for name in TYPE_1.split())
        assert all(name in header for name in TYPE_2.split())
        assert (
            header.SOPClassUID
            == pydicom.uid.CTImageStorage
            == header.file_meta.MediaStorageSOPClassUID
        )
        assert header.SOPInstanceUID == header.file_meta.MediaStorageSOPInstanceUID
        assert len(header.PixelData) == SIZE * SIZE * 2 and header.HighBit == header.BitsStored - 1
        assert header.QualityControlImage == "YES" and str(header.PatientName).startswith(
            "Phantom^"
        )
        stored = header.pixel_array.astype(np.int64)
        low = -(1 << (header.BitsStored - 1)) if header.PixelRepresentation else 0
        assert stored.min() >= low and stored.max() < low + (1 << header.BitsStored)


def test_uids_are_unique_and_derived(folder):
    headers = [read_strictly(path) for path in dicom_files(folder)]
    instances = [h.SOPInstanceUID for h in headers]
    assert len(set(instances)) == len(instances)
    for header in headers:
        for uid in (
            header.SOPInstanceUID,
            header.StudyInstanceUID,
            header.SeriesInstanceUID,
            header.FrameOfReferenceUID,
        ):
            assert uid.is_valid and uid.startswith("2.25.") and int(uid[5:]) < 2**128
    assert (
        len({h.SeriesInstanceUID for h in headers})
        == HOSPITALS * PATIENTS
        == len({h.PatientID for h in headers})
    )


def test_slices_of_a_patient_are_evenly_spaced(folder):
    series: dict[str, list[pydicom.Dataset]] = {}
    for path in dicom_files(folder):
        header = read_strictly(path)
        series.setdefault(header.SeriesInstanceUID, []).append(header)
    assert max(len(s) for s in series.values()) == 3
    for headers in series.values():
        heights = [
            float(h.ImagePositionPatient[2])
            for h in sorted(headers, key=lambda h: int(h.InstanceNumber))
        ]
        steps = np.diff(heights)
        assert np.all(steps < -5) and np.allclose(steps, steps[:1], atol=0.01)
        assert (
            len(
                {
                    (h.PatientID, h.StudyInstanceUID, str(h.PatientName), h.PatientBirthDate)
                    for h in headers
                }
            )
            == 1
        )


def test_uids_depend_on_seed_hospital_and_name() -> None:
    profile = PROFILES[0]
    uids = {
        Source(name, seed, profile).uid(*names)
        for name in ("north", "harbour")
        for seed in (1, 2)
        for names in (("A1",), ("A1", "study"))
    }
    assert len(uids) == 8
    assert Source("north", 1, profile).uid("A1") in uids
