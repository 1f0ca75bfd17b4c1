"""Pictures: depth, palette, alpha, orientation, limits and damage."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from client.readers import raster
from common.errors import CaseError

GREY = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
COLOUR = np.stack([GREY, GREY + 1, GREY + 2], axis=-1)


def save(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("ending", ["png", "tif", "bmp"])
def test_grey_and_colour_keep_their_values(tmp_path: Path, ending: str) -> None:
    grey = raster.read(save(tmp_path / f"g.{ending}", GREY))
    assert grey.spacing == (1.0, 1.0)
    np.testing.assert_array_equal(grey.array, GREY[None])
    colour = raster.read(save(tmp_path / f"c.{ending}", COLOUR))
    np.testing.assert_array_equal(colour.array, np.moveaxis(COLOUR, -1, 0))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_survive(tmp_path: Path, ending: str) -> None:
    deep = GREY.astype(np.uint16) * 300
    array = raster.read(save(tmp_path / f"d.{ending}", deep)).array
    assert array.dtype == np.uint16
    np.testing.assert_array_equal(array, deep[None])


def test_big_endian_tiff_becomes_native(tmp_path: Path) -> None:
    Image.frombytes("I;16B", (2, 1), b"\x01\x00\x00\x02").save(tmp_path / "b.tif")
    array = raster.read(tmp_path / "b.tif").array
    np.testing.assert_array_equal(array, [[[256, 2]]])
    assert array.dtype.isnative


@pytest.mark.parametrize(("mode", "channels"), [("LA", 1), ("RGBA", 3), ("1", 1), ("CMYK", 3)])
def test_alpha_and_rare_modes(tmp_path: Path, mode: str, channels: int) -> None:
    ending = "tif" if mode == "CMYK" else "png"
    first = "L" if mode in ("LA", "1") else "RGB"
    Image.fromarray(COLOUR).convert(first).convert(mode).save(tmp_path / f"m.{ending}")
    assert raster.read(tmp_path / f"m.{ending}").array.shape == (channels, 2, 3)


def test_alpha_is_dropped_not_composited(tmp_path: Path) -> None:
    rgba = np.dstack([COLOUR, np.zeros((2, 3), np.uint8)])
    np.testing.assert_array_equal(
        raster.read(save(tmp_path / "a.png", rgba)).array, np.moveaxis(COLOUR, -1, 0)
    )


def palette(path: Path, colours: list[int]) -> Path:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8)).convert("P")
    image.putpalette(colours)
    image.putdata([0, 1, 2])
    image.save(path)
    return path


def test_coloured_palette_is_looked_up_and_its_numbers_stay_available(tmp_path: Path) -> None:
    path = palette(tmp_path / "p.png", [0, 0, 0, 128, 0, 0, 0, 128, 0])
    np.testing.assert_array_equal(
        raster.read(path).array[:, 0], [[0, 128, 0], [0, 0, 128], [0, 0, 0]]
    )
    np.testing.assert_array_equal(raster.read_indices(path).array, [[[0, 1, 2]]])


def test_grey_palette_gives_one_channel(tmp_path: Path) -> None:
    array = raster.read(palette(tmp_path / "p.png", [255] * 3 + [0] * 3 + [9] * 3)).array
    np.testing.assert_array_equal(array, [[[255, 0, 9]]])


def test_indices_need_a_palette(tmp_path: Path) -> None:
    with pytest.raises(CaseError, match="palette"):
        raster.read_indices(save(tmp_path / "c.png", COLOUR))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_exif_orientation_is_applied(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the left when stored
    array = raster.read(save(tmp_path / f"o.{ending}", GREY, exif=exif)).array
    np.testing.assert_array_equal(array[0], np.rot90(GREY, -1))


def header_only_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(b"\0" * 10))
        + chunk(b"IEND", b"")
    )


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])
def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, side: int) -> None:
    (tmp_path / "b.png").write_bytes(header_only_png(side, side))
    with pytest.raises(CaseError, match="pixels"):
        raster.read(tmp_path / "b.png")


def test_several_pictures_in_a_file_are_refused(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(
        tmp_path / "m.tif", save_all=True, append_images=[Image.fromarray(GREY)]
    )
    with pytest.raises(CaseError, match="several pictures"):
        raster.read(tmp_path / "m.tif")


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_damaged_file_names_nobody_in_public(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "smith.png").write_bytes(content)
    with pytest.raises(CaseError) as caught:
        raster.read(tmp_path / "smith.png")
    assert "smith" not in caught.value.public
    assert "smith" in caught.value.local


def test_other_decoders_are_never_reached(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "GIF")
    (tmp_path / "g.png").write_bytes(buffer.getvalue())
    with pytest.raises(CaseError):
        raster.read(tmp_path / "g.png")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp"])
def test_any_damage_gives_a_picture_or_a_case_error(tmp_path: Path, ending: str) -> None:
    good = save(tmp_path / f"g.{ending}", np.tile(COLOUR, (4, 4, 1))).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / f"x.{ending}"
    for _ in range(200):
        bad = bytearray(good[: rng.integers(1, len(good) + 1)])
        for place in rng.integers(0, len(bad), 3):
            bad[place] = rng.integers(256)
        path.write_bytes(bad)
        with contextlib.suppress(CaseError):
            assert raster.read(path).array.ndim == 3
