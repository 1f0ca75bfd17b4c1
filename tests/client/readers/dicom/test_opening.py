"""Opening within limits: bombs, lies and damage are one typed error."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from client.readers.dicom import opening
from client.readers.dicom.opening import open_header
from client.readers.dicom.reasons import DicomError, Reason
from common.errors import CaseError
from tests.client.readers.dicom.dicom_objects import base, item, ramp, save, slices

SEQUENCE, ITEM = b"\x40\x00\x75\x02", b"\xfe\xff\x00\xe0"  # (0040,0275) RequestAttributesSequence
UNDEFINED = b"\xff\xff\xff\xff"


def head(folder: Path, deflated: bool = False) -> bytes:
    """Preamble and file meta of a real file."""
    data = base(ramp(1)[0])
    if deflated:
        data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    written = save(folder / "head", data).read_bytes()
    return written[: 144 + struct.unpack("<I", written[140:144])[0]]


def nested(depth: int, defined: bool) -> bytes:
    """Explicit VR sequences inside one another."""
    if not defined:
        return (SEQUENCE + b"SQ\0\0" + UNDEFINED + ITEM + UNDEFINED) * depth + (
            b"\xfe\xff\x0d\xe0" + bytes(4) + b"\xfe\xff\xdd\xe0" + bytes(4)
        ) * depth
    inner = b""
    for _ in range(depth):
        inner = ITEM + struct.pack("<I", len(inner)) + inner
        inner = SEQUENCE + b"SQ\0\0" + struct.pack("<I", len(inner)) + inner
    return inner


@pytest.mark.parametrize("defined", [True, False])
@pytest.mark.parametrize(
    ("depth", "fine"), [(1, True), (32, True), (33, False), (400, False), (20_000, False)]
)
def test_nesting_ends_at_32(tmp_path: Path, depth: int, fine: bool, defined: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(head(tmp_path) + nested(min(depth, 4000) if defined else depth, defined))
    if fine:
        open_header(path)
        return
    with pytest.raises(DicomError) as caught:
        open_header(path)
    assert caught.value.reason is Reason.NESTED


def test_nesting_is_seen_in_implicit_vr_and_unknown_vr(tmp_path: Path) -> None:
    inner = Dataset()
    for _ in range(40):
        inner = item(RequestAttributesSequence=[inner])
    data = base(ramp(1)[0], RequestAttributesSequence=[inner])
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    with pytest.raises(CaseError, match="deeper than 32"):
        open_header(save(tmp_path / "x", data))
    unknown = nested(40, defined=True)
    unknown = unknown[:4] + b"UN" + unknown[6:]
    (tmp_path / "y").write_bytes(head(tmp_path) + unknown)
    with pytest.raises(CaseError, match="deeper than 32"):
        open_header(tmp_path / "y")


def test_a_deflated_file_comes_out_inflated(tmp_path: Path) -> None:
    data = base(ramp(1)[0])
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    header = open_header(save(tmp_path / "x", data), pixels=True)
    assert (header.PatientID, header.PixelData) == ("P-4711", ramp(1).tobytes())
    assert not header.file_meta.TransferSyntaxUID.is_deflated


@pytest.mark.parametrize("pixels", [False, True])
def test_a_deflated_bomb_is_refused_before_it_grows(tmp_path: Path, pixels: bool) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    element = b"\x10\x00\x10\x40UT\0\0" + struct.pack("<I", 40 << 20)
    body = (
        packer.compress(element)
        + b"".join(packer.compress(bytes(1 << 20)) for _ in range(40))
        + packer.flush()
    )
    path = tmp_path / "x"
    path.write_bytes(head(tmp_path, deflated=True) + body)
    tracemalloc.start()
    with pytest.raises(DicomError) as caught:
        open_header(path, pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.reason is Reason.TOO_LARGE
    assert peak < 3 * opening.FREE


def test_a_well_filled_deflated_file_may_be_blank(tmp_path: Path) -> None:
    data = base(np.zeros((1024, 1024), np.uint16))
    data.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    assert len(open_header(save(tmp_path / "x", data), pixels=True).PixelData) == 2 << 20


def test_a_deflated_file_whose_syntax_hides_is_not_inflated(tmp_path: Path) -> None:
    """The transfer syntax behind 64 KiB of other meta elements, where only pydicom looks."""
    meta = head(tmp_path, deflated=True)
    place = meta.index(b"\x02\x00\x10\x00")
    filler = b"\x02\x00\x02\x01OB\0\0" + struct.pack("<I", 1 << 16) + bytes(1 << 16)
    (tmp_path / "x").write_bytes(
        meta[:place] + filler + meta[place:] + zlib.compress(bytes(range(256)) * 9, wbits=-15)
    )
    with pytest.raises(DicomError):
        open_header(tmp_path / "x")


def test_a_length_beyond_the_file_reserves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(
        head(tmp_path) + b"\x10\x00\x10\x40UT\0\0" + struct.pack("<I", 0xFFFFFFF0) + b"abc"
    )
    tracemalloc.start()
    with contextlib.suppress(CaseError):
        open_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24


def test_swarms_of_items_and_elements_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = (ITEM + bytes(4)) * 200_000
    path = tmp_path / "x"
    path.write_bytes(head(tmp_path) + SEQUENCE + b"SQ\0\0" + struct.pack("<I", len(items)) + items)
    with pytest.raises(CaseError, match="larger than the limits"):
        open_header(path)
    monkeypatch.setattr(opening, "_MOST_READS", 1000)
    path.write_bytes(head(tmp_path) + SEQUENCE + b"SQ\0\0" + UNDEFINED + items[:16_000])
    with pytest.raises(CaseError, match="larger than the limits"):
        open_header(path)


def test_a_header_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LARGEST_HEADER", 5000)
    assert open_header(save(tmp_path / "x", base(ramp(1)[0])))
    with pytest.raises(CaseError, match="larger than the limits"):
        open_header(save(tmp_path / "y", base(ramp(1)[0], ImageComments="x" * 6000)))
    monkeypatch.setattr(opening, "LARGEST_FILE", 100)
    with pytest.raises(CaseError, match="larger than the limits"):
        open_header(tmp_path / "x")


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"x" * 5000, bytes(132)])
def test_what_is_no_dicom_file_is_a_case_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "smith").write_bytes(content)
    with pytest.raises(CaseError, match="no DICOM file") as caught:
        open_header(tmp_path / "smith")
    assert "smith" not in caught.value.public
    assert "smith" in caught.value.local


def test_damage_is_an_opened_file_or_a_case_error(tmp_path: Path) -> None:
    data = slices(ramp(1))[0]
    data.ReferencedStudySequence = [item(ReferencedSOPInstanceUID="1.2"), item()]
    good = save(tmp_path / "g", data).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(400):
        bad = bytearray(good[: rng.integers(130, len(good) + 1)])
        for place in rng.integers(128, len(bad), rng.integers(1, 6)):
            bad[place] = rng.integers(256)
        (tmp_path / "smith").write_bytes(bad)
        with contextlib.suppress(CaseError):
            open_header(tmp_path / "smith", pixels=bool(rng.integers(2)))
