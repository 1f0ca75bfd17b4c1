"""Exports that mean harm: an intake refuses bombs early and comes to its end."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from client.ingest import case_facts, ingestion, layout, table_files
from client.ingest.intake import Intake
from client.ingest.layout import Places
from client.ingest.readiness import readiness_report, twin
from common.errors import SiteError
from tests.client.ingest import export
from tests.client.readers import parade
from tests.client.readers.memory import at_most
from tests.client.readers.mutate import mutate

MEGABYTE = 1 << 20


@pytest.fixture
def source(tmp_path: Path) -> Path:
    export.png(tmp_path / "export" / "images" / "good.png", export.picture(1))
    return tmp_path / "export"


def taken(source: Path, most: int = 16 * MEGABYTE) -> Intake:
    """Take a folder in whose one good picture is taken and all else refused."""
    where = Places.of(source, source.parent / "hospitals" / "north", None)
    with at_most(most):
        done = ingestion.ingest(where)
    assert len(done.cases) == 1
    return done


def refusals(source: Path, most: int = 16 * MEGABYTE) -> dict[str, str]:
    """What the quarantine list says of each file."""
    done = taken(source, most)
    listed = (source.parent / "hospitals" / "north.quarantine.csv").read_text("utf-8")
    rows = dict(list(csv.reader(io.StringIO(listed)))[1:])
    assert rows == dict(done.refused)
    return rows


def volume(**fields: object) -> bytes:
    image = nib.Nifti1Image(np.zeros((2, 3, 4), np.int16), np.eye(4))
    header = image.header.structarr.copy()
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    return bytes(header.tobytes() + image.to_bytes()[348:])


def bomb(header: bytes, size: int, window: int) -> bytes:
    """A deflate stream of a header and ``size`` zero bytes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    start = packer.compress(header) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + zeros * (size // MEGABYTE) + packer.flush()


def test_a_megabyte_that_stands_for_a_gigabyte_of_voxels_is_refused(source: Path) -> None:
    stream = bomb(volume(dim=[3, 1024, 1024, 512, 1, 1, 1, 1])[:352], 1 << 30, -zlib.MAX_WBITS)
    (source / "images" / "a.nii.gz").write_bytes(b"\x1f\x8b\x08" + bytes(7) + stream)
    (source / "images" / "b.nii.gz").write_bytes(
        b"\x1f\x8b\x08" + bytes(7) + bomb(volume(), 1 << 30, -zlib.MAX_WBITS)
    )
    assert (source / "images" / "a.nii.gz").stat().st_size < 1.1 * MEGABYTE
    rows = refusals(source)
    assert (
        "grows more than 100 times" in rows["images/a.nii.gz"]
        and "undamaged" in rows["images/b.nii.gz"]
    )


def test_a_volume_takes_its_own_memory_once_and_no_more(source: Path) -> None:
    """No step may hold a second copy of the largest volume that a small file may stand for."""
    size = 128 * 128 * 256
    blank = nib.Nifti1Image(np.zeros((128, 128, 256), np.uint8), np.eye(4))
    (source / "images" / "blank.nii.gz").write_bytes(gzip.compress(blank.to_bytes()))
    where = Places.of(source, source.parent / "hospitals" / "north", None)
    with at_most(size + size // 2 + 32 * MEGABYTE):
        assert len(ingestion.ingest(where).cases) == 2


@pytest.mark.parametrize("slope", [2.0, 1.0])
def test_scaled_volumes_are_counted_with_what_scaling_takes(source: Path, slope: float) -> None:
    header = volume(
        dim=[3, 512, 512, 256, 1, 1, 1, 1], datatype=2, bitpix=8, scl_slope=slope, scl_inter=1.0
    )[:352]
    (source / "images" / "a.nii.gz").write_bytes(
        b"\x1f\x8b\x08" + bytes(7) + bomb(header, 1 << 26, -zlib.MAX_WBITS)
    )
    assert "grows more than 100 times" in refusals(source)["images/a.nii.gz"]


def drawn(width: int, height: int, packed: bytes, colour: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_pictures_that_lie_about_their_size_are_refused(source: Path) -> None:
    out = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(out, "TIFF")
    tiff = bytearray(out.getvalue())
    start = struct.unpack("<I", tiff[4:8])[0]
    (at,) = [
        e
        for e in range(start + 2, len(tiff) - 12, 12)
        if struct.unpack_from("<H", tiff, e)[0] == 257
    ][:1]
    tiff[at : at + 12] = struct.pack(
        "<HHII", 257, 4, 1, 60_000
    )  # ImageLength (TIFF 6.0, section 8)
    room = source / "images"
    (room / "wide.png").write_bytes(drawn(60_000, 60_000, b""))
    (room / "tall.png").write_bytes(drawn(8000, 8000, zlib.compress(bytes(1000))))
    (room / "more.png").write_bytes(drawn(8, 8, bomb(b"", 1 << 28, zlib.MAX_WBITS)))
    (room / "tiff.tif").write_bytes(tiff)
    with (room / "tail.png").open("wb") as file:
        file.write(drawn(8, 8, zlib.compress(bytes(200))))
        file.truncate(1 << 31)  # nothing is written; the file's end only lies far away
    rows = refusals(source, 64 * MEGABYTE)
    reasons = {name.partition("/")[2]: reason for name, reason in rows.items()}
    assert set(reasons) == {"wide.png", "tall.png", "more.png", "tiff.tif", "tail.png"}
    assert (
        "more pixels than are read" in reasons["wide.png"]
        and "grows more than" in reasons["tall.png"]
    )
    assert (
        "unpacks to more" in reasons["more.png"]
        and "far larger than its pixels" in reasons["tail.png"]
    )


def test_a_deflated_dicom_bomb_and_one_of_endless_rows_are_refused(source: Path) -> None:
    path = export.dicom(
        source / "a.dcm", export.picture(2).astype(np.uint16), export.NUMBER, ("1.2.3", "1.2.3.4")
    )
    header = path.read_bytes()
    length = struct.unpack_from("<I", header, 140)[0]
    meta = bytearray(header[: 144 + length])
    old, new = b"1.2.840.10008.1.2.1", DeflatedExplicitVRLittleEndian.encode()
    at = meta.index(old)
    meta[at - 2 : at + len(old) + len(old) % 2] = struct.pack("<H", len(new)) + new
    struct.pack_into("<I", meta, 140, length + len(new) - len(old) - len(old) % 2)
    path.write_bytes(
        bytes(meta) + bomb(b"\x10\x00\x20\x00LO\x04\x00P1  ", 1 << 30, -zlib.MAX_WBITS)
    )
    assert "limits" in refusals(source, 300 * MEGABYTE)["a.dcm"]


def test_rolled_up_pixels_are_held_against_their_file(source: Path) -> None:
    path = export.dicom(
        source / "r.dcm", np.zeros((8192, 8192), np.uint16), export.NUMBER, ("1.2.3", "1.2.3.4")
    )
    header = pydicom.dcmread(io.BytesIO(path.read_bytes()))
    header.compress(RLELossless, generate_instance_uid=False, encoding_plugin="pydicom")
    header.save_as(path, enforce_file_format=True)
    assert path.stat().st_size < 3 * MEGABYTE
    assert "grows more than 50 times" in refusals(source)["r.dcm"]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"file,dx\n" + b"x" * (100 * MEGABYTE), "more bytes than are read"),
        (b"file,dx\n" + b"x" * (8 * MEGABYTE), "row of more characters than are read"),
        (b"file,dx\n" + b",\n" * (7 * MEGABYTE), "cells"),
        (b",".join(b"c%d" % i for i in range(2000)) + b"\n", "columns"),
        (
            b"file,dx\n" + b"".join(b"%x,%x\n" % (i, i + (1 << 30)) for i in range(700_000)),
            "all that fits",
        ),
    ],
    ids=["huge", "line", "cells", "columns", "texts"],
)
def test_tables_without_end_are_refused(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(SiteError, match=rule) as caught:
        table_files.read(path)
    assert str(tmp_path) not in caught.value.public


def test_deep_and_wide_documents_are_faults_and_no_more(source: Path) -> None:
    (source / "boxes.json").write_bytes(b'{"good.png":' + b"[" * 200_000 + b"]" * 200_000 + b"}")
    (source / "labels.toml").write_bytes(b"[labels]\na = " + b"[" * 50_000 + b"]" * 50_000)
    done = taken(source, 64 * MEGABYTE)
    assert set(done.faults) == {"boxes.json", "labels.toml"}


def test_a_label_of_many_brackets_is_left_out(source: Path) -> None:
    nested = "[" * 900 + "]" * 900
    (source / "boxes.json").write_text(
        '{"good.png": {"objects": [{"label": NESTED, "box_xyxy": [1, 2, 3, 4]}]}}'.replace(
            "NESTED", nested
        )
    )
    done = taken(source)
    assert not done.boxes or len(str(done.boxes)) < 400


def test_boxes_of_more_corners_than_a_box_has_are_not_kept(source: Path) -> None:
    (source / "boxes.json").write_text(
        '{"good.png": {"objects": [{"label": "x", "box_xyxy": [' + ",".join("1" * 50) + "]}]}}"
    )
    (entry,) = taken(source).boxes.values()
    assert entry["objects"] == [{"label": "x"}]


def test_folders_without_end_are_walked_to_a_depth(source: Path) -> None:
    place = source
    for _ in range(400):
        place = place / "a"
    place.mkdir(parents=True)
    assert taken(source).aside["folders that lie too deep"] == 1


def test_values_that_networks_cannot_hold_are_refused(source: Path) -> None:
    export.nifti(source / "images" / "far.nii", np.full((3, 4, 5), 1e300))
    export.nifti(source / "images" / "none.nii", np.full((3, 4, 5), np.nan))
    export.nifti(source / "images" / "odd.nii", np.array([[[np.inf, -np.inf], [np.nan, 1.0]]] * 3))
    where = Places.of(source, source.parent / "hospitals" / "north", None)
    done = ingestion.ingest(where)
    assert [name for name, _ in done.refused] == ["images/far.nii"] and "32-bit" in done.refused[0][
        1
    ]
    assert all(case_facts.CaseFacts.parse(case.line()) == case for case in done.cases.values())


def test_no_cell_of_the_quarantine_list_starts_a_formula() -> None:
    names = [
        "=1+1.png",
        "+a.png",
        "-a.png",
        "@a.png",
        "\ta.png",
        "\ra.png",
        "'a.png",
        "a;=1.png",
        "\uff1da.png",
        "plain.png",
    ]
    rows = list(
        csv.reader(
            io.StringIO(
                layout.quarantine([(name, f"{name[:1]}x") for name in names]).decode(), newline=""
            )
        )
    )[1:]
    for (name, reason), expected in zip(rows, names, strict=True):
        assert not (name + "x").startswith(
            ("=", "+", "-", "@", "\t", "\r")
        ) and not reason.startswith(("=", "+", "-", "@", "\t", "\r"))
        assert name.removeprefix("'") == expected
    assert b'"a;=1.png"' in layout.quarantine([("a;=1.png", "x")])


def mutated(folder: Path, seed: int) -> int:
    """An export every file of which is damaged."""
    good = parade.sources(seed) | {"labels.toml": b'[labels]\nja = "1"\n[masks]\n1 = "lesion"\n'}
    rng, names = np.random.default_rng(seed), sorted(good)
    for number, name in enumerate(names):
        content = mutate(good[name], good[names[int(rng.integers(len(names)))]], rng)
        room = (
            ""
            if name.endswith((".csv", ".json", ".toml"))
            else "dicom"
            if name.endswith(".dcm")
            else "masks"
            if number % 5 == 0
            else "images"
        )
        (folder / room).mkdir(parents=True, exist_ok=True)
        (folder / room / name).write_bytes(content)
    export.png(folder / "images" / "good.png", export.picture(seed))
    return len(names)


def test_four_hundred_damaged_files_are_taken_or_refused(tmp_path: Path) -> None:
    count = refused = 0
    with at_most(160 * MEGABYTE):
        for seed in range(13):
            source = tmp_path / f"export{seed}"
            count += mutated(source, seed)
            where = Places.of(source, tmp_path / f"site{seed}", None)
            done = ingestion.ingest(where)
            refused += len(done.refused)
            assert done.cases
            report = readiness_report.report(done, "north")
            assert not any(
                name in str(report) for name in ("grey.png", "explicit.dcm", str(tmp_path))
            )
    assert count >= 400 and refused > 100


def test_twins_of_damaged_folders_are_made_or_refused(tmp_path: Path) -> None:
    twins, sentences = 0, list[str]()
    with at_most(160 * MEGABYTE):
        for seed in range(20, 24):
            mutated(tmp_path / f"site{seed}", seed)
            for name in ("labels.csv", "cases.csv", "boxes.json", "labels.toml")[: 4 * (seed % 2)]:
                (tmp_path / f"site{seed}" / name).unlink()
            try:
                twins += bool(twin.make(tmp_path / f"site{seed}", tmp_path / f"twin{seed}"))
            except SiteError as error:
                sentences.append(error.public)
    assert twins >= 2 and not any(str(tmp_path) in sentence for sentence in sentences)
