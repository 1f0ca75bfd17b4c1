"""Text in pixels is found in many sizes, greys and places; markers and anatomy are not text."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    JPEGLSLossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)
from scipy import ndimage

from client.deidentify import burned_in, glyphs
from tests.client.deidentify import phantom

Grey = npt.NDArray[np.float64]
PACKS = os.environ.get("CONSILIUM_PACKS")
LINE = "DOE^JANE 1963-04-12"


def body(seed: int = 0, shape: tuple[int, int] = (256, 256), noise: float = 0.01) -> Grey:
    """Smooth anatomy with ribs, vessels and noise, 0 to 0.8."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[: shape[0], : shape[1]] / min(shape)
    soft = ndimage.gaussian_filter(rng.normal(size=shape), min(shape) / 16)
    ribs = 0.08 * np.sin(down * 40 + 3 * np.sin(across * 3 + seed)) * (np.abs(across - 0.5) > 0.1)
    vessels = 0.1 * (np.abs(np.sin(across * 17 + 5 * np.cos(down * 4))) < 0.03)
    grey = (
        0.35
        + 0.15 * soft / np.abs(soft).max()
        + ribs
        + vessels
        + rng.normal(scale=noise, size=shape)
    )
    return np.clip(grey, 0, 0.8)


def drawn(
    grey: Grey, line: str, size: int, level: float, place: tuple[float, float], turn: int = 0
) -> Grey:
    """The picture with a line at a place (parts of the free height and width).

    It is smoothed at its edges as viewers draw it.
    """
    sheet = Image.new("L", grey.shape[::-1] if turn % 2 == 0 else grey.shape)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    left, top, right, bottom = pen.textbbox((0, 0), line, font=font)
    down, across = (
        (sheet.height - (bottom - top) - 6) * place[0] + 3,
        (sheet.width - (right - left) - 6) * place[1] + 3,
    )
    pen.text((across - left, down - top), line, fill=255, font=font)
    ink = np.rot90(np.asarray(sheet) / 255.0, turn)
    return grey * (1 - ink) + level * ink


