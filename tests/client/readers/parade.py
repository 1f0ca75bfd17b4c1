"""Mutated files past every reader, in a process of its own.

``python -m tests.client.readers.parade COUNT SEED`` prints one JSON object.

Counts what a reader may do with a damaged file (give something, or refuse with a typed error) apart
from what it may not: any other exception, more than two seconds, much memory, or a public sentence
that holds the file's name or path.
"""

from __future__ import annotations

import collections
import gzip
import io
import json
import re
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from client.dataset import box_files, labels, masks
from client.dataset import manifest as manifests
from client.readers import _registry, dicom
from common.errors import SiteError
from common.study.sections import Data
from tests.benchmarks._result import peak_bytes
from tests.client.readers.mutate import mutate

SLOW = 2.0
_NAME = "smith"
_LABELS: Any = SimpleNamespace(
    needs=frozenset({"label"}),
    columns=("lesion",),
    classes=("0", "1"),
    multi_label=False,
    mask_values=None,
)
_BOXES: Any = SimpleNamespace(
    needs=frozenset({"boxes"}), columns=(), classes=("nodule",), multi_label=False, mask_values=None
)
_SEGMENTS: Any = SimpleNamespace(
    needs=frozenset({"mask"}),
    columns=(),
    classes=("liver", "spleen"),
    multi_label=False,
    mask_values=None,
)


@dataclass
class Figures:
    """What happened to the files."""

    files: int = 0
    read: int = 0
    refused: int = 0
    uncaught: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    telling: list[str] = field(default_factory=list)
    slowest: float = 0.0
    sentences: collections.Counter[str] = field(default_factory=collections.Counter)


def pictures(rng: np.random.Generator) -> dict[str, bytes]:
    """Small pictures in every container and most codings that Pillow is let at."""
    grey = rng.integers(0, 256, (24, 20)).astype(np.uint8)
    colour = rng.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "x" * 40
    contents: dict[str, bytes] = {}
    for name, array, options in (
        ("grey.png", grey, {}),
        ("deep.png", grey.astype(np.uint16) * 200, {}),
        ("colour.png", colour, {"exif": exif, "icc_profile": zlib.compress(b"p" * 300)}),
        ("grey.jpg", grey, {"exif": exif}),
        ("colour.jpg", colour, {"progressive": True, "subsampling": 2}),
        ("plain.tif", grey, {}),
        ("lzw.tif", colour, {"compression": "tiff_lzw"}),
        ("zip.tif", colour, {"compression": "tiff_adobe_deflate"}),
        ("jpeg.tif", colour, {"compression": "jpeg"}),
        ("deep.tif", grey.astype(np.uint16) * 200, {}),
        ("colour.bmp", colour, {}),
    ):
        kinds = {"jpg": "JPEG", "tif": "TIFF"}
        ending = name.rpartition(".")[2]
        out = io.BytesIO()
        options_: dict[str, Any] = dict(options)
        Image.fromarray(array).save(out, kinds.get(ending, ending.upper()), **options_)
        contents[name] = out.getvalue()
    for name, mode in (("palette.png", "P"), ("bits.tif", "1")):
        out = io.BytesIO()
        packed: dict[str, Any] = {"compression": "group4"} if mode == "1" else {}
        Image.fromarray(colour).convert(mode).save(out, "TIFF" if mode == "1" else "PNG", **packed)
        contents[name] = out.getvalue()
    return contents


def volumes(rng: np.random.Generator) -> dict[str, bytes]:
    """Small NIfTI files of both versions, packed and not, scaled and not."""
    values = rng.integers(-100, 100, (8, 7, 6)).astype(np.int16)
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    scaled = nib.Nifti1Image(values, affine)
    scaled.header.set_slope_inter(2.0, -1.0)
    described = nib.Nifti1Image(values, affine)
    described.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"x" * 100))
    plain = {
        "one.nii": nib.Nifti1Image(values, affine).to_bytes(),
        "two.nii": nib.Nifti2Image(values.astype(np.float32), affine).to_bytes(),
        "scaled.nii": scaled.to_bytes(),
        "described.nii": described.to_bytes(),
    }
    return plain | {
        f"{name}.gz": gzip.compress(content, mtime=0) for name, content in plain.items()
    }


