"""The slices of a folder of phantom hospitals, read as strictly as pydicom can."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom import config

HOSPITALS, PATIENTS, SIZE = 4, 4, 96
"""Of the folder that the fixture writes."""


def dicom_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/dicom/*.dcm"))


def read_strictly(path: Path) -> pydicom.Dataset:
    """The file, with every warning and every value of a wrong form as an error."""
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            header = pydicom.dcmread(path)
            for element in header.iterall():
                assert element.value is not None or element.VM == 0
            _ = header.pixel_array
            return header
    finally:
        config.settings.reading_validation_mode = before


def hounsfield(header: pydicom.Dataset) -> np.ndarray:
    return header.pixel_array * float(header.RescaleSlope) + float(header.RescaleIntercept)


def mask_of(path: Path) -> np.ndarray:
    with Image.open(path.parents[1] / "masks" / f"{path.stem}.png") as image:
        assert image.mode == "L"
        return np.array(image)
