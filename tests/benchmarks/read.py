"""DICOM series to volumes, beside pydicom's own decoding of the same files.

And training images a second time, from the cache.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    generate_uid,
)

from client.dataset.loader import SiteDataset
from client.readers.dicom.series import Series, read, sort
from common import networks
from common.simulation.phantoms import write
from common.simulation.run import demo_study
from common.study import study as studies
from tests.benchmarks._result import Result, best

_SIZE, _SLICES, _REPEATS = 512, 64, 5
_CODINGS = {
    "uncompressed": ExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG 2000": JPEG2000Lossless,
}


def run() -> Iterator[Result]:
    """A series of 64 slices of 512 x 512, sorted once, against decoding each of its files.

    And an epoch from files against the next.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, syntax in _CODINGS.items():
            paths = _series(Path(folder, name), syntax)
            series = sort(paths)[0][0]
            ours, theirs, sorting = zip(
                *(_seconds(paths, series) for _ in range(_REPEATS)), strict=True
            )
            peer = "pydicom dcmread and pixel_array of each file"
            yield Result(
                f"read/series, {name}",
                min(ours) / min(theirs),
                "x",
                1.3,
                peer=peer,
                peer_value=1.0,
                limit=1.0,
            )
        yield Result("read/sort", min(sorting) / _SLICES * 1e3, "ms a file", 2.0)
        yield _cache(Path(folder, "hospitals"))


def _seconds(paths: list[Path], series: Series) -> tuple[float, ...]:
    """Seconds of this program's processor for our reader, for pydicom, and for sorting."""
    works = (lambda: read(series), lambda: _theirs(paths), lambda: sort(paths))
    return tuple(best(1, work, time.process_time) for work in works)


def _theirs(paths: list[Path]) -> list[np.ndarray]:
    return [pydicom.dcmread(path).pixel_array for path in paths]


def _series(folder: Path, syntax: UID) -> list[Path]:
    """Slices that compress as scans do: smooth anatomy, 12 bits, a little noise, air around."""
    folder.mkdir(parents=True)
    rng, axis = np.random.default_rng(0), np.linspace(-1, 1, _SIZE)
    paths = []
    for k in range(_SLICES):
        body = axis[:, None] ** 2 * 1.6 + axis**2 < 0.8
        tissue = (
            1024
            + 300 * np.sin(7 * axis[:, None] + k / 9) * np.cos(5 * axis)
            + rng.normal(0, 12, (_SIZE, _SIZE))
        )
        data = _slice(np.where(body, tissue, 0).clip(0, 4095).astype(np.int16), k)
        if syntax.is_encapsulated:
            data.compress(syntax, generate_instance_uid=False)
        paths.append(folder / f"{k}.dcm")
        data.save_as(paths[-1], enforce_file_format=True)
    return paths


def _slice(pixels: np.ndarray, k: int) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = (
        CTImageStorage,
        generate_uid(),
        "1.2.3",
    )
    data.Modality, data.PhotometricInterpretation, data.SamplesPerPixel = "CT", "MONOCHROME2", 1
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.RescaleSlope, data.RescaleIntercept, data.PixelSpacing = "1", "-1024", [0.7, 0.7]
    data.ImageOrientationPatient, data.ImagePositionPatient = (
        [1, 0, 0, 0, 1, 0],
        [-180, -180, 2.5 * k],
    )
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW"
    return data


def _cache(hospitals: Path) -> Result:
    """One epoch of training batches from DICOM files, then one from memory."""
    write.write(hospitals, hospitals=1, patients=32, size=256)
    study = studies.read(demo_study())
    dataset = SiteDataset.open([next(hospitals.iterdir())], study, networks.task(study))
    size, times = study.training.batch_size, []
    for epoch in range(2):
        began = time.perf_counter()
        images = len(dataset.samples("train"))
        for _ in dataset.batches(max(1, images // size), size, epoch):
            pass
        times.append(time.perf_counter() - began)
    return Result(
        "read/first epoch against the second, from the cache",
        times[0] / times[1],
        "x",
        10.0,
        lower=False,
    )
