"""One DICOM file to one pydicom data set, within limits; every DICOM file is opened here.

A file may claim anything. Bytes and elements are counted while pydicom reads them, so that neither
a deflated data set (PS3.5 A.5) nor nested sequences (PS3.5 7.5) can take more memory than the
limits below allow.
"""

from __future__ import annotations

import logging
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
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from client.readers.dicom.reasons import DicomError, Reason
from common.errors import CaseError

# pydicom's warnings would quote the values of elements.
config.settings.reading_validation_mode = config.IGNORE
warnings.filterwarnings("ignore", module=r"pydicom\b")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

LARGEST_FILE = 1 << 31
"""Most bytes of one file."""
LARGEST_HEADER = 1 << 26
"""Most bytes of all elements before the pixels."""
LARGEST_INFLATED = 1 << 29
"""Most bytes of a deflated data set once inflated."""
RATIO = 100
"""How many times its size a deflated data set may grow."""
FREE = 1 << 24
"""Bytes up to which it may grow by any factor."""
DEEPEST = 32
"""Most sequences inside one another."""
_MOST_READS = 1_000_000
"""Most elements and items; pydicom reads the head of each with one or two calls."""
_MOST_ITEMS = 100_000
_CHUNK = 1 << 20
_META = 132
"""File meta elements begin after the preamble and ``DICM`` (PS3.10 7.1)."""
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")


def open_header(path: Path, pixels: bool = False) -> Dataset:
    """The elements of a DICOM file (PS3.10).

    Args:
        path: the file.
        pixels: whether to go on to PixelData and what follows it; without, reading stops before it.

    Returns:
        A pydicom ``FileDataset`` whose sequences are all parsed; other values are converted on use,
        so :func:`guarded` belongs around that. A deflated file comes out inflated, as Explicit VR
        Little Endian.

    Raises:
        CaseError: no DICOM, damaged, or beyond a limit of this module (a
            :class:`~client.readers.dicom.reasons.DicomError` with its code).
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
        # Some bytes are read twice.
        most = 2 * size if pixels else LARGEST_HEADER
        header: Dataset = pydicom.dcmread(
            _Bounded(source, size, most), stop_before_pixels=not pixels
        )
        if deflated:
            header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        _check_depth(header)
        return header


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises into a CaseError whose local text names the file."""
    try:
        yield
    except CaseError as error:
        raise error.at(path) from None
    except (RecursionError, MemoryError) as error:
        reason = Reason.NESTED if isinstance(error, RecursionError) else Reason.TOO_LARGE
        raise DicomError(reason, f"{path}: {type(error).__name__}") from None
    except InvalidDicomError:
        raise DicomError(Reason.DAMAGED, f"{path}: no DICOM file", "dicom.not_dicom") from None
    # pydicom and its codecs raise nearly anything on a damaged file.
    except Exception as error:
        raise DicomError(Reason.DAMAGED, f"{path}: {error!r}") from None


class _Bounded:
    """A file for pydicom that ends reading beyond a limit and gives no more than the file holds."""

    def __init__(self, file: BinaryIO, size: int, most: int) -> None:
        self._file = file
        self._size = size
        self._left = most
        self._calls = _MOST_READS
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        # pydicom reads so only to inflate: a deflated file whose meta elements are out of order.
        if size < 0:
            raise DicomError(Reason.DAMAGED, "read without a length")
        # Only large reads ask where the file ends: small ones are too many.
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
    """Where the file meta elements end, and whether the data set behind them is deflated.

    They are always Explicit VR Little Endian (PS3.10 7.1).
    """
    head = file.read(1 << 16)
    if head[128:_META] != b"DICM":
        raise InvalidDicomError
    position = _META
    deflated = False
    while head[position : position + 2] == b"\x02\x00" and position + 12 <= len(head):
        kind = head[position + 4 : position + 6]
        start = position + (12 if kind in _LONG else 8)
        if kind in _LONG:
            length = struct.unpack_from("<I", head, position + 8)[0]
        else:
            length = struct.unpack_from("<H", head, position + 6)[0]
        if head[position + 2 : position + 4] == b"\x10\x00":
            syntax = head[start : start + length].rstrip(b"\0 ")
            deflated = syntax == DeflatedExplicitVRLittleEndian.encode()
        position = start + length
    return position, deflated


def _inflated_file(file: BinaryIO, end: int, size: int) -> BytesIO:
    """The file with its data set inflated and its transfer syntax that of one not deflated."""
    file.seek(0)
    head = file.read(end)
    most = min(LARGEST_INFLATED, max(FREE, RATIO * (size - end)))
    old = DeflatedExplicitVRLittleEndian.encode()
    new = ExplicitVRLittleEndian.encode()
    # Padded to the same length, so that the stated lengths stay true.
    head = head.replace(old, new.ljust(len(old), b"\0"), 1)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    inflated = BytesIO()
    inflated.write(head)
    while not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(_CHUNK)):
        inflated.write(inflater.decompress(chunk, _CHUNK))
        if inflated.tell() > most + len(head):
            raise DicomError(Reason.TOO_LARGE, f"deflated: more than {most} bytes from {size}")
    return inflated


def _check_depth(header: Dataset) -> None:
    """Parse level by level, without recursion, the sequences that pydicom left for later."""
    level = [header]
    depth = 0
    items = 0
    while level:
        below = [
            item
            for dataset in level
            for raw in list(dataset.elements())
            for item in _items(dataset, raw)
        ]
        depth += bool(below)
        items += len(below)
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
        # Of unknown kind: a sequence only if it begins as one.
        if kind != "SQ" and value[:4] not in _ITEMS:
            return ()
        if max(value.count(mark) for mark in _ITEMS) > _MOST_ITEMS:
            raise DicomError(Reason.TOO_LARGE, f"more than {_MOST_ITEMS} sequence items")
    element = dataset[raw.tag]
    return list(element.value) if element.VR == "SQ" and element.value else ()
