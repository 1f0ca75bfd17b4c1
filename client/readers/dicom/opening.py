"""One DICOM file to one pydicom data set, within limits: every DICOM file at the hospital is opened here.

A file may claim anything. Bytes and elements are counted while pydicom reads them, so that neither a deflated data set (PS3.5 A.5) nor
nested sequences (PS3.5 7.5) can take more memory than the limits below allow.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from client.readers.dicom.reasons import DicomError, Reason
from common.errors import CaseError

config.settings.reading_validation_mode = (
    config.IGNORE
)  # pydicom's warnings would quote the values of elements
warnings.filterwarnings("ignore", module=r"pydicom\b")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

LARGEST_FILE = 1 << 31
"""Most bytes of one file."""
LARGEST_HEADER = 1 << 26
"""Most bytes of all elements before the pixels."""
LARGEST_INFLATED = 1 << 29
"""Most bytes of a deflated data set once inflated."""
RATIO, FREE = 100, 1 << 24
"""A deflated data set may grow by this factor; below FREE bytes by any."""
DEEPEST = 32
"""Most sequences inside one another."""
_MOST_READS = 1_000_000
"""Most elements and items; pydicom reads the head of each with one or two calls."""
_MOST_ITEMS = 100_000
_CHUNK = 1 << 20
_META = 132
"""File meta elements begin after the preamble and ``DICM`` (PS3.10 7.1)."""
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_PLAIN = ("AE", "CS", "DA", "DS", "DT", "IS", "LO", "SH", "TM", "UI")
"""Kinds of text that can be taken as it is stored, as long as it is ASCII."""
_PADDING = b" \0"
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


def open_header(path: Path, pixels: bool = False) -> Dataset:
    """The elements of a DICOM file (PS3.10).

    Args:
        path: the file.
        pixels: whether to go on to PixelData and what follows it; without, reading stops before it.

    Returns:
        A pydicom ``FileDataset`` whose sequences are all parsed; other values are converted on use, so :func:`guarded` belongs around that.
        A deflated file comes out inflated, as Explicit VR Little Endian.

    Raises:
        CaseError: no DICOM, damaged, or beyond a limit of this module (a :class:`~client.readers.dicom.reasons.DicomError` with its code).
    """
    with guarded(path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > LARGEST_FILE:
            raise DicomError(Reason.TOO_LARGE, f"{size} bytes, {LARGEST_FILE} are allowed")
        end, deflated = _meta(file)
        source: BinaryIO = file
        if deflated:
            source = _inflated_file(file, end, size)
            size = source.tell()
        source.seek(0)
        most = 2 * size if pixels else LARGEST_HEADER  # some bytes are read twice
        header: Dataset = pydicom.dcmread(
            _Bounded(source, size, most), stop_before_pixels=not pixels
        )
        if deflated:
            header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        _check_depth(header)
        return header


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn whatever pydicom or a codec raises on a damaged file into a CaseError whose local text names the file."""
    try:
        yield
    except CaseError as error:
        raise error.at(path) from None
    except (RecursionError, MemoryError) as error:
        reason = Reason.NESTED if isinstance(error, RecursionError) else Reason.TOO_LARGE
        raise DicomError(reason, f"{path}: {type(error).__name__}") from None
    except InvalidDicomError:
        raise DicomError(Reason.DAMAGED, f"{path}: no DICOM file", "dicom.not_dicom") from None
    except Exception as error:  # pydicom and its codecs raise nearly anything on a damaged file
        raise DicomError(Reason.DAMAGED, f"{path}: {error!r}") from None


class _Bounded:
    """A file as pydicom reads one, which ends reading beyond a limit and never allocates more than the file holds."""

    def __init__(self, file: BinaryIO, size: int, most: int) -> None:
        self._file, self._size, self._left, self._calls = file, size, most, _MOST_READS
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if (
            size < 0
        ):  # pydicom would inflate it: a deflated file whose file meta elements are out of order
            raise DicomError(Reason.DAMAGED, "read without a length")
        if size > _CHUNK:
            size = min(size, max(0, self._size - self._file.tell()))
        self._calls -= 1
        self._left -= size
        if self._left < 0 or self._calls < 0:
            raise DicomError(
                Reason.TOO_LARGE,
                f"more elements than {_MOST_READS}, or more bytes than allowed before the pixels",
            )
        return self._file.read(size)


def _meta(file: BinaryIO) -> tuple[int, bool]:
    """Where the file meta elements end, and whether the data set behind them is deflated; they are always Explicit VR Little Endian."""
    head = file.read(1 << 16)
    if head[128:_META] != b"DICM":
        raise InvalidDicomError
    place, deflated = _META, False
    while head[place : place + 2] == b"\x02\x00" and place + 12 <= len(head):
        kind = head[place + 4 : place + 6]
        start = place + (12 if kind in _LONG else 8)
        length = (
            struct.unpack_from("<I", head, place + 8)[0]
            if kind in _LONG
            else struct.unpack_from("<H", head, place + 6)[0]
        )
        if head[place + 2 : place + 4] == b"\x10\x00":
            deflated = (
                head[start : start + length].rstrip(b"\0 ")
                == DeflatedExplicitVRLittleEndian.encode()
            )
        place = start + length
    return place, deflated


