"""The file meta group is made from the new header, and tells nothing of the sender."""

from __future__ import annotations

import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRBigEndian, ExplicitVRLittleEndian

from client.deidentify import file_meta
from common.errors import CaseError


def source(**meta: str) -> Dataset:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    for name, value in meta.items():
        setattr(header.file_meta, name, value)
    return header


def test_the_sender_does_not_go_along() -> None:
    old = source(TransferSyntaxUID=ExplicitVRLittleEndian, SourceApplicationEntityTitle="MERCY")
    header = Dataset()
    header.SOPClassUID = CTImageStorage
    header.SOPInstanceUID = "2.25.7"
    meta = file_meta.anew(old, header, lambda uid: f"new {uid}")
    assert "SourceApplicationEntityTitle" not in meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (
        CTImageStorage,
        "2.25.7",
    )


def test_an_instance_that_only_the_old_group_names_is_replaced() -> None:
    old = source(TransferSyntaxUID=ExplicitVRLittleEndian, MediaStorageSOPInstanceUID="1.2.3")
    meta = file_meta.anew(old, Dataset(), lambda uid: f"2.25.{uid[-1]}")
    assert meta.MediaStorageSOPInstanceUID == "2.25.3"


def test_without_a_syntax_the_encoding_that_was_read_tells_it() -> None:
    old = Dataset()
    with pytest.raises(CaseError):
        file_meta.anew(old, Dataset(), str)
    old._read_implicit = False
    old._read_little = False
    assert file_meta.anew(old, Dataset(), str).TransferSyntaxUID == ExplicitVRBigEndian


def test_a_syntax_that_is_none_is_refused() -> None:
    with pytest.raises(CaseError):
        file_meta.anew(source(TransferSyntaxUID=CTImageStorage), Dataset(), str)
