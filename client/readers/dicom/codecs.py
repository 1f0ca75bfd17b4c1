"""Which decoder takes which transfer syntax, and what is checked of a frame before it does.

The codecs are libraries with wheels of their own: JPEG 2000 by OpenJPEG (pylibjpeg-openjpeg) and
JPEG baseline by Pillow, both through pydicom; JPEG lossless and extended with 12 bits by
libjpeg-turbo 3, JPEG-LS by CharLS, RLE by PackBits (imagecodecs). GDCM is not used, as it ends the
program on damaged frames.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from client.readers.dicom.element_values import whole, word
from client.readers.dicom.reasons import DicomError, Reason

_J2K = (JPEG2000, JPEG2000Lossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)
_DECODERS: dict[UID, tuple[str, ...]] = {
    **dict.fromkeys(_J2K, ("pylibjpeg",)),
    **dict.fromkeys((JPEGLosslessSV1, JPEGLossless), ("imagecodecs",)),
    **dict.fromkeys((JPEGLSLossless, JPEGLSNearLossless), ("imagecodecs",)),
    JPEGBaseline8Bit: ("pillow",),
    JPEGExtended12Bit: ("pillow", "imagecodecs"),
    RLELossless: ("imagecodecs", "pydicom"),
}
"""Transfer syntax: its decoders, the best first; all but imagecodecs are named as in pydicom."""
NATIVE = frozenset(
    (
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
    )
)
"""Transfer syntaxes without compressed frames."""
_COMPRESSIONS = {
    "High-Throughput JPEG 2000": "High-Throughput JPEG 2000",
    "JPEG 2000": "JPEG 2000",
    "JPEG Lossless": "JPEG Lossless",
    "JPEG-LS": "JPEG-LS",
    "JPEG": "JPEG",
    "RLE": "RLE",
    "MPEG": "video",
    "HEVC": "video",
}
"""Beginning of a transfer syntax's name (PS3.6, table A-1): what people call it."""
_END = b"\xff\xd9"
"""EOI, the end of a JPEG or JPEG-LS frame."""
_SOF = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
"""Markers that begin a JPEG (ITU-T T.81, table B.1) or JPEG-LS (ITU-T T.87, C.1.1) frame."""


def decode(header: Dataset) -> npt.NDArray[Any]:
    """Every frame of PixelData as stored values ``[H, W]`` or ``[N, H, W]``.

    Colour has a further axis, ``[H, W, 3]`` or ``[N, H, W, 3]``; YBR is turned into RGB.

    Raises:
        DicomError: no decoder of this installation takes the transfer syntax, or the pixels are
            damaged.
    """
    syntax = check(header)
    if syntax in NATIVE:
        native: npt.NDArray[Any] = pixel_array(header)
        return native
    _check_streams(header, syntax)
    failure = ""
    for name in decoders(syntax):
        try:
            if name == "imagecodecs":
                return _direct(header, syntax)
            pixels: npt.NDArray[Any] = pixel_array(header, decoding_plugin=name)
        # A codec may take the syntax but not this depth of it: then the next one is asked.
        except Exception as error:
            failure += repr(error)
        else:
            return pixels
    raise DicomError(Reason.CODEC, failure, "dicom.undecoded", way=_compression(syntax))


def check(header: Dataset) -> UID:
    """The transfer syntax (PS3.10 7.1).

    Raises:
        DicomError: no decoder of this installation takes it, or there is none.
    """
    syntax: UID = header.file_meta.TransferSyntaxUID
    if syntax not in NATIVE and not decoders(syntax):
        local = f"transfer syntax {syntax}"
        raise DicomError(Reason.CODEC, local, "dicom.no_decoder", way=_compression(syntax))
    return syntax


@functools.cache
def decoders(syntax: UID) -> tuple[str, ...]:
    """The decoders of a compressed transfer syntax that are installed, the best first."""
    if syntax not in _DECODERS:
        return ()
    installed = get_decoder(syntax).available_plugins
    direct = importlib.util.find_spec("imagecodecs") is not None
    return tuple(
        name
        for name in _DECODERS[syntax]
        if name in installed or (name == "imagecodecs" and direct)
    )