def stored(grey: Grey, bits: int = 8) -> npt.NDArray[np.generic]:
    return np.round(grey * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


@pytest.mark.parametrize("size", [10, 14, 20, 40])
@pytest.mark.parametrize("level", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("place", [(0, 1), (1, 0), (0.5, 0.5)])
def test_a_drawn_line_is_found(size: int, level: float, place: tuple[float, float]) -> None:
    grey = body(shape=(512, 480) if size > 14 else (256, 240))
    assert glyphs.rows(stored(drawn(grey, LINE, size, level, place)))


@pytest.mark.parametrize(
    "line",
    [
        "PID 77418",
        "12.03.1963",
        "MÜLLER JÜRGEN",
        "St. Mary Hospital",
        "ИВАНОВА ОЛЬГА",
        "Smith, John",
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_other_lines_over_other_bodies_are_found(line: str, seed: int) -> None:
    assert glyphs.rows(stored(drawn(body(seed), line, 14, 1.0, (seed / 3, 0.2))))


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_depth_of_bits_does_not_matter(bits: int) -> None:
    assert glyphs.rows(stored(drawn(body(), LINE, 14, 1.0, (0, 0)), bits))


@pytest.mark.parametrize("turn", [1, 3])
def test_lines_that_run_up_or_down_are_found(turn: int) -> None:
    assert glyphs.rows(stored(drawn(body(), LINE, 14, 1.0, (0, 0.5), turn)))


@pytest.mark.parametrize("colour", [(255, 255, 0), (0, 255, 0), (255, 0, 0), (0, 0, 0)])
def test_coloured_letters_are_found(colour: tuple[int, int, int]) -> None:
    ink = drawn(np.zeros((256, 256)), LINE, 14, 1.0, (0, 0))[..., None]
    picture = body()[..., None] * (1 - ink) * np.ones(3) + np.array(colour) / 255 * ink
    assert glyphs.rows(np.round(picture * 255).astype(np.uint8))


@pytest.mark.parametrize("height", [1536, 2400])
def test_large_letters_in_a_large_picture_are_found(height: int) -> None:
    grey = np.kron(body(shape=(height // 8, height // 8)), np.ones((8, 8)))
    assert glyphs.rows(
        stored(drawn(ndimage.uniform_filter(grey, 9), LINE, height // 30, 1.0, (0, 1)))
    )


@pytest.mark.parametrize("paper", [0.0, 1.0])
def test_a_page_of_text_is_found(paper: float) -> None:
    page = np.full((400, 400), paper)
    for line in range(10):
        page = drawn(page, f"{LINE} {line} mGy", 14, 1 - paper, (line / 9, 0.1))
    assert len(glyphs.rows(stored(page))) > 9


def test_where_a_row_stands() -> None:
    rows = glyphs.rows(stored(drawn(body(), LINE, 14, 1.0, (0, 0))))
    top, left, bottom, right = max(rows, key=lambda row: row.letters).box
    assert 0 <= top < bottom < 0.1
    assert 0 <= left < 0.1
    assert 0.4 < right < 0.8


@pytest.mark.parametrize("marker", ["L", "R", "AP", "PA", "L1"])
@pytest.mark.parametrize("size", [12, 20, 36])
def test_a_marker_of_a_side_is_no_text(marker: str, size: int) -> None:
    assert glyphs.rows(stored(drawn(body(), marker, size, 1.0, (0, 1)))) == []


def test_bodies_without_text_are_not_kept_back() -> None:
    misses = [seed for seed in range(12) if glyphs.rows(stored(body(seed), 12))]
    assert misses == []


@pytest.mark.parametrize("noise", [0.03, 0.05, 0.1, 0.3])
def test_noise_is_no_text(noise: float) -> None:
    misses = [seed for seed in range(6) if glyphs.rows(stored(body(seed, noise=noise)))]
    assert misses == []


@pytest.mark.parametrize("value", [0, 7, 255])
def test_an_even_picture_holds_nothing(value: int) -> None:
    assert glyphs.rows(np.full((64, 64), value, np.uint8)) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (5, 5), (7, 900)])
def test_pictures_of_odd_shapes_are_looked_at(shape: tuple[int, int]) -> None:
    picture = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape) * 7 % 251
    assert isinstance(glyphs.rows(picture), list)


def test_values_that_are_no_numbers_do_not_matter() -> None:
    picture = drawn(body(), LINE, 14, 1.0, (0, 0))
    picture[200, 200], picture[201, 201] = np.nan, np.inf
    assert glyphs.rows(picture)


def header(**values: object) -> Dataset:
    image = Dataset()
    image.SOPClassUID, image.ImageType, image.SamplesPerPixel = (
        ComputedRadiographyImageStorage,
        ["ORIGINAL", "PRIMARY"],
        1,
    )
    for name, value in values.items():
        setattr(image, name, value)
    return image


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"BurnedInAnnotation": "YES"}, burned_in.ANNOTATED),
        ({"BurnedInAnnotation": "yes "}, burned_in.ANNOTATED),
        ({"RecognizableVisualFeatures": "YES"}, burned_in.FACE),
        ({"BurnedInAnnotation": "NO"}, None),
        ({}, None),
    ],
)
def test_the_header_speaks_first(values: dict[str, object], reason: str | None) -> None:
    assert burned_in.burned_in(header(**values), stored(body())) == reason


def test_a_header_that_says_no_is_not_believed() -> None:
    assert (
        burned_in.burned_in(
            header(BurnedInAnnotation="NO"), stored(drawn(body(), LINE, 14, 1.0, (0, 0)))
        )
        == burned_in.PRINTED
    )


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"SOPClassUID": SecondaryCaptureImageStorage}, burned_in.UNSEEN),
        ({"SOPClassUID": f"{SecondaryCaptureImageStorage}.4"}, burned_in.UNSEEN),
        ({"SOPClassUID": UltrasoundImageStorage}, burned_in.UNSEEN),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.1"}, burned_in.UNSEEN),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.4"}, burned_in.UNSEEN),
        ({"ImageType": ["DERIVED", "PRIMARY"]}, burned_in.UNSEEN),
        ({"ImageType": ["ORIGINAL", "SECONDARY"]}, burned_in.UNSEEN),
        ({"ImageType": "DERIVED"}, burned_in.UNSEEN),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66"}, None),
        ({}, None),
    ],
)
def test_kinds_that_often_carry_text_must_be_seen(
    values: dict[str, object], reason: str | None
) -> None:
    assert burned_in.burned_in(header(**values), None) == reason


