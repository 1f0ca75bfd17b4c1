"""Synthetic hospitals: abdominal CT slices as real DICOM files, with liver lesions to find.

Every pixel, name and number is invented. Hospitals differ as real ones do: in scanner and reconstruction, in the phase of the contrast
medium (which decides whether a lesion is dark, faint or ringed), in their patients' size, and in how many and how large lesions they
see. So a network trained at one of them does visibly worse at the others.
"""

from __future__ import annotations

import csv
import hashlib
import json
import struct
import uuid
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from common.errors import ArgumentError
from common.seeds import derive
from common.simulation.phantoms.anatomy import draw
from common.simulation.phantoms.body import EXTENT, Body, Phase, random_body, random_lesion
from common.simulation.phantoms.profiles import NATIVE, PROFILES, Profile
from common.simulation.phantoms.scanner import outside_circle, scan

CONTRAST, NOISE, SIZE = 1.0, 1.0, 1.0
"""How hard the task is: factors on the lesions' contrast, the scanners' noise and the lesions' radius."""

NAMES = (
    "north",
    "harbour",
    "valley",
    "university",
    "lakeside",
    "hillcrest",
    "central",
    "island",
    "riverside",
    "forest",
    "bridge",
)
_PADDING = -2000
_SYNTHETIC = "Synthetic phantoms drawn from formulas: no image, name or number in this folder belongs to a person."


def write(
    folder: Path, *, hospitals: int = 4, patients: int = 24, size: int = 128, seed: int = 1
) -> None:
    """Write hospital folders that hold ``dicom/``, ``masks/``, labels.csv, boxes.json and the marker PHANTOM.

    The same arguments give the same bytes. Hospital number ``i`` of a seed is the same however many are asked for.

    Args:
        folder: is made if needed; gets one sub-folder per hospital.
        patients: of each hospital, with one to three slices each.
        size: pixels along both sides of a slice.

    Raises:
        ArgumentError: a number out of range, or a hospital's folder that exists already.
    """
    for name, value, low, high in (
        ("hospitals", hospitals, 1, 999),
        ("patients", patients, 1, 9999),
        ("size", size, 32, 1024),
    ):
        if not low <= value <= high:
            raise ArgumentError(f"{name} is {value}; allowed: {low} to {high}.")
    names = [
        NAMES[i % len(NAMES)] + (f"{i // len(NAMES) + 1}" if i >= len(NAMES) else "")
        for i in range(hospitals)
    ]
    for name in names:
        if (folder / name).exists():
            raise ArgumentError(
                f"{str(folder / name)!r} exists already; give an empty folder for the phantoms."
            )
    for number, name in enumerate(names):
        _Hospital(folder / name, PROFILES[number % len(PROFILES)], size, seed, name).write(patients)


