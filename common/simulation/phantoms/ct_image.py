"""Synthetic slices as CT Image objects: the mandatory elements of DICOM, with invented values."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from common.simulation.phantoms.body import EXTENT
from common.simulation.phantoms.profiles import NATIVE, Profile
from common.simulation.phantoms.scanner import outside_circle

_PADDING = -2000
"""Hounsfield units outside the circle of reconstruction: less than any tissue or air has."""
_LOWEST = -1024
_HIGHEST = 3071
"""Hounsfield units that 12 stored bits hold."""
_FIXED = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "Modality": "CT",
    "Manufacturer": "Consilium phantom",
    "ManufacturerModelName": "Formula",
    "ReferringPhysicianName": None,
    "AccessionNumber": None,
    "SeriesNumber": 1,
    "AcquisitionNumber": 1,
    "PatientPosition": "HFS",
    "PositionReferenceIndicator": None,
    "BodyPartExamined": "ABDOMEN",
    "BurnedInAnnotation": "NO",
    "QualityControlImage": "YES",
}


@dataclass(frozen=True)
class Source:
    """The hospital that a slice comes from: its name, the seed of all of it, its kind."""

    name: str
    seed: int
    profile: Profile

    def uid(self, *names: str) -> UID:
        """A UID derived from a UUID (PS3.5 B.2), the same for the same seed and names."""
        name = "/".join(("consilium phantom", str(self.seed), self.name, *names))
        return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}")


def patient_elements(
    source: Source, number: int, rng: np.random.Generator, half_width: float
) -> dict[str, Any]:
    """Elements that the slices of a patient share.

    Modules Patient, General Study, General Series, Frame of Reference, Equipment.

    Args:
        source: the hospital.
        number: of the patient, from 0.
        rng: the patient's.
        half_width: of the patient's body, millimetres.
    """
    profile = source.profile
    # Drawn in this order: the bytes of a seed's folders stay what they are.
    year = int(rng.integers(2015, 2024))
    age = int(rng.integers(*profile.years))
    month = int(rng.integers(1, 13))
    day = int(rng.integers(1, 29))
    key = f"{source.name[0].upper()}{number + 1:04d}"
    return {
        "PatientName": f"Phantom^{source.name.capitalize()} {number + 1}",
        "PatientID": key,
        "PatientBirthDate": f"{year - age}{month:02d}{day:02d}",
        "PatientSex": "FM"[int(rng.integers(2))],
        "PatientAge": f"{age:03d}Y",
        "StudyInstanceUID": source.uid(key, "study"),
        "StudyDate": f"{year}{month:02d}{day:02d}",
        "StudyTime": f"{int(rng.integers(7, 19)):02d}{int(rng.integers(60)):02d}00",
        "StudyID": f"{number + 1}",
        "StudyDescription": "CT upper abdomen (synthetic phantom)",
        "SeriesInstanceUID": source.uid(key, "series"),
        "FrameOfReferenceUID": source.uid(key, "frame"),
        "InstitutionName": f"{source.name.capitalize()} Phantom Hospital",
        "KVP": "100" if half_width < 130 else "120",
        "ConvolutionKernel": profile.kernel,
        "SliceThickness": f"{profile.thickness:g}",
        "ReconstructionDiameter": f"{profile.scanner.field_of_view:g}",
        "ContrastBolusAgent": None if profile.phase is NATIVE else "Iodine (simulated)",
    }


def plane_elements(
    source: Source, index: int, z: float, half_width: float, size: int
) -> dict[str, Any]:
    """Where a slice lies: module Image Plane (PS3.3 C.7.6.2).

    Patient coordinates run to the left, to the back and to the head.

    Args:
        source: the hospital.
        index: of the slice within the patient, from 0.
        z: height as in common/simulation/phantoms/body.py.
        half_width: of the patient's body, millimetres.
        size: pixels along each side.
    """
    pixel = source.profile.scanner.field_of_view / size
    corner = -pixel * (size - 1) / 2
    height = -z * EXTENT * half_width
    return {
        "InstanceNumber": index + 1,
        "PixelSpacing": [f"{pixel:.6g}"] * 2,
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "ImagePositionPatient": [f"{corner:.6g}", f"{corner:.6g}", f"{height:.6g}"],
        "SliceLocation": f"{height:.6g}",
    }


def ct_image(
    source: Source, uid: UID, elements: dict[str, Any], measured: npt.NDArray[np.float32]
) -> Dataset:
    """A CT Image object: the mandatory modules of PS3.3 table A.3-1.

    Args:
        source: the hospital.
        uid: of the object.
        elements: those of the patient and of the plane.
        measured: Hounsfield units ``[H, W]``.
    """
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = (
        ExplicitVRLittleEndian if source.profile.explicit else ImplicitVRLittleEndian
    )
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = CTImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = uid
    content = {"ContentDate": elements["StudyDate"], "ContentTime": elements["StudyTime"]}
    for name, value in {**_FIXED, **content, **elements}.items():
        # Elements of type 2 are there without a value; the contrast agent is of type 3, left out.
        if value is not None or name != "ContrastBolusAgent":
            setattr(image, name, value)
    _add_pixels(image, source.profile, measured)
    return image


def _add_pixels(image: Dataset, profile: Profile, measured: npt.NDArray[np.float32]) -> None:
    """Modules Image Pixel, CT Image and VOI LUT (PS3.3 C.7.6.3, C.8.2.1, C.11.2).

    Stored value = Hounsfield units - intercept.
    """
    bits, signed, intercept = profile.stored
    limited = np.clip(np.rint(measured), _LOWEST, _HIGHEST)
    if profile.scanner.circle:
        limited[outside_circle(len(limited))] = _PADDING
        image.add_new("PixelPaddingValue", "SS" if signed else "US", _PADDING - intercept)
    stored = (limited - intercept).astype("<i2" if signed else "<u2")
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows, image.Columns = stored.shape
    image.BitsAllocated = 16
    image.BitsStored = bits
    image.HighBit = bits - 1
    image.PixelRepresentation = int(signed)
    image.RescaleIntercept = str(intercept)
    image.RescaleSlope = "1"
    image.RescaleType = "HU"
    image.WindowCenter, image.WindowWidth = (str(w) for w in profile.window)
    image.PixelData = stored.tobytes()
    # Words, since 16 bits are allocated (PS3.5 8.1.2).
    image["PixelData"].VR = "OW"