def _direct(header: Dataset, syntax: UID) -> npt.NDArray[Any]:
    """Frames through imagecodecs, ``[N, H, W]`` or RGB ``[N, H, W, 3]``, in the header's type."""
    # Imported here: it is large, and only these transfer syntaxes need it.
    import imagecodecs  # noqa: PLC0415

    samples = whole(header, "SamplesPerPixel", 1)
    if samples == 3 and word(header, "PhotometricInterpretation") != "RGB":
        raise ValueError("colour that is not RGB")
    kind = np.dtype(f"u{whole(header, 'BitsAllocated') // 8}")
    shape = (whole(header, "Rows"), whole(header, "Columns"), *([3] if samples == 3 else []))
    decode_frame: Callable[[bytes], Any] = (
        imagecodecs.jpegls_decode
        if syntax in (JPEGLSLossless, JPEGLSNearLossless)
        else imagecodecs.jpeg8_decode
    )
    if syntax == RLELossless:
        decode_frame = functools.partial(
            _unrolled, kind=kind, shape=shape, unpack=imagecodecs.packbits_decode
        )
    frames = [
        np.asarray(decode_frame(frame)).astype(kind, casting="safe", copy=False)
        for frame in _frames(header)
    ]
    if any(frame.shape != shape for frame in frames):
        raise ValueError("a frame has another shape")
    return np.stack(frames).view(
        f"i{kind.itemsize}" if whole(header, "PixelRepresentation") else kind
    )


def _unrolled(
    frame: bytes,
    kind: np.dtype[Any],
    shape: tuple[int, ...],
    unpack: Callable[[bytes], bytes | bytearray],
) -> npt.NDArray[Any]:
    """One RLE frame: one PackBits segment a byte of a sample, the highest first (PS3.5 G.2)."""
    count, *starts = struct.unpack_from("<16I", frame)
    samples = math.prod(shape[2:])
    size = math.prod(shape[:2])
    if count != samples * kind.itemsize or not all(
        64 <= start <= len(frame) for start in starts[:count]
    ):
        raise ValueError("segments")
    ends = [*starts[1:count], len(frame)]
    planes = np.empty((shape[0], shape[1], samples, kind.itemsize), np.uint8)
    for number, (start, end) in enumerate(zip(starts, ends, strict=False)):
        segment = np.frombuffer(unpack(frame[start:end]), np.uint8, size)
        sample, byte = divmod(number, kind.itemsize)
        planes[:, :, sample, kind.itemsize - 1 - byte] = segment.reshape(shape[:2])
    return planes.view(kind.newbyteorder("<")).reshape(shape)


def _frames(header: Dataset) -> Iterator[bytes]:
    count = max(1, whole(header, "NumberOfFrames", 1))
    yield from generate_frames(header.PixelData, number_of_frames=count)


def _compression(syntax: UID) -> str:
    """What people call the compression of a transfer syntax, as the table of sentences lists it."""
    if not syntax.is_transfer_syntax or syntax.is_private:
        return ""
    names = (name for start, name in _COMPRESSIONS.items() if syntax.name.startswith(start))
    return next(names, "")


def _check_streams(header: Dataset, syntax: UID) -> None:
    """Refuse a frame that states another size than the header, or has no end.

    A decoder would reserve memory for the size that the frame states.
    """
    if syntax == RLELossless:
        return
    size = (
        whole(header, "Rows"),
        whole(header, "Columns"),
        whole(header, "SamplesPerPixel", 1),
    )
    for frame in _frames(header):
        if stated(frame) != size:
            local = f"a compressed frame states {stated(frame)}, the header {size}"
            raise DicomError(Reason.DAMAGED, local)
        if syntax not in _J2K and _END not in frame[-4:]:
            raise DicomError(Reason.DAMAGED, "a compressed frame has no end")


def stated(frame: bytes) -> tuple[int, int, int] | None:
    """Rows, columns and samples that a JPEG, JPEG-LS or JPEG 2000 code stream states, or None."""
    # The markers SOC and SIZ begin a JPEG 2000 code stream: ITU-T T.800, A.5.1.
    siz = frame[:512].find(b"\xff\x4f\xff\x51")
    if siz >= 0 and len(frame) >= siz + 42:
        right, bottom, left, top = (
            int.from_bytes(frame[siz + i : siz + i + 4], "big") for i in (8, 12, 16, 20)
        )
        return bottom - top, right - left, int.from_bytes(frame[siz + 40 : siz + 42], "big")
    position = 2
    while frame[:2] == b"\xff\xd8" and position + 10 <= len(frame) and frame[position] == 0xFF:
        if frame[position + 1] in _SOF:
            rows, columns = (
                int.from_bytes(frame[position + i : position + i + 2], "big") for i in (5, 7)
            )
            return rows, columns, frame[position + 9]
        # Any number of bytes FF may stand before a marker (ITU-T T.81, B.1.1.2).
        filler = frame[position + 1] == 0xFF
        position += 1 if filler else 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return None