class _Hospital:
    """One folder in the making."""

    def __init__(self, folder: Path, profile: Profile, size: int, seed: int, name: str) -> None:
        self.folder, self.profile, self.size, self.seed, self.name = (
            folder,
            profile,
            size,
            seed,
            name,
        )
        self.rows: list[tuple[str, int, str]] = []
        self.boxes: dict[str, dict[str, Any]] = {}

    def write(self, patients: int) -> None:
        for part in ("dicom", "masks"):
            (self.folder / part).mkdir(parents=True)
        for number in range(patients):
            self._patient(number)
        digests = {
            f"dicom/{f.name}": hashlib.sha256(f.read_bytes()).hexdigest()
            for f in sorted((self.folder / "dicom").iterdir())
        }
        (self.folder / "PHANTOM").write_text(
            json.dumps({"about": _SYNTHETIC, "sha256": digests}, indent=1) + "\n", "utf-8"
        )
        (self.folder / "boxes.json").write_text(json.dumps(self.boxes), "utf-8")
        with (self.folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(
                [("file", "lesion", "patient_id"), *self.rows]
            )

    def _patient(self, number: int) -> None:
        """Draw a patient, and scan one to three slices, evenly spaced."""
        rng, profile = (
            np.random.default_rng(derive(self.seed, "phantom", self.name, number)),
            self.profile,
        )
        half_width = float(rng.uniform(*profile.half_width))
        count = int(rng.integers(1, 4))
        step = float(rng.uniform(0.10, 0.16))
        heights = [
            float(z) for z in rng.uniform(0.10, 0.80 - step * (count - 1)) + step * np.arange(count)
        ]
        body = self._body(rng, half_width, heights)
        pixel = profile.scanner.field_of_view / self.size
        common = self._about(number, rng, half_width)
        for k, z in enumerate(heights):
            seen = draw(body, z, self.size, pixel / half_width)
            measured = scan(
                profile.scanner, seen.hu, seen.depth, NOISE * (half_width / 165) ** 1.5, rng
            )
            self._slice(
                f"p{number + 1:03d}_s{k + 1}",
                measured,
                seen.lesions,
                {**common, **self._place(k, z, half_width)},
            )

    def _body(self, rng: np.random.Generator, half_width: float, heights: list[float]) -> Body:
        """A body with its lesions around the heights that are scanned, and now and then a harmless cyst."""
        profile, factor = self.profile, rng.normal(1, 0.05)
        values = {name: value * factor for name, value in vars(profile.phase).items()}
        body = random_body(rng, Phase(**values), float(rng.uniform(*profile.fat)), profile.meal)
        count = int(rng.integers(1, 5)) if rng.random() < profile.prevalence else 0
        for cyst in [False] * count + [True] * int(rng.random() < 0.25):
            radius = (
                float(
                    rng.uniform(4, 7)
                    if cyst
                    else np.exp(rng.uniform(*np.log(profile.radius))) * SIZE
                )
                / half_width
            )
            z = (
                heights[int(rng.integers(len(heights)))]
                + float(rng.normal(0, 0.3)) * radius / EXTENT
            )
            difference = CONTRAST * body.phase.lesion * float(rng.uniform(0.75, 1.25))
            lesion = random_lesion(rng, body, z, radius, cyst=cyst, difference=difference)
            body = body if lesion is None else replace(body, lesions=(*body.lesions, lesion))
        return body

    def _slice(
        self,
        stem: str,
        measured: npt.NDArray[np.float32],
        lesions: list[npt.NDArray[np.bool_]],
        about: dict[str, Any],
    ) -> None:
        name = f"{stem}.dcm"
        header = _header(about, self._uid(stem), self.profile.explicit)
        _add_pixels(header, self.profile, measured)
        header.save_as(self.folder / "dicom" / name, enforce_file_format=True)
        mask = np.any(lesions, axis=0) if lesions else np.zeros(measured.shape, bool)
        (self.folder / "masks" / f"{stem}.png").write_bytes(_png(mask))
        self.rows.append((name, int(bool(lesions)), about["PatientID"]))
        objects = [{"label": "lesion", "box_xyxy": _box(lesion)} for lesion in lesions]
        self.boxes[name] = {"width": self.size, "height": self.size, "objects": objects}

    def _about(self, number: int, rng: np.random.Generator, half_width: float) -> dict[str, Any]:
        """Elements that the slices of a patient share: modules Patient, General Study, General Series, Frame of Reference, Equipment."""
        profile, year = self.profile, int(rng.integers(2015, 2024))
        age, month, day = (
            int(rng.integers(*profile.years)),
            int(rng.integers(1, 13)),
            int(rng.integers(1, 29)),
        )
        date = f"{year}{month:02d}{day:02d}"
        key = f"{self.name[0].upper()}{number + 1:04d}"
        return {
            "PatientName": f"Phantom^{self.name.capitalize()} {number + 1}",
            "PatientID": key,
            "PatientBirthDate": f"{year - age}{month:02d}{day:02d}",
            "PatientSex": "FM"[int(rng.integers(2))],
            "PatientAge": f"{age:03d}Y",
            "StudyInstanceUID": self._uid(key, "study"),
            "StudyDate": date,
            "StudyTime": f"{int(rng.integers(7, 19)):02d}{int(rng.integers(60)):02d}00",
            "StudyID": f"{number + 1}",
            "StudyDescription": "CT upper abdomen (synthetic phantom)",
            "SeriesInstanceUID": self._uid(key, "series"),
            "FrameOfReferenceUID": self._uid(key, "frame"),
            "InstitutionName": f"{self.name.capitalize()} Phantom Hospital",
            "KVP": "100" if half_width < 130 else "120",
            "ConvolutionKernel": profile.kernel,
            "SliceThickness": f"{profile.thickness:g}",
            "ReconstructionDiameter": f"{profile.scanner.field_of_view:g}",
            "ContrastBolusAgent": None if profile.phase is NATIVE else "Iodine (simulated)",
        }

    def _place(self, k: int, z: float, half_width: float) -> dict[str, Any]:
        """Where a slice lies: module Image Plane (PS3.3 C.7.6.2); patient coordinates run to the left, to the back and to the head."""
        pixel = self.profile.scanner.field_of_view / self.size
        corner, height = -pixel * (self.size - 1) / 2, -z * EXTENT * half_width
        return {
            "InstanceNumber": k + 1,
            "PixelSpacing": [f"{pixel:.6g}"] * 2,
            "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
            "ImagePositionPatient": [f"{corner:.6g}", f"{corner:.6g}", f"{height:.6g}"],
            "SliceLocation": f"{height:.6g}",
        }

    def _uid(self, *names: str) -> UID:
        """A UID derived from a UUID (PS3.5 B.2), the same for the same seed and names."""
        name = "/".join(("consilium phantom", str(self.seed), self.name, *names))
        return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}")


