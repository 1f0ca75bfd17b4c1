"""``consilium site twin``: a folder of the same form as a hospital's, without any patient.

A coordinator rehearses a study with it.

It is drawn from an :class:`client.ingest.readiness.twin_outline.Outline` and a seed, and from
nothing else; ``twin.json`` beside the images holds that outline, which is therefore all that the
folder discloses. Pictures are noise; where there are classes, a bright spot for each marks them, so
that a network has something to learn. The marker PHANTOM vouches for every image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from scipy import ndimage

from client.dataset import label_names
from client.ingest import convert_nifti, convert_raster, table_files
from client.ingest.readiness import twin_outline
from client.ingest.readiness.twin_outline import Column, Form, Outline
from common.errors import ArgumentError, InputError
from common.seeds import derive

Array = npt.NDArray[np.float64]
_ABOUT = (
    "Synthetic: every pixel and every row was drawn at random; "
    "nothing but this outline comes from the hospital."
)
_SIDES = ("width", "height", "depth")
_ROOT = "2.25.1"
"""UIDs below it are this program's own invention; twins of different hospitals may share them."""


def make(site: Path, out: Path, seed: int = 1) -> dict[str, Any]:
    """Write the twin of a hospital's folder.

    Returns:
        the outline, as it stands in ``twin.json``.

    Raises:
        ArgumentError: ``out`` exists, or lies in the hospital's folder.
        SiteError: the hospital's folder cannot be used.
        InputError: the twin cannot be written.
    """
    if out.exists() or out.resolve().is_relative_to(site.resolve()):
        raise ArgumentError(
            f"--out is {str(out)!r}, which exists or lies in the hospital's folder; "
            "give a new folder elsewhere."
        )
    outline = twin_outline.draw(site)
    names = label_names.read(site)
    try:
        _Twin(outline, out, np.random.default_rng(derive(seed, "twin"))).write()
        content = {"about": _ABOUT, **asdict(outline), "names": asdict(names)}
        (out / "twin.json").write_text(
            json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8"
        )
        if names != label_names.LabelNames():
            (out / label_names.FILE).write_text(label_names.dumps(names), "utf-8")
    except OSError as error:
        raise InputError(
            f"--out {str(out)!r} cannot be written ({error.strerror}); "
            "make room or give another folder."
        ) from None
    return content


class _Twin:
    """One folder in the making."""

    def __init__(self, outline: Outline, out: Path, rng: np.random.Generator) -> None:
        self.outline = outline
        self.out = out
        self.rng = rng
        self.rows: dict[str, list[dict[str, str]]] = {}
        self.boxes: dict[str, Any] = {}
        self.digests: dict[str, str] = {}

    def write(self) -> None:
        self.out.mkdir(parents=True)
        forms = self._deal(
            [(form, form.tenths) for form in self.outline.forms], self.outline.images
        )
        for number, form in enumerate(forms):
            self._case(number, form)
        self._tables()
        if self.outline.boxes:
            (self.out / "boxes.json").write_text(json.dumps(self.boxes) + "\n", "utf-8")
        seal = {"about": _ABOUT, "sha256": self.digests}
        (self.out / "PHANTOM").write_text(json.dumps(seal, indent=1) + "\n", "utf-8")

    def _case(self, number: int, form: Form) -> None:
        name = f"twin{number:05d}{form.ending}"
        patient = f"T{number % self.outline.patients:05d}"
        row = {"file": name, "patient_id": patient}
        values = {
            (c.table, c.name): self._value(c)
            for c in self.outline.columns
            if c.table != "table.csv"
        }
        for (table, column), value in values.items():
            self.rows.setdefault(table, [])
            row[column] = value
        image, spots = self._image(form, [v for v in values.values() if v])
        self._put(Path(form.room, name), _encoded(image, form, number))
        for table in {*self.rows, "cases.csv"}:
            self.rows.setdefault(table, []).append(row)
        if self.outline.mask:
            self._mask(number, form, spots)
        if self.outline.boxes:
            self.boxes[name] = self._drawn(form, spots)

    def _mask(self, number: int, form: Form, spots: Sequence[tuple[slice, ...]]) -> None:
        ending, values = self.outline.mask or ("", ())
        mask = np.zeros(form.size)
        # an image may have more spots than classes: the others are boxes
        for value, spot in zip(values, spots, strict=False):
            mask[spot] = value
        place = Path("masks", f"twin{number:05d}{ending}")
        self._put(place, _encoded(mask[None], form, number, ending))

    def _image(self, form: Form, marks: Sequence[str]) -> tuple[Array, list[tuple[slice, ...]]]:
        """Smooth noise within the form's bounds, and the bright spots in it.

        There is one spot for each class or box, and a brightness that tells the first label.
        """
        texture = ndimage.gaussian_filter(
            self.rng.standard_normal(form.size), [max(1.0, n / 32) for n in form.size]
        )
        texture = (texture - texture.min()) / max(float(np.ptp(texture)), 1e-9) * 0.5 + 0.25
        count = max(
            len(self.outline.mask[1]) if self.outline.mask else 0,
            self.outline.boxes[1] if self.outline.boxes else 0,
        )
        spots = [self._spot(form.size) for _ in range(count)]
        for i, spot in enumerate(spots):
            texture[spot] += 0.2 + 0.05 * (i % 5)
        if marks:
            texture += 0.1 * (hashlib.sha256(marks[0].encode()).digest()[0] / 255 - 0.5)
        image = form.low + np.clip(texture, 0, 1) * (form.high - form.low)
        return np.repeat(image[None], form.channels, 0), spots

    def _spot(self, size: Sequence[int]) -> tuple[slice, ...]:
        sides = [max(2, int(n * self.rng.uniform(0.1, 0.25))) for n in size]
        starts = [
            int(self.rng.integers(0, max(1, n - side))) for n, side in zip(size, sides, strict=True)
        ]
        return tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))

    def _drawn(self, form: Form, spots: Sequence[tuple[slice, ...]]) -> dict[str, Any]:
        labels = list((self.outline.boxes or ({}, 0))[0].items())
        order = [1, 0, 2][: len(form.size)]
        corners = "box_xyxy" if len(form.size) == 2 else "box_xyzxyz"
        objects = [
            {
                "label": self._deal(labels, 1)[0],
                corners: [*(spot[a].start for a in order), *(spot[a].stop for a in order)],
            }
            for spot in (spots if labels else ())
        ]
        return {**{_SIDES[i]: form.size[a] for i, a in enumerate(order)}, "objects": objects}

    def _value(self, column: Column) -> str:
        if column.values:
            return str(self._deal(list(column.values.items()), 1)[0])
        return f"{self.rng.uniform(*column.limits):.4g}" if column.limits else ""

    def _tables(self) -> None:
        for table in {*self.rows, "cases.csv"} - {"table.csv"}:
            columns = [c.name for c in self.outline.columns if c.table == table]
            content = table_files.text(["file", "patient_id", *columns], self.rows.get(table, []))
            (self.out / table).write_bytes(content)
        side = [c for c in self.outline.columns if c.table == "table.csv"]
        if side:
            rows = [
                {"patient_id": f"T{i:05d}", **{c.name: self._value(c) for c in side}}
                for i in range(self.outline.patients)
            ]
            (self.out / "table.csv").write_bytes(
                table_files.text(["patient_id", *(c.name for c in side)], rows)
            )

    def _deal(self, shares: Sequence[tuple[Any, int]], count: int) -> list[Any]:
        weights = np.array([tenths for _, tenths in shares], float)
        return [
            shares[i][0] for i in self.rng.choice(len(shares), count, p=weights / weights.sum())
        ]

    def _put(self, place: Path, content: bytes) -> None:
        (self.out / place).parent.mkdir(exist_ok=True)
        (self.out / place).write_bytes(content)
        if place.parts[0] != "masks":
            self.digests[place.as_posix()] = hashlib.sha256(content).hexdigest()