def objects(rng: np.random.Generator) -> dict[str, bytes]:
    """Small DICOM files in the plain transfer syntaxes, deflated, RLE and JPEG."""
    contents = {}
    for name, syntax in (
        ("explicit.dcm", ExplicitVRLittleEndian),
        ("implicit.dcm", ImplicitVRLittleEndian),
        ("big.dcm", ExplicitVRBigEndian),
        ("deflated.dcm", DeflatedExplicitVRLittleEndian),
        ("jpeg.dcm", JPEGBaseline8Bit),
        ("frames.dcm", ExplicitVRLittleEndian),
        ("rle.dcm", RLELossless),
    ):
        contents[name] = _object(syntax, 3 if name == "frames.dcm" else 1, rng)
    return contents


def _object(syntax: pydicom.uid.UID, frames: int, rng: np.random.Generator) -> bytes:
    header = Dataset()
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, "1.2.3.4"
    header.StudyInstanceUID, header.SeriesInstanceUID, header.FrameOfReferenceUID = (
        "1.2.3",
        "1.2.3.1",
        "1.2.3.9",
    )
    header.PatientID, header.PatientName, header.Modality, header.InstanceNumber = (
        "P1",
        "A^B",
        "CT",
        1,
    )
    header.Rows, header.Columns, header.SamplesPerPixel, header.PhotometricInterpretation = (
        16,
        12,
        1,
        "MONOCHROME2",
    )
    bits = 8 if syntax == JPEGBaseline8Bit else 16
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = (
        bits,
        bits,
        bits - 1,
        0,
    )
    header.PixelSpacing, header.ImageOrientationPatient, header.ImagePositionPatient = (
        [0.5, 0.5],
        [1, 0, 0, 0, 1, 0],
        [0, 0, 0],
    )
    header.SliceThickness, header.RescaleSlope, header.RescaleIntercept = 1, 1, -1024
    inner = Dataset()
    inner.CodeValue, inner.CodeMeaning = "1", "one"
    header.ProcedureCodeSequence = [inner]
    if frames > 1:
        _enhance(header, frames)
    pixels = rng.integers(0, 1 << bits, (frames, 16, 12)).astype(
        np.uint8 if bits == 8 else np.uint16
    )
    header.PixelData = pixels.tobytes()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    if syntax == JPEGBaseline8Bit:
        out = io.BytesIO()
        Image.fromarray(pixels[0]).save(out, "JPEG")
        header.PixelData = encapsulate([out.getvalue()])
    if syntax == ExplicitVRBigEndian:
        header.PixelData = pixels.byteswap().tobytes()
    if syntax == RLELossless:
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header["PixelData"].VR = "OW"
        header.compress(RLELossless, generate_instance_uid=False)
    else:
        header["PixelData"].VR = "OB" if syntax == JPEGBaseline8Bit else "OW"
        header["PixelData"].is_undefined_length = syntax == JPEGBaseline8Bit
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, header, enforce_file_format=True)
    return buffer.getvalue()


def _enhance(header: Dataset, frames: int) -> None:
    """Positions as of an enhanced multi-frame object (PS3.3 C.7.6.16)."""
    header.SOPClassUID, header.NumberOfFrames = EnhancedCTImageStorage, frames
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = header.PixelSpacing, 1
    orientation.ImageOrientationPatient = header.ImageOrientationPatient
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    header.SharedFunctionalGroupsSequence, header.PerFrameFunctionalGroupsSequence = [shared], []
    for z in range(frames):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0, 0, z]
        frame.PlanePositionSequence = [place]
        header.PerFrameFunctionalGroupsSequence.append(frame)


def tables() -> dict[str, bytes]:
    """Tables as hospitals write them."""
    rows = "file,patient_id,lesion\n" + "".join(f'a{i}.png,"P, {i}",{i % 2}\n' for i in range(40))
    entry = {
        "width": 64,
        "height": 64,
        "objects": [{"label": "nodule", "box_xyxy": [1, 2, 30.5, 40]}],
    }
    drawn = json.dumps({f"a{i}.png": entry for i in range(20)}).encode()
    return {
        "labels.csv": rows.encode(),
        "cases.csv": rows.replace(",", ";").encode("utf-16"),
        "boxes.json": drawn,
    }


