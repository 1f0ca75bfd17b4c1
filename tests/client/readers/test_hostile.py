"""Files that mean harm: bombs and lies are refused early, damage is a typed error."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from client.dataset import masks
from client.readers import _limits, _registry, nifti, raster
from common.errors import CaseError
from tests.client.readers.memory import at_most

VOLUME = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
MEGABYTE = 1 << 20


def volume(**fields: Any) -> bytes:
    """A NIfTI-1 file whose header fields say something else than its voxels."""
    image = nib.Nifti1Image(VOLUME, np.diag([1.0, 2.0, 3.0, 1.0]))
    whole = bytearray(image.to_bytes())
    header = image.header.structarr.copy()
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    whole[:348] = header.tobytes()
    return bytes(whole)


def refused(path: Path, content: bytes, match: str, most: int = 8 * MEGABYTE) -> None:
    path.write_bytes(content)
    with at_most(most), pytest.raises(CaseError, match=match) as caught:
        _registry.read(path)
    assert path.name not in caught.value.public and str(path) in caught.value.local


# NIfTI


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"dim": [3, 30_000, 30_000, 30_000, 1, 1, 1, 1]}, r"at most 2\^29 voxels"),
        ({"dim": [3, -2, 3, 4, 1, 1, 1, 1]}, "shape"),
        ({"dim": [3, 300, 300, 300, 1, 1, 1, 1]}, "ends before its last voxel"),
        ({"pixdim": [1, np.nan, 2, 3, 0, 0, 0, 0]}, "voxel size that is no number"),
        ({"pixdim": [1, 1, np.inf, 3, 0, 0, 0, 0]}, "voxel size that is no number"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "place that is no number"),
        ({"vox_offset": 1e9}, "lets the voxels begin"),
        ({"vox_offset": -400}, "undamaged"),
        ({"vox_offset": np.nan}, "undamaged"),
        ({"scl_slope": 2.0, "scl_inter": np.inf}, "undamaged"),
        ({"magic": b"xyz"}, "NIfTI"),
    ],
)
@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_headers_that_lie_are_refused_before_a_voxel_is_read(
    tmp_path: Path, fields: dict[str, Any], match: str, ending: str
) -> None:
    content = volume(**fields)
    match = (
        match
        if ending == "nii"
        else match.replace("ends before its last voxel", "too small for what its header states")
    )
    refused(
        tmp_path / f"smith.{ending}", content if ending == "nii" else gzip.compress(content), match
    )


def test_negative_voxel_sizes_and_a_slope_of_zero_are_read_as_the_standard_says(
    tmp_path: Path,
) -> None:
    (tmp_path / "v.nii").write_bytes(
        volume(pixdim=[1, -1, -2, -3, 0, 0, 0, 0], scl_slope=0.0, scl_inter=np.nan)
    )
    scan = nifti.read(tmp_path / "v.nii")
    assert scan.spacing == (1.0, 2.0, 3.0)
    np.testing.assert_array_equal(scan.array, VOLUME[None])


def bomb(path: Path, header: bytes, size: int) -> None:
    """A gzip file of a header and ``size`` zero bytes, without the checksum at its end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(header) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(
        b"\x1f\x8b\x08" + bytes(7) + start + zeros * (size // MEGABYTE) + packer.flush()
    )


@pytest.fixture(scope="module")
def gigabyte(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One megabyte that stands for 1024 x 1024 x 512 voxels of 16 bit, all of which are there."""
    path = tmp_path_factory.mktemp("bomb") / "smith.nii.gz"
    bomb(path, volume(dim=[3, 1024, 1024, 512, 1, 1, 1, 1])[:352], 1 << 30)
    assert path.stat().st_size < 1.1 * MEGABYTE
    return path


def test_a_gzip_bomb_is_refused_by_its_header(gigabyte: Path) -> None:
    with at_most(4 * MEGABYTE), pytest.raises(CaseError, match="grows more than 100 times"):
        _registry.read(gigabyte)


def test_a_gzip_bomb_behind_a_modest_header_is_not_unpacked(tmp_path: Path) -> None:
    bomb(tmp_path / "smith.nii.gz", volume(), 64 * MEGABYTE)
    with at_most(4 * MEGABYTE), pytest.raises(CaseError, match="undamaged"):
        _registry.read(tmp_path / "smith.nii.gz")


def test_an_extension_that_is_a_bomb_is_never_read(tmp_path: Path) -> None:
    start = (
        volume(vox_offset=64.0 * MEGABYTE + 352)[:348]
        + b"\1\0\0\0"
        + struct.pack("<ii", 64 * MEGABYTE, 6)
    )
    bomb(tmp_path / "smith.nii.gz", start, 65 * MEGABYTE)
    with at_most(4 * MEGABYTE), pytest.raises(CaseError, match="lets the voxels begin"):
        _registry.read(tmp_path / "smith.nii.gz")


def test_a_mask_that_packs_a_thousandfold_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((128, 128, 128), np.uint8), np.eye(4)), path)
    assert path.stat().st_size * 200 < 128**3
    assert not nifti.read(path).array.any()


def test_files_that_state_no_place_are_not_aligned(tmp_path: Path) -> None:
    zeros = {name: [0, 0, 0, 0] for name in ("srow_x", "srow_y", "srow_z")}
    for name, content in (
        ("a.nii", volume()),
        ("b.nii", volume(**zeros)),
        ("c.nii", b"none"),
        ("d.nii.gz", b"\x1f\x8b"),
    ):
        (tmp_path / name).write_bytes(content)
    assert nifti.aligned(tmp_path / "a.nii", tmp_path / "a.nii")
    for name in ("b.nii", "c.nii", "d.nii.gz", "absent.nii"):
        assert not nifti.aligned(tmp_path / "a.nii", tmp_path / name) and not nifti.aligned(
            tmp_path / name, tmp_path / "a.nii"
        )


def test_gzip_ends_where_the_volume_ends(tmp_path: Path) -> None:
    good = gzip.compress(volume(), mtime=0)
    path = tmp_path / "smith.nii.gz"
    half = len(volume()) // 2
    for content in (
        good + bytes(512),
        gzip.compress(volume()[:half]) + gzip.compress(volume()[half:]),
    ):
        path.write_bytes(content)
        np.testing.assert_array_equal(nifti.read(path).array, VOLUME[None])
    wrong = good[:-8] + bytes([good[-8] ^ 1]) + good[-7:]  # the checksum
    for content in (
        good + b"rubbish",
        good[:-9],
        wrong,
        gzip.compress(volume() + b"more"),
        good + gzip.compress(b"more"),
    ):
        refused(path, content, "undamaged")
    refused(path, good + gzip.compress(b"") * (_limits._MEMBERS + 1), "undamaged")


# pictures


def chunk(kind: bytes, body: bytes, length: int | None = None) -> bytes:
    stated = len(body) if length is None else length
    return struct.pack(">I", stated) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def drawn(
    width: int, height: int, *between: bytes, colour: int = 0, pixels: bytes | None = None
) -> bytes:
    """A PNG with chunks of one's choice between its header and its pixels (PNG 1.2, 5)."""
    samples = 3 if colour == 2 else 1
    packed = zlib.compress(bytes((width * samples + 1) * height)) if pixels is None else pixels
    start = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    )
    return start + b"".join(between) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_a_picture_that_grows_without_measure_is_refused_undecoded(tmp_path: Path) -> None:
    refused(
        tmp_path / "smith.png",
        drawn(8000, 8000, colour=2, pixels=zlib.compress(bytes(1000))),
        "grows more than 200 times",
    )
    refused(tmp_path / "smith.png", drawn(60_000, 60_000, pixels=b""), "more pixels than are read")


def test_a_blank_mask_of_many_pixels_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(drawn(3000, 3000))
    assert not raster.read(tmp_path / "m.png").array.any()


@pytest.mark.parametrize(
    "part",
    [
        chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(20 * MEGABYTE))),
        chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(20 * MEGABYTE))),
        chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(20 * MEGABYTE))),
        chunk(b"tEXt", b"k\0text", 0x7FFFFFFF),
        chunk(b"tEXt", b"k\0text") * 30_000,
        chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(100)),
    ],
    ids=["zTXt", "iTXt", "iCCP", "length", "many", "eXIf"],
)
def test_what_stands_beside_the_pixels_costs_little(tmp_path: Path, part: bytes) -> None:
    path = tmp_path / "smith.png"
    path.write_bytes(drawn(8, 8, part))
    with at_most(8 * MEGABYTE), contextlib.suppress(CaseError):
        assert _registry.read(path).array.shape == (1, 8, 8)