def _encoded(image: Array, form: Form, number: int, ending: str | None = None) -> bytes:
    """The image ``[C, H, W[, D]]`` in the format that the ending names."""
    ending = form.ending if ending is None else ending
    if ending in (".nii", ".nii.gz"):
        volume = image[0] if image.ndim == 4 else image[0][..., None]
        values = np.rint(volume) if form.high - form.low > 8 else volume
        affine = np.diag([*(*form.spacing, 1.0)[:3], 1.0])
        return convert_nifti.volume(values.astype(np.float32), affine, packed=ending == ".nii.gz")
    if ending in (".dcm", ".dicom", ""):
        return _dicom(np.rint(image), form.spacing, number)
    return convert_raster.draw(np.rint(image), ending)


def _dicom(array: Array, spacing: tuple[float, ...], number: int) -> bytes:
    """A secondary capture object (PS3.3 A.8) of whole numbers ``[C, H, W]``.

    One channel of 16 bit, or three of 8 bit.
    """
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = SecondaryCaptureImageStorage
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = UID(
        f"{_ROOT}.{number + 1}"
    )
    header.StudyInstanceUID = header.SeriesInstanceUID = f"{_ROOT}.{number + 1}.1"
    header.PatientID = header.PatientName = None
    header.Modality = "OT"
    header.ConversionType = "SYN"
    header.ImageType = ["DERIVED", "SECONDARY"]
    header.PixelSpacing = [f"{mm:.6g}" for mm in spacing[:2]]
    _add_pixels(header, array)
    out = BytesIO()
    header.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _add_pixels(header: Dataset, array: Array) -> None:
    colour = len(array) == 3
    header.Rows, header.Columns = array.shape[1:3]
    header.SamplesPerPixel = 3 if colour else 1
    header.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 8 if colour else 16
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = 0
    if colour:
        header.PlanarConfiguration = 0
        header.PixelData = np.moveaxis(np.clip(array, 0, 255), 0, -1).astype(np.uint8).tobytes()
    else:
        # stored values have no sign; the intercept brings negative ones back
        low = min(0.0, float(array.min()))
        header.RescaleIntercept = f"{low:.0f}"
        header.RescaleSlope = "1"
        header.PixelData = np.clip(array[0] - low, 0, 65535).astype("<u2").tobytes()
    header["PixelData"].VR = "OB" if colour else "OW"
