"""Folders as hospitals export them, with invented identifiers in every place there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

NAME, NUMBER, BORN, ACCESSION = "Mustermann", "MRN4711889", "19610203", "ACC90817263"
ADDRESS, DOCTOR, HOSPITAL = "Beispielweg 17", "Quacksalver", "Klinikum Nirgendwo"
SECRETS = (
    NAME,
    NUMBER,
    BORN,
    ACCESSION,
    ADDRESS,
    DOCTOR,
    HOSPITAL,
    "Erika",
    "SN-592977",
    "1961-02-03",
)


def picture(seed: int = 0, size: tuple[int, ...] = (24, 32)) -> npt.NDArray[np.uint8]:
    """A smooth picture with some noise, different for each seed."""
    rng = np.random.default_rng(seed)
    ramps = np.add.outer(
        *(np.sin(np.linspace(rng.uniform(0, 6), rng.uniform(6, 12), n)) for n in size[:2])
    )
    return np.asarray(np.clip(120 + 50 * ramps + rng.normal(0, 4, size[:2]), 0, 255), np.uint8)


def png(path: Path, array: npt.NDArray[np.generic], turn: int = 0) -> Path:
    """A PNG with texts in it, and after its end."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Patient", f"{NAME} {NUMBER}")
    texts.add_itxt("Comment", f"born {BORN}", zip=True)
    exif = Image.Exif()
    exif[0x010E] = f"{NAME} {BORN}"
    if turn:
        exif[0x0112] = turn
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, pnginfo=texts, exif=exif)
    path.write_bytes(path.read_bytes() + ADDRESS.encode())
    return path


def jpeg(path: Path, array: npt.NDArray[np.generic], turn: int = 1, **how: object) -> Path:
    """A JPEG with Exif, a comment, a colour profile, and a second file behind its end."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B], exif[0x0112] = NAME, DOCTOR, turn
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(
        path,
        "JPEG",
        exif=exif,
        comment=f"{NUMBER} {BORN}".encode(),
        icc_profile=HOSPITAL.encode() * 3,
        **how,
    )
    path.write_bytes(path.read_bytes() + b"\xff\xd8" + NAME.encode())
    return path


def tiff(path: Path, array: npt.NDArray[np.generic]) -> Path:
    """A TIFF with a description."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, "TIFF", description=f"{NAME} {NUMBER}", software=HOSPITAL)
    return path


def nifti(
    path: Path,
    array: npt.NDArray[np.generic],
    affine: npt.NDArray[np.float64] | None = None,
    kind: type = nib.Nifti1Image,
) -> Path:
    """A NIfTI file with texts in every field that holds one, an extension, and a scale."""
    image = kind(array, np.diag([-1.0, 1.5, 2.0, 1.0]) if affine is None else affine)
    header = image.header
    header["descrip"], header["aux_file"], header["intent_name"] = (
        f"{NAME} {BORN}"[:79].encode(),
        DOCTOR.encode(),
        NUMBER[:15].encode(),
    )
    if "db_name" in header:
        header["db_name"], header["data_type"] = NUMBER.encode(), NAME[:9].encode()
    header.extensions.append(nib.nifti1.Nifti1Extension(6, f"{NAME} {ADDRESS}".encode()))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return path


def dicom(
    path: Path, stored: npt.NDArray[np.uint16], number: str, uids: tuple[str, str], **more: object
) -> Path:
    """A DX image, or a CT slice if a position is among ``more``.

    ``uids`` are of series and instance.
    """
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    kind = (
        CTImageStorage if "ImagePositionPatient" in more else DigitalXRayImageStorageForPresentation
    )
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = kind
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = uids[1]
    header.SpecificCharacterSet = "ISO_IR 100"
    header.StudyInstanceUID, header.SeriesInstanceUID = uids[0] + ".9", uids[0]
    header.PatientName, header.PatientID, header.PatientBirthDate = f"{NAME}^Erika", number, BORN
    header.AccessionNumber, header.PatientAddress, header.ReferringPhysicianName = (
        ACCESSION,
        ADDRESS,
        DOCTOR,
    )
    header.InstitutionName, header.DeviceSerialNumber, header.StudyDate = (
        HOSPITAL,
        "SN-592977",
        "20210405",
    )
    header.StudyDescription = f"Thorax {NAME}"
    header.Modality, header.Manufacturer, header.ImageType = (
        "CT" if kind == CTImageStorage else "DX",
        "Maker",
        ["ORIGINAL", "PRIMARY"],
    )
    header.add_new(0x00091001, "LO", f"{NAME} {NUMBER}")
    inner = Dataset()
    inner.PatientID, inner.PatientName = number, f"{NAME}^Erika"
    header.ReferencedPatientSequence = [inner]
    header.Rows, header.Columns = stored.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = (
        16,
        12,
        11,
        0,
    )
    header.PixelSpacing = ["0.5", "0.7"]
    for name, value in more.items():
        setattr(header, name, value)
    header.PixelData = np.asarray(stored, "<u2").tobytes()
    header["PixelData"].VR = "OW"
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def volume(folder: Path, number: str, series: str, slices: int = 4, seed: int = 0) -> list[Path]:
    """A CT series with shuffled file names."""
    paths = []
    for k in range(slices):
        place = {
            "ImagePositionPatient": ["0", "0", f"{2.5 * k}"],
            "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        }
        geometry = {
            **place,
            "RescaleSlope": "1",
            "RescaleIntercept": "-1024",
            "InstanceNumber": k + 1,
            "FrameOfReferenceUID": series + ".7",
        }
        stored = picture(seed + 100 * k).astype(np.uint16) * 8
        paths.append(
            dicom(
                folder / f"IM{(7 * k) % slices:04d}",
                stored,
                number,
                (series, f"{series}.{k + 1}"),
                **geometry,
            )
        )
    return paths


def researcher(folder: Path, patients: int = 6) -> Path:
    """Pictures, two per patient, with labels, masks and boxes.

    File names and tables hold names and numbers of patients.
    """
    rows, boxes = ["file;patient_id;Name;pneumonia;stage;birth date;note"], {}
    for i in range(2 * patients):
        who = i // 2
        name = f"{NAME}{who}_{BORN}_{i}.png"
        png(folder / "images" / name, picture(i))
        mask = np.zeros((24, 32), np.uint8)
        mask[4:12, 5 : 12 + who] = 1
        png(folder / "masks" / name, mask * 255)
        rows.append(
            f"{name};{NUMBER}{who};{NAME}, Erika {who};{who % 2};{'early' if i % 3 else 'late'};"
            f"1961-02-03;seen by {DOCTOR}"
        )
        boxes[f"images/{name}"] = {
            "width": 32,
            "height": 24,
            "annotator": DOCTOR,
            "objects": [{"label": "lesion", "box_xyxy": [5, 4, 12 + who, 12], "by": DOCTOR}],
        }
    (folder / "labels.csv").write_text("\n".join(rows), "utf-8")
    (folder / "boxes.json").write_text(json.dumps(boxes), "utf-8")
    return folder


def leaks(*places: Path) -> Iterator[str]:
    """``file: secret`` for every planted identifier in a file's name or bytes, in any encoding."""
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            content = _inflated(path) if path.is_file() else b""
            for secret in SECRETS:
                encoded = [secret.encode(code) for code in ("utf-8", "latin-1", "utf-16-le")]
                if (
                    any(text.lower() in content.lower() for text in encoded)
                    or secret.lower() in path.name.lower()
                ):
                    yield f"{path.name}: {secret}"


def _inflated(path: Path) -> bytes:
    import gzip

    raw = path.read_bytes()
    return raw + (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else b"")