def sources(seed: int) -> dict[str, bytes]:
    """Every undamaged file by name; the same for the same seed."""
    rng = np.random.default_rng(seed)
    return pictures(rng) | volumes(rng) | objects(rng) | tables()


def parade(count: int, seed: int, folder: Path) -> Figures:
    """Mutate ``count`` files and give each to every reader that would get it in a hospital."""
    good = sources(seed)
    names = sorted(good)
    rng = np.random.default_rng(seed)
    figures = Figures()
    for number in range(count):
        name = names[number % len(names)]
        content = mutate(good[name], good[names[int(rng.integers(len(names)))]], rng)
        for read in _readers(name, content, folder):
            _observe(f"{number} {name}", read, figures)
        figures.files += 1
    return figures


def _readers(name: str, content: bytes, folder: Path) -> list[Callable[[], object]]:
    """Put the file where it belongs and say who reads it there."""
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        path.unlink()
    for subfolder in ("images", "masks", "dicom"):
        (folder / subfolder).mkdir(exist_ok=True)
    if name.endswith((".csv", ".json")):
        (folder / name).write_bytes(content)
        (folder / "images" / "a1.png").touch()
        drawn = name == "boxes.json"
        task = _BOXES if drawn else _LABELS
        return [lambda: _boxes(folder) if drawn else _table(folder), lambda: _listed(folder, task)]
    subfolder = "dicom" if name.endswith(".dcm") else "images"
    path = folder / subfolder / f"{_NAME}.{name.partition('.')[2]}"
    path.write_bytes(content)
    readers: list[Callable[[], object]] = [lambda: _registry.read(path)]
    if subfolder == "dicom":
        (folder / "labels.csv").write_text(f"file,lesion\n{path.name},1\n")
        return [*readers, lambda: dicom.patient(path), lambda: _listed(folder, _LABELS)]
    return [*readers, lambda: masks.read_mask(path, path, _shape(path), _SEGMENTS)]


def _table(folder: Path) -> None:
    for row in labels.read_table(folder, _LABELS.columns).rows.values():
        labels.read_target(row, _LABELS)


def _boxes(folder: Path) -> None:
    for entry in box_files.read_boxes(folder).values():
        box_files.parse_boxes(entry, _BOXES, 2)


def _listed(folder: Path, task: Any) -> None:
    manifests.index(folder, task, Data(min_patients=1, max_bad_fraction=1.0))


def _shape(path: Path) -> tuple[int, ...]:
    return _registry.read(path).array.shape[1:]


def _observe(name: str, read: Callable[[], object], figures: Figures) -> None:
    began = time.process_time()  # what the reader does, however busy the machine is besides
    try:
        read()
        figures.read += 1
    except SiteError as error:
        figures.refused += 1
        figures.sentences[re.sub(r"\d+", "N", error.public)] += 1
        if _NAME in error.public or tempfile.gettempdir() in error.public:
            figures.telling.append(f"{name}: {error.public}")
    except Exception:  # what is looked for
        figures.uncaught.append(f"{name}: {traceback.format_exc(limit=-3)}")
    took = time.process_time() - began
    figures.slowest = max(figures.slowest, took)
    if took > SLOW:
        figures.slow.append(f"{name}: {took:.1f} s")


def main(count: int, seed: int) -> dict[str, Any]:
    """The figures of a whole parade and the most memory that the process ever had, MB."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        figures = parade(count, seed, Path(folder))
    peak = peak_bytes() / 1e6
    report = {
        "files": figures.files,
        "read": figures.read,
        "refused": figures.refused,
        "uncaught": figures.uncaught,
        "slow": figures.slow,
    }
    report |= {
        "telling": figures.telling,
        "slowest_s": round(figures.slowest, 3),
        "peak_mb": round(peak),
    }
    return report | {
        "seconds": round(time.perf_counter() - began, 1),
        "sentences": len(figures.sentences),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))) + "\n")