def test_a_picture_of_a_million_parts_is_refused(tmp_path: Path) -> None:
    refused(
        tmp_path / "smith.png",
        drawn(8, 8, chunk(b"tEXt", b"k\0") * 20_000),
        "too many or too large parts",
    )
    refused(
        tmp_path / "smith.jpg",
        b"\xff\xd8" + b"\xff\xe5\0\2" * 20_000 + b"\xff\xd9",
        "too many or too large parts",
    )


def frames(count: int) -> bytes:
    out = io.BytesIO()
    first, *others = (Image.fromarray(np.full((4, 4), i % 256, np.uint8)) for i in range(count))
    first.save(out, "TIFF", save_all=True, append_images=others)
    return out.getvalue()


def test_of_many_frames_the_second_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = frames(2), frames(300)
    asked: list[int] = []
    read = raster._Counted.read
    monkeypatch.setattr(
        raster._Counted, "read", lambda self, size=-1, /: asked.append(1) or read(self, size)
    )
    for content in (few, many):
        refused(tmp_path / "smith.tif", content, "several pictures")
    assert len(asked) < 200


def test_a_tiff_of_more_rows_than_it_holds_is_refused(tmp_path: Path) -> None:
    content = frames(1)
    start = struct.unpack("<I", content[4:8])[0]
    entries = [start + 2 + 12 * i for i in range(struct.unpack_from("<H", content, start)[0])]
    (at,) = [
        entry for entry in entries if struct.unpack_from("<H", content, entry)[0] == 257
    ]  # ImageLength (TIFF 6.0, section 8)
    for rows in (5, 60_000):
        lie = content[:at] + struct.pack("<HHII", 257, 4, 1, rows) + content[at + 12 :]
        refused(tmp_path / "smith.tif", lie, "less than the width and height")