def _header(about: dict[str, Any], uid: UID, explicit: bool) -> Dataset:
    """A CT Image object without pixels: the mandatory modules of PS3.3 table A.3-1."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = (
        ExplicitVRLittleEndian if explicit else ImplicitVRLittleEndian
    )
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = uid
    fixed = {
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
        "ContentDate": about["StudyDate"],
        "ContentTime": about["StudyTime"],
    }
    for name, value in {**fixed, **about}.items():
        if value is not None or name != "ContrastBolusAgent":
            setattr(header, name, value)
    return header


def _add_pixels(header: Dataset, profile: Profile, measured: npt.NDArray[np.float32]) -> None:
    """Modules Image Pixel, CT Image and VOI LUT (PS3.3 C.7.6.3, C.8.2.1, C.11.2): stored value = Hounsfield units - intercept."""
    bits, signed, intercept = profile.stored
    limited = np.clip(np.rint(measured), -1024, 3071)
    if profile.scanner.circle:
        limited[outside_circle(len(limited))] = _PADDING
        header.add_new("PixelPaddingValue", "SS" if signed else "US", _PADDING - intercept)
    stored = (limited - intercept).astype("<i2" if signed else "<u2")
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.Rows, header.Columns = stored.shape
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = (
        16,
        bits,
        bits - 1,
        int(signed),
    )
    header.RescaleIntercept, header.RescaleSlope, header.RescaleType = str(intercept), "1", "HU"
    header.WindowCenter, header.WindowWidth = (str(w) for w in profile.window)
    header.PixelData = stored.tobytes()
    header["PixelData"].VR = "OW"


def _box(mask: npt.NDArray[np.bool_]) -> list[int]:
    """``x0 y0 x1 y1`` around a mask, upper ends exclusive."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _png(mask: npt.NDArray[np.bool_]) -> bytes:
    """An 8-bit grey PNG of 0 and 255 (PNG specification, third edition, 11.2)."""
    rows = np.pad(mask.astype(np.uint8) * np.uint8(255), ((0, 0), (1, 0)))
    head = struct.pack(">IIBBBBB", mask.shape[1], mask.shape[0], 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks
    )
