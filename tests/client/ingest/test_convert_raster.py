"""Pictures keep every pixel and nothing else."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client.ingest import convert_raster
from client.readers import raster as reader
from common.errors import CaseError
from tests.client.ingest import export

GREY = export.picture(1)
COLOUR = np.stack([export.picture(i) for i in range(3)], -1)
DEEP = export.picture(2).astype(np.uint16) * 250


def rewritten(path: Path) -> Path:
    """The bare file beside the original."""
    content, ending = convert_raster.bare(path)
    (path.parent / "bare").mkdir(exist_ok=True)
    new = path.parent / "bare" / f"x{ending}"
    new.write_bytes(content)
    return new


@pytest.mark.parametrize(
    "array", [GREY, COLOUR, DEEP, GREY > 128], ids=["grey", "colour", "16 bit", "1 bit"]
)
@pytest.mark.parametrize("turn", [0, 3, 6])
def test_a_png_keeps_its_pixels_and_loses_its_texts(
    tmp_path: Path, array: np.ndarray, turn: int
) -> None:
    path = export.png(tmp_path / "a.png", array, turn)
    new = rewritten(path)
    assert np.array_equal(reader.read(path).array, reader.read(new).array)
    assert list(export.leaks(path)) and not list(export.leaks(new))


@pytest.mark.parametrize(
    ("turn", "how"), itertools.product(range(1, 9), [{}, {"progressive": True, "quality": 95}])
)
def test_a_jpeg_keeps_every_coefficient_and_stands_as_before(
    tmp_path: Path, turn: int, how: dict[str, object]
) -> None:
    path = export.jpeg(tmp_path / "a.jpg", COLOUR, turn, **how)
    new = rewritten(path)
    assert np.array_equal(reader.read(path).array, reader.read(new).array)
    assert list(export.leaks(path)) and not list(export.leaks(new))
    with Image.open(new) as image:
        assert (
            set(image.getexif()) <= {0x0112}
            and "comment" not in image.info
            and "icc_profile" not in image.info
        )


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_four_colour_jpegs(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(COLOUR).convert(mode).save(
        path, comment=export.NAME.encode(), restart_marker_blocks=1
    )
    new = rewritten(path)
    assert np.array_equal(reader.read(path).array, reader.read(new).array) and not list(
        export.leaks(new)
    )


@pytest.mark.parametrize(
    "array", [GREY, COLOUR, DEEP, GREY.astype(np.float32) / 3, GREY.astype(np.int32) * 99999]
)
def test_a_tiff_is_written_anew_without_loss(tmp_path: Path, array: np.ndarray) -> None:
    path = export.tiff(tmp_path / "a.tif", array)
    new = rewritten(path)
    assert np.array_equal(reader.read(path).array, reader.read(new).array) and not list(
        export.leaks(new)
    )


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
def test_a_palette_keeps_its_numbers(tmp_path: Path, ending: str) -> None:
    image = Image.fromarray(GREY // 64).convert("P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    path = tmp_path / f"a{ending}"
    image.save(path)
    new = rewritten(path)
    assert np.array_equal(reader.read_indices(path).array, reader.read_indices(new).array)
    assert np.array_equal(reader.read(path).array, reader.read(new).array)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif"])
def test_damaged_files_are_refused_in_one_way(tmp_path: Path, ending: str) -> None:
    {".png": export.png, ".jpg": export.jpeg, ".tif": export.tiff}[ending](
        tmp_path / f"a{ending}", COLOUR
    )
    raw = (tmp_path / f"a{ending}").read_bytes()
    for cut in range(0, len(raw) // 2, 7):
        path = tmp_path / f"b{ending}"
        path.write_bytes(raw[:cut])
        with contextlib.suppress(CaseError):
            convert_raster.bare(path)


@pytest.mark.parametrize(
    ("ending", "channels"), [(".png", 1), (".png", 3), (".jpg", 3), (".tif", 1), (".bmp", 3)]
)
def test_pictures_can_be_drawn(tmp_path: Path, ending: str, channels: int) -> None:
    array = np.repeat(GREY[None].astype(float), channels, 0)
    path = tmp_path / f"a{ending}"
    path.write_bytes(convert_raster.draw(array, ending))
    read = reader.read(path).array
    assert read.shape == array.shape and (ending == ".jpg" or np.array_equal(read, array))