def _inflated_file(file: BinaryIO, end: int, size: int) -> BytesIO:
    """The file with its data set inflated and its transfer syntax replaced by one that is not deflated."""
    file.seek(0)
    head = file.read(end)
    most = min(LARGEST_INFLATED, max(FREE, RATIO * (size - end)))
    old, new = DeflatedExplicitVRLittleEndian.encode(), ExplicitVRLittleEndian.encode()
    head = head.replace(old, new.ljust(len(old), b"\0"), 1)
    inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), BytesIO()
    inflated.write(head)
    while not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(_CHUNK)):
        inflated.write(inflater.decompress(chunk, _CHUNK))
        if inflated.tell() > most + len(head):
            raise DicomError(Reason.TOO_LARGE, f"deflated: more than {most} bytes from {size}")
    return inflated


def _check_depth(header: Dataset) -> None:
    """Parse the sequences level by level, without recursion over those that pydicom had left for later."""
    level, depth, items = [header], 0, 0
    while level:
        below = [
            item
            for dataset in level
            for raw in list(dataset.elements())
            for item in _items(dataset, raw)
        ]
        depth, items = depth + bool(below), items + len(below)
        if depth > DEEPEST:
            raise DicomError(Reason.NESTED, f"more than {DEEPEST} levels")
        if items > _MOST_ITEMS:
            raise DicomError(Reason.TOO_LARGE, f"more than {_MOST_ITEMS} sequence items")
        level = below


def _items(dataset: Dataset, raw: Any) -> Sequence[Dataset]:
    kind = raw.VR
    if kind not in ("SQ", "UN", None):
        return ()
    if isinstance(raw, RawDataElement):
        value = raw.value or b""
        if kind != "SQ" and value[:4] not in _ITEMS:
            return ()
        if max(value.count(mark) for mark in _ITEMS) > _MOST_ITEMS:
            raise DicomError(Reason.TOO_LARGE, f"more than {_MOST_ITEMS} sequence items")
    element = dataset[raw.tag]
    return list(element.value) if element.VR == "SQ" and element.value else ()


def numbers(dataset: Dataset, keyword: str) -> list[float] | None:
    """The values of a numeric element; None where it is absent, empty or no number."""
    tag, kind = _known(keyword)
    raw: Any = dataset.get_item(tag)
    if raw is None or not raw.value:
        return None if raw is None or raw.value != 0 else [0.0]
    try:
        if isinstance(raw, RawDataElement) and (raw.VR or kind) in ("DS", "IS"):
            return [float(text.strip(_PADDING)) for text in raw.value.split(b"\\")]
        if isinstance(raw, RawDataElement) and (raw.VR or kind) == "US" and len(raw.value) == 2:
            return [float(int.from_bytes(raw.value, "little" if raw.is_little_endian else "big"))]
        value = dataset[tag].value
        return (
            [float(v) for v in value]
            if isinstance(value, (list, tuple, MultiValue))
            else [float(value)]
        )
    except (TypeError, ValueError, OverflowError):
        return None


def whole(dataset: Dataset, keyword: str, default: int = 0) -> int:
    """The first value of a numeric element as a whole number."""
    values = numbers(dataset, keyword)
    return int(values[0]) if values and math.isfinite(values[0]) else default


def words(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    """The values of a text element without padding; none where it is absent or empty."""
    tag, kind = _known(keyword)
    raw: Any = dataset.get_item(tag)
    if raw is None or raw.value in (None, "", b""):
        return ()
    if (
        isinstance(raw, RawDataElement)
        and (raw.VR or kind) in _PLAIN
        and raw.value.isascii()
        and b"\x1b" not in raw.value
    ):
        return tuple(text.strip(" \0") for text in raw.value.decode("ascii").split("\\"))
    value = dataset[tag].value
    return (
        tuple(str(v).strip(" \0") for v in value)
        if isinstance(value, (list, tuple, MultiValue))
        else (str(value).strip(" \0"),)
    )


def word(dataset: Dataset, keyword: str) -> str:
    """The values of a text element joined as they are stored; "" where it is absent."""
    return "\\".join(words(dataset, keyword))


@functools.cache
def _known(keyword: str) -> tuple[BaseTag, str]:
    """Tag and value representation of an attribute of the data dictionary (PS3.6)."""
    return Tag(keyword), dictionary_VR(keyword)


def first_item(dataset: Dataset, keyword: str) -> Dataset:
    """The first item of a sequence, or an empty data set."""
    items = dataset.get(keyword)
    found: Dataset = items[0] if items else Dataset()
    return found


def references(header: Dataset) -> tuple[str, ...]:
    """SeriesInstanceUIDs on which a SEG (PS3.3 C.12.1.2.2) or RTSTRUCT (PS3.3 C.8.8.5) was drawn."""
    series = list(header.get("ReferencedSeriesSequence") or ())
    for frame in header.get("ReferencedFrameOfReferenceSequence") or ():
        for study in frame.get("RTReferencedStudySequence") or ():
            series += study.get("RTReferencedSeriesSequence") or ()
    uids = (word(item, "SeriesInstanceUID") for item in series)
    return tuple(dict.fromkeys(uid for uid in uids if uid))
