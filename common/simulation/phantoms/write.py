"""Synthetic hospitals: abdominal CT slices as real DICOM files, with liver lesions to find.

Every pixel, name and number is invented. Hospitals differ as real ones do: in scanner and
reconstruction, in the phase of the contrast medium (which decides whether a lesion is dark, faint
or ringed), in their patients' size, and in how many and how large lesions they see. So a network
trained at one of them does visibly worse at the others.
"""

from __future__ import annotations

import csv
import hashlib
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import ArgumentError
from common.seeds import derive
from common.simulation.phantoms.anatomy import draw
from common.simulation.phantoms.body import EXTENT, Body, Lesion, Phase, random_body, random_lesion
from common.simulation.phantoms.ct_image import (
    Source,
    ct_image,
    patient_elements,
    plane_elements,
)
from common.simulation.phantoms.profiles import PROFILES, Profile
from common.simulation.phantoms.scanner import scan

# How hard the task is: factors on the lesions' contrast, the scanners' noise, the lesions' radius.
CONTRAST = 1.0
NOISE = 1.0
SIZE = 1.0

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
_AVERAGE_HALF_WIDTH = 165
"""Millimetres."""
_SYNTHETIC = (
    "Synthetic phantoms drawn from formulas: no image, name or number in this folder belongs to a"
    " person."
)


def write(
    folder: Path, *, hospitals: int = 4, patients: int = 24, size: int = 128, seed: int = 1
) -> None:
    """Write hospital folders: ``dicom/``, ``masks/``, labels.csv, boxes.json, the marker PHANTOM.

    The same arguments give the same bytes. Hospital number ``i`` of a seed is the same however many
    are asked for.

    Args:
        folder: is made if needed; gets one sub-folder per hospital.
        hospitals: how many.
        patients: of each hospital, with one to three slices each.
        size: pixels along both sides of a slice.
        seed: of every random draw.

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
        source = Source(name, seed, PROFILES[number % len(PROFILES)])
        _Hospital(folder / name, source, size).write(patients)


class _Hospital:
    """One folder in the making."""

    def __init__(self, folder: Path, source: Source, size: int) -> None:
        self.folder = folder
        self.source = source
        self.size = size
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
        source = self.source
        profile = source.profile
        rng = np.random.default_rng(derive(source.seed, "phantom", source.name, number))
        half_width = float(rng.uniform(*profile.half_width))
        count = int(rng.integers(1, 4))
        step = float(rng.uniform(0.10, 0.16))
        heights = [
            float(z) for z in rng.uniform(0.10, 0.80 - step * (count - 1)) + step * np.arange(count)
        ]
        body = _body(profile, rng, half_width, heights)
        pixel = profile.scanner.field_of_view / self.size
        # A wide body lets fewer photons through, so its image is noisier.
        strength = NOISE * (half_width / _AVERAGE_HALF_WIDTH) ** 1.5
        common = patient_elements(source, number, rng, half_width)
        for k, z in enumerate(heights):
            drawn = draw(body, z, self.size, pixel / half_width)
            measured = scan(profile.scanner, drawn.hu, drawn.depth, strength=strength, rng=rng)
            plane = plane_elements(source, index=k, z=z, half_width=half_width, size=self.size)
            stem = f"p{number + 1:03d}_s{k + 1}"
            self._slice(stem, measured, drawn.lesions, {**common, **plane})

    def _slice(
        self,
        stem: str,
        measured: npt.NDArray[np.float32],
        lesions: list[npt.NDArray[np.bool_]],
        elements: dict[str, Any],
    ) -> None:
        name = f"{stem}.dcm"
        image = ct_image(self.source, self.source.uid(stem), elements, measured)
        image.save_as(self.folder / "dicom" / name, enforce_file_format=True)
        mask = np.any(lesions, axis=0) if lesions else np.zeros(measured.shape, bool)
        (self.folder / "masks" / f"{stem}.png").write_bytes(_png(mask))
        self.rows.append((name, int(bool(lesions)), elements["PatientID"]))
        objects = [{"label": "lesion", "box_xyxy": _box(lesion)} for lesion in lesions]
        self.boxes[name] = {"width": self.size, "height": self.size, "objects": objects}


def _body(
    profile: Profile, rng: np.random.Generator, half_width: float, heights: list[float]
) -> Body:
    """A body with its lesions around the scanned heights, and now and then a harmless cyst."""
    factor = rng.normal(1, 0.05)
    values = {name: value * factor for name, value in vars(profile.phase).items()}
    body = random_body(rng, Phase(**values), float(rng.uniform(*profile.fat)), profile.meal)
    count = int(rng.integers(1, 5)) if rng.random() < profile.prevalence else 0
    for cyst in [False] * count + [True] * int(rng.random() < 0.25):
        lesion = _lesion(body, profile, rng, half_width=half_width, heights=heights, cyst=cyst)
        body = body if lesion is None else replace(body, lesions=(*body.lesions, lesion))
    return body


def _lesion(
    body: Body,
    profile: Profile,
    rng: np.random.Generator,
    half_width: float,
    heights: list[float],
    cyst: bool,
) -> Lesion | None:
    """One more lesion of a body; None where it has no place for it."""
    millimetres = rng.uniform(4, 7) if cyst else np.exp(rng.uniform(*np.log(profile.radius))) * SIZE
    radius = float(millimetres) / half_width
    nearest = heights[int(rng.integers(len(heights)))]
    z = nearest + float(rng.normal(0, 0.3)) * radius / EXTENT
    difference = CONTRAST * body.phase.lesion * float(rng.uniform(0.75, 1.25))
    return random_lesion(rng, body, z, radius, cyst=cyst, difference=difference)


def _box(mask: npt.NDArray[np.bool_]) -> list[int]:
    """``x0 y0 x1 y1`` around a mask, upper ends exclusive."""
    rows = np.flatnonzero(mask.any(1))
    columns = np.flatnonzero(mask.any(0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]


def _png(mask: npt.NDArray[np.bool_]) -> bytes:
    """An 8-bit grey PNG of 0 and 255 (PNG specification, third edition, 11.2)."""
    rows = np.pad(mask.astype(np.uint8) * np.uint8(255), ((0, 0), (1, 0)))
    head = struct.pack(">IIBBBBB", mask.shape[1], mask.shape[0], 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks
    )
