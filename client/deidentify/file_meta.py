"""Group 0002 written anew: what the sender, its program and its address were does not go along."""

from __future__ import annotations

from collections.abc import Callable

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from common.errors import CaseError


def anew(source: Dataset, header: Dataset, replaced: Callable[[str], str]) -> FileMetaDataset:
    """The file meta group of a new header.

    Args:
        source: the header that was read.
        header: the new one.
        replaced: gives the replacement of a UID.

    Raises:
        CaseError: the source states no transfer syntax, or none that there is.
    """
    old = getattr(source, "file_meta", Dataset())
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(
        str(header.get("SOPClassUID") or old.get("MediaStorageSOPClassUID") or "")
    )
    meta.MediaStorageSOPInstanceUID = UID(
        str(
            header.get("SOPInstanceUID")
            or replaced(str(old.get("MediaStorageSOPInstanceUID") or ""))
        )
    )
    meta.TransferSyntaxUID = UID(str(old.get("TransferSyntaxUID") or _syntax(source)))
    if not meta.TransferSyntaxUID.is_transfer_syntax:
        raise CaseError("dicom.syntax")
    return meta


def _syntax(source: Dataset) -> UID:
    """The transfer syntax in which a file without a meta group was read."""
    implicit, little = source.original_encoding
    if implicit is None:
        raise CaseError("dicom.no_syntax")
    if little:
        return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return ExplicitVRBigEndian
