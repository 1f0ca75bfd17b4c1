"""Comments inside compressed pixels are blanked, and the picture stays the same."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features
from pydicom.encaps import encapsulate, generate_frames

from client.deidentify.codestreams import blanked
from client.deidentify.header import deidentify
from client.deidentify.pseudonyms import Pseudonyms
from tests.client.deidentify import phantom

SECRET = b"PID77418 DOE^JANE"


def packed(kind: str = "JPEG", **options: object) -> bytes:
    down, across = np.mgrid[:64, :80]
    file = io.BytesIO()
    Image.fromarray((down * 3 + across).astype(np.uint8)).save(file, kind, **options)
    return file.getvalue()


def segment(kind: int, content: bytes) -> bytes:
    return bytes((0xFF, kind)) + (len(content) + 2).to_bytes(2, "big") + content


def after_start(stream: bytes, *segments: bytes) -> bytes:
    return stream[:2] + b"".join(segments) + stream[2:]


JPEG = packed()
STREAMS = {
    "comment": packed(comment=SECRET),
    "progressive": packed(progressive=True, comment=SECRET),
    "exif": after_start(JPEG, segment(0xE1, b"Exif\0\0" + SECRET)),
    "photoshop": after_start(JPEG, segment(0xED, SECRET), segment(0xEF, SECRET)),
    "long application data": after_start(
        JPEG, segment(0xE0, b"JFXX\0" + SECRET), segment(0xEE, b"Adobe\0" + SECRET * 2)
    ),
    "fill bytes": after_start(JPEG, b"\xff\xff" + segment(0xFE, SECRET)),
    "behind the end": JPEG + SECRET,
    "before the end": JPEG[:-2] + segment(0xFE, SECRET) + JPEG[-2:],
}


def seen(frame: bytes) -> bytes:
    with Image.open(io.BytesIO(frame)) as image:
        return image.tobytes()


@pytest.mark.parametrize("name", STREAMS)
def test_comments_go_and_the_picture_stays(name: str) -> None:
    value = encapsulate([STREAMS[name], STREAMS[name]])
    assert SECRET in value
    new = blanked(value)
    assert SECRET[:8] not in new
    assert len(new) == len(value)
    for frame, old in zip(
        generate_frames(new, number_of_frames=2), (STREAMS[name],) * 2, strict=True
    ):
        assert seen(frame) == seen(old)


@pytest.mark.skipif(not features.check("jpg_2000"), reason="this Pillow writes no JPEG 2000")
@pytest.mark.parametrize("tiles", [None, (32, 32)])
def test_comments_of_jpeg_2000_go(tiles: tuple[int, int] | None) -> None:
    stream = packed("JPEG2000", no_jp2=True, comment=SECRET, tile_size=tiles)
    new = blanked(encapsulate([stream + b"\xff\xd9"[:0] + SECRET]))
    assert SECRET[:8] not in new
    assert seen(next(generate_frames(new, number_of_frames=1))) == seen(stream)


def test_colour_marks_that_decoders_need_stay() -> None:
    adobe, spiff = segment(0xEE, b"Adobe" + bytes(7)), segment(0xE8, b"mrfx\x01")
    value = encapsulate([after_start(JPEG, adobe, spiff)])
    assert blanked(value) == value


def test_other_streams_stay_unchanged() -> None:
    for stream in (b"", b"\0" * 64, b"RLE" * 20, SECRET):
        assert blanked(encapsulate([stream or b"\0\0"])) == encapsulate([stream or b"\0\0"])
    assert blanked(SECRET) == SECRET


@pytest.mark.parametrize("cut", range(2, 200, 7))
def test_a_torn_stream_is_no_fault(cut: int) -> None:
    for stream in STREAMS.values():
        value = encapsulate([stream[:cut]])
        assert len(blanked(value)) == len(value)
        assert len(blanked(value[: cut + 8])) == len(value[: cut + 8])


def test_random_bytes_are_no_fault() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        for start in (b"\xff\xd8\xff", b"\xff\x4f\xff"):
            assert len(blanked(encapsulate([start + rng.bytes(200)]))) > 200


def test_a_data_set_comes_out_without_them() -> None:
    source = phantom.header()
    source.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
    source.PixelData = encapsulate([STREAMS["comment"]])
    source["PixelData"].is_undefined_length = True
    new = deidentify(source, Pseudonyms(bytes(range(32))))
    file = io.BytesIO()
    new.save_as(file, enforce_file_format=True)
    assert SECRET not in file.getvalue()
    assert SECRET in source.PixelData
