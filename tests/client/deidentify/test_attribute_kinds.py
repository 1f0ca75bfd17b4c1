"""What an attribute may hold where the table does not name it."""

from __future__ import annotations

import pytest
from pydicom.dataelem import DataElement

from client.deidentify import attribute_kinds
from client.deidentify.values import TEXT


@pytest.mark.parametrize(
    ("tag", "vr", "value", "kept"),
    [
        (0x00080060, "CS", "CT", True),
        (0x00091001, "LO", "private", False),
        (0x00020010, "UI", "1.2.840.10008.1.2", False),
        (0x60000022, "LO", "overlay", False),
        (0x50000010, "US", 1, False),
        (0x00080005, "CS", "ISO_IR 100", False),
        (0x00280010, "LO", "a text in place of rows", False),
        (0x00081030, "LT", "another kind of text", True),
        (0x00081999, "LO", "not in the dictionary", False),
    ],
)
def test_what_is_kept_at_all(tag: int, vr: str, value: object, kept: bool) -> None:
    assert attribute_kinds.is_kept_kind(DataElement(tag, vr, value)) is kept


def test_uids_of_classes_stay_unless_they_hold_something_else() -> None:
    tag = 0x00080016
    assert attribute_kinds.names_a_class(DataElement(tag, "UI", "1.2.840.10008.5.1.4.1.1.2"))
    assert not attribute_kinds.names_a_class(DataElement(tag, "UI", "Jane Doe"))
    assert not attribute_kinds.names_a_class(DataElement(0x00080018, "UI", "1.2.3"))


def test_free_texts_become_a_dummy_and_those_of_the_patient_go() -> None:
    comment = DataElement(0x00204000, "LT", "talk to Jane")
    about_patient = DataElement(0x00102180, "SH", "nurse")
    label = DataElement(0x00620005, "LO", "left kidney of Jane")
    code = DataElement(0x00080060, "CS", "CT")
    dummy = attribute_kinds.without_free_text(comment)
    assert dummy is not None and dummy.value == TEXT
    assert attribute_kinds.without_free_text(about_patient) is None
    assert attribute_kinds.without_free_text(label) is label
    assert attribute_kinds.without_free_text(code) is code


def test_harmless_words_and_structure() -> None:
    assert attribute_kinds.is_harmless(DataElement(0x0008103E, "LO", "chest"))
    assert not attribute_kinds.is_harmless(DataElement(0x0008103E, "LO", "chest of Jane"))
    assert attribute_kinds.is_structure(DataElement(0x0040A040, "CS", "TEXT"))
    assert not attribute_kinds.is_structure(DataElement(0x00080060, "CS", "CT"))
