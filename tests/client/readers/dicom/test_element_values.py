"""Values of elements: the same whether pydicom has converted them or not, and none for rubbish."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from client.readers.dicom import element_values
from client.readers.dicom.opening import open_header
from tests.client.readers.dicom.dicom_objects import base, item, ramp, save


def headers(folder: Path, **elements: Any) -> tuple[Dataset, Dataset]:
    """A data set as it was built, and as it is read: its elements still raw."""
    data = base(ramp(1)[0], **elements)
    return data, open_header(save(folder / "x", data))


@pytest.mark.parametrize(
    ("keyword", "stated", "values"),
    [
        ("PixelSpacing", [0.75, 0.5], [0.75, 0.5]),
        ("RescaleSlope", "2.5", [2.5]),
        ("InstanceNumber", "0", [0.0]),
        ("SamplesPerPixel", 1, [1.0]),
        ("DiffusionBValue", 1000.0, [1000.0]),
        ("PixelSpacing", None, None),
    ],
)
def test_numbers(tmp_path: Path, keyword: str, stated: Any, values: list[float] | None) -> None:
    built, read = headers(tmp_path, **({keyword: stated} if stated is not None else {}))
    assert element_values.numbers(built, keyword) == values
    assert element_values.numbers(read, keyword) == values


def test_what_is_no_number_is_none(tmp_path: Path) -> None:
    path = save(tmp_path / "x", base(ramp(1)[0], RescaleSlope="1234.5"))
    path.write_bytes(path.read_bytes().replace(b"1234.5", b"smith "))
    header = open_header(path)
    assert element_values.numbers(header, "RescaleSlope") is None
    assert element_values.whole(header, "RescaleSlope", 7) == 7


def test_whole_takes_the_first_value_and_no_infinite_one(tmp_path: Path) -> None:
    for header in headers(tmp_path, PixelSpacing=[3.9, 1.0], DiffusionBValue=float("inf")):
        assert element_values.whole(header, "PixelSpacing") == 3
        assert element_values.whole(header, "DiffusionBValue", 5) == 5
        assert element_values.whole(header, "EchoTime") == 0


def test_words_lose_their_padding(tmp_path: Path) -> None:
    for header in headers(tmp_path, ImageType=["ORIGINAL", "PRIMARY"], PatientID=" 0815 "):
        assert element_values.words(header, "ImageType") == ("ORIGINAL", "PRIMARY")
        assert element_values.word(header, "ImageType") == "ORIGINAL\\PRIMARY"
        assert element_values.word(header, "PatientID") == "0815"
        assert element_values.words(header, "StationName") == ()
        assert element_values.word(header, "StationName") == ""


def test_words_outside_ascii_are_decoded_by_their_character_set(tmp_path: Path) -> None:
    elements = {"SpecificCharacterSet": "ISO_IR 100", "SeriesDescription": "Schädel"}
    for header in headers(tmp_path, **elements):
        assert element_values.word(header, "SeriesDescription") == "Schädel"


def test_first_item_of_an_absent_sequence_is_empty() -> None:
    data = item(RequestAttributesSequence=[item(AccessionNumber="1"), item()])
    assert element_values.first_item(data, "RequestAttributesSequence").AccessionNumber == "1"
    assert len(element_values.first_item(Dataset(), "RequestAttributesSequence")) == 0


def test_references_of_segments_and_of_structures_each_once() -> None:
    series = [item(SeriesInstanceUID="1.2"), item(SeriesInstanceUID="1.2"), item()]
    assert element_values.references(item(ReferencedSeriesSequence=series)) == ("1.2",)
    study = item(RTReferencedSeriesSequence=[item(SeriesInstanceUID="1.3")])
    frame = item(RTReferencedStudySequence=[study])
    structures = item(ReferencedFrameOfReferenceSequence=[frame])
    assert element_values.references(structures) == ("1.3",)
