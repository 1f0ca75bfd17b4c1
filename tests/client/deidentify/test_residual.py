"""What named the patient in the source stands in no text that is left."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.sequence import Sequence

from client.deidentify import residual
from client.deidentify.values import TEXT


def source() -> Dataset:
    header = Dataset()
    header.PatientName = "Doe^Jane^Li"
    header.PatientID = "PID-77418"
    header.AccessionNumber = "A12"
    header.Modality = "CT"
    return header


def test_words_of_names_and_whole_numbers_identify() -> None:
    assert residual.identifiers(source()) == {"doe", "jane", "pid-77418"}


def test_names_deep_in_sequences_identify() -> None:
    header = Dataset()
    item = Dataset()
    item.PersonName = "Roe^Max"
    header.ContentSequence = Sequence([item])
    assert residual.identifiers(header) == {"roe", "max"}


def test_a_text_that_shares_a_word_is_replaced_as_a_whole() -> None:
    header = Dataset()
    header.StudyDescription = "CT of Jane"
    header.SeriesDescription = "janet"
    header.ProtocolName = "x1pid-77418y"
    item = Dataset()
    item.TextValue = "for DOE"
    header.ContentSequence = Sequence([item])
    residual.remove(header, residual.identifiers(source()))
    assert header.StudyDescription == header.ProtocolName == TEXT
    assert header.SeriesDescription == "janet"
    assert header.ContentSequence[0].TextValue == TEXT


def test_without_identifiers_nothing_changes() -> None:
    header = Dataset()
    header.StudyDescription = "CT of Jane"
    residual.remove(header, frozenset())
    assert header.StudyDescription == "CT of Jane"