def test_a_picture_directory_that_leads_to_itself_ends(tmp_path: Path) -> None:
    content = bytearray(frames(1))
    start = struct.unpack("<I", content[4:8])[0]
    end = start + 2 + 12 * struct.unpack("<H", content[start : start + 2])[0]
    content[end : end + 4] = struct.pack("<I", start)
    (tmp_path / "t.tif").write_bytes(content)
    with contextlib.suppress(
        CaseError
    ):  # nothing or the one picture; what counts is that it comes back
        assert raster.read(tmp_path / "t.tif").array.shape == (1, 4, 4)


def test_a_jpeg_of_many_scans_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(out, "JPEG", progressive=True)
    good = out.getvalue()
    (tmp_path / "j.jpg").write_bytes(good)
    assert raster.read(tmp_path / "j.jpg").array.shape == (1, 64, 64)
    last = good.rindex(b"\xff\xda")
    refused(
        tmp_path / "smith.jpg", good[:last] + good[last:-2] * 150 + good[-2:], "more than 100 scans"
    )


# masks


def test_a_mask_in_64_bit_is_compared_in_its_own_depth(tmp_path: Path) -> None:
    task: Any = SimpleNamespace(needs=frozenset({"mask"}), classes=("liver",), mask_values=None)
    path = tmp_path / "m.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((128, 128, 64), np.float32), np.eye(4)), path)
    stored = 128 * 128 * 64 * 4
    with at_most(6 * stored):
        assert masks.read_mask(path, Path("i.png"), (128, 128, 64), task).all()
    for value in (np.nan, np.inf, -np.inf):
        nib.save(nib.Nifti1Image(np.full((4, 4, 4), value, np.float32), np.eye(4)), path)
        with pytest.raises(CaseError, match="no whole numbers"):
            masks.read_mask(path, Path("i.png"), (4, 4, 4), task)