def test_an_overlay_in_the_pixels_own_bits_is_kept_back() -> None:
    image = header()
    image.add_new(0x60000102, "US", 12)
    assert burned_in.burned_in(image, stored(body())) == burned_in.OVERLAY
    image.add_new(0x60003000, "OW", b"\0\0")
    assert burned_in.burned_in(image, stored(body())) is None


def test_one_frame_with_text_among_many_is_enough() -> None:
    frames = np.stack([stored(body(seed)) for seed in range(4)])
    assert burned_in.burned_in(header(), frames) is None
    frames[2] = stored(drawn(body(), LINE, 14, 1.0, (1, 0)))
    assert (
        burned_in.burned_in(header(), frames)
        == burned_in.burned_in(header(), iter(frames))
        == burned_in.PRINTED
    )
    colour = np.repeat(frames[2][..., None], 3, axis=-1)
    assert burned_in.burned_in(header(SamplesPerPixel=3), colour) == burned_in.PRINTED


def test_in_a_slice_only_what_lies_beside_the_body_counts() -> None:
    place = header(SOPClassUID=CTImageStorage, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    middle, border = (stored(drawn(body(), LINE, 12, 1.0, (down, 0.5))) for down in (0.5, 0.0))
    assert burned_in.burned_in(place, middle) is None
    assert burned_in.burned_in(place, border) == burned_in.PRINTED
    place.ImageType = ["DERIVED", "SECONDARY"]
    assert burned_in.burned_in(place, middle) == burned_in.PRINTED


@pytest.mark.parametrize(
    "sop_class", ["1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.2"]
)
def test_segments_and_doses_are_no_pictures(sop_class: str) -> None:
    image = phantom.header()
    image.PixelData = stored(
        drawn(body(shape=(96, 128)), "PID77418 DOE", 14, 1.0, (0, 0))
    ).tobytes()
    assert burned_in.look(image) == burned_in.PRINTED
    image.Modality = "SEG"
    assert burned_in.look(image) == burned_in.PRINTED
    image.SOPClassUID = sop_class
    assert burned_in.look(image) is None


def test_pixels_that_cannot_be_decoded_are_kept_back() -> None:
    image = phantom.header()
    assert burned_in.look(image) is None
    image.PixelData = encapsulate([b"no JPEG at all"])
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = JPEGLSLossless
    assert burned_in.look(image) == burned_in.UNSEEN


@pytest.mark.parametrize("damage", range(6))
def test_a_damaged_run_length_stream_is_kept_back(damage: int) -> None:
    image = phantom.header()
    image.compress(RLELossless)
    assert burned_in.look(image) is None
    value = bytearray(image.PixelData)
    value[30:94] = np.random.default_rng(damage).bytes(64)
    image.PixelData = bytes(value)
    assert burned_in.look(image) in (burned_in.UNSEEN, burned_in.PRINTED, None)
    image.PixelData = encapsulate([bytes(value[:200])])
    assert burned_in.look(image) == burned_in.UNSEEN


def test_a_reason_holds_nothing_of_the_file() -> None:
    reasons = (
        burned_in.ANNOTATED,
        burned_in.FACE,
        burned_in.OVERLAY,
        burned_in.UNSEEN,
        burned_in.PRINTED,
    )
    assert all(reason.endswith(".") and "PID" not in reason for reason in reasons)


def pack() -> Iterator[tuple[bool, Dataset]]:
    for site in sorted(
        path for path in (Path(PACKS or "") / "cxr_dicom").iterdir() if path.is_dir()
    ):
        planted = json.loads((site / "planted_identifiers.json").read_text("utf-8"))
        for name, values in planted.items():
            yield values["burned_in_pixels"], pydicom.dcmread(site / "dicom" / name)


@pytest.mark.skipif(not PACKS, reason="CONSILIUM_PACKS does not name the folder with real data")
def test_on_real_radiographs_every_planted_line_is_found_by_the_pixels_alone() -> None:
    """The few others that are withheld carry real print ("PORTABLE", "2019/12/30"), seen by eye."""
    planted, others = [], []
    for burned, dataset in pack():
        if "BurnedInAnnotation" in dataset:
            del dataset.BurnedInAnnotation
        (planted if burned else others).append(burned_in.look(dataset) == burned_in.PRINTED)
    assert len(planted) > 0
    assert all(planted)
    assert sum(others) / len(others) < 0.06
