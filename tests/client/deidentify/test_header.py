"""One header at a time: what goes, what stays, what is put in its place, at every depth."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

from client.deidentify.header import deidentify, owner
from client.deidentify.method_codes import Options
from client.deidentify.pseudonyms import Pseudonyms
from common.errors import CaseError
from tests.client.deidentify import phantom, scorer

NAMES = Pseudonyms(bytes(range(32)))
DAYS = NAMES.days("PID77418", "MERCY")


def through(header: Dataset, options: Options | None = None) -> Dataset:
    """De-identified, written and read again."""
    new = deidentify(header, NAMES, options or Options())
    file = BytesIO()
    new.save_as(file, enforce_file_format=True)
    return pydicom.dcmread(BytesIO(file.getvalue()))


@pytest.fixture
def new() -> Dataset:
    return through(phantom.header())


def test_it_is_conformant() -> None:
    source = phantom.header()
    memory = scorer.Memory()
    assert list(scorer.score(phantom.header(), through(source), memory, scorer.table())) == []
    assert memory.new[phantom.STUDY] == NAMES.uid(phantom.STUDY)


def test_it_says_what_was_done(new: Dataset) -> None:
    assert new.PatientIdentityRemoved == "YES"
    assert new.DeidentificationMethod[0] == "DICOM PS3.15 2026c Annex E"
    assert all(len(text) <= 64 for text in new.DeidentificationMethod)
    codes = [
        (item.CodeValue, item.CodingSchemeDesignator)
        for item in new.DeidentificationMethodCodeSequence
    ]
    assert codes == [("113100", "DCM"), ("113105", "DCM"), ("113107", "DCM")]
    assert new.LongitudinalTemporalInformationModified == "MODIFIED"


def test_without_the_options_dates_and_descriptions_go() -> None:
    new = through(phantom.header(), Options(modified_dates=False, clean_descriptors=False))
    assert new.StudyDate == new.StudyTime == ""
    assert new.SeriesDate == "19000101"
    assert "SeriesDescription" not in new
    assert [item.CodeValue for item in new.DeidentificationMethodCodeSequence] == ["113100"]
    assert new.LongitudinalTemporalInformationModified == "REMOVED"


def test_patient_and_file_have_their_new_names_only(new: Dataset) -> None:
    assert new.PatientID == new.PatientName == NAMES.patient("PID77418", "MERCY")
    assert new.PatientBirthDate == new.PatientSex == new.AccessionNumber == ""
    assert not {
        "PatientAge",
        "PatientAddress",
        "OtherPatientIDs",
        "IssuerOfPatientID",
        "ImageComments",
    } & set(new.dir())
    assert new.preamble == bytes(128)
    assert (
        new.file_meta.MediaStorageSOPInstanceUID
        == new.SOPInstanceUID
        == NAMES.uid(f"{phantom.OBJECT}.0")
    )
    assert "SourceApplicationEntityTitle" not in new.file_meta


def test_dates_move_together_and_times_stay(new: Dataset) -> None:
    assert new.StudyDate == new.SeriesDate == new.ContentDate != "20210304"
    assert new.AcquisitionDateTime == f"{new.StudyDate}101112.5+0100"
    assert new.StudyTime == "101112"
    assert int(new.StudyDate[:4]) < 2021


def test_descriptions_of_harmless_words_stay_and_others_go(new: Dataset) -> None:
    assert new.SeriesDescription == "CHEST AP portable"
    assert "StudyDescription" not in new


def test_what_training_needs_stays(new: Dataset) -> None:
    source = phantom.header()
    for name in (
        "Modality",
        "Rows",
        "Columns",
        "PixelData",
        "ImageType",
        "PhotometricInterpretation",
        "BitsStored",
        "Manufacturer",
    ):
        assert new[name].value == source[name].value
    assert new.SOPClassUID == ComputedRadiographyImageStorage
    assert new.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_private_unknown_curve_and_overlay_groups_go_at_every_depth(new: Dataset) -> None:
    tags = [int(element.tag) for element in new.iterall()]
    assert tags
    assert not [tag for tag in tags if (tag >> 16) % 2 or tag >> 24 in (0x50, 0x60)]


def test_references_find_their_objects(new: Dataset) -> None:
    [reference] = new.ReferencedImageSequence
    assert reference.ReferencedSOPInstanceUID == new.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == ComputedRadiographyImageStorage


def test_a_number_of_the_patient_in_an_attribute_that_stays_is_found(new: Dataset) -> None:
    assert new.ManufacturerModelName == "REMOVED"


@pytest.mark.parametrize("characters", phantom.PATIENTS)
@pytest.mark.parametrize("implicit", [False, True])
def test_nothing_planted_is_left_in_any_character_set(characters: str, implicit: bool) -> None:
    source = phantom.header(characters, implicit=implicit)
    file = BytesIO()
    source.save_as(file, enforce_file_format=True)
    new = deidentify(pydicom.dcmread(BytesIO(file.getvalue())), NAMES)
    written = BytesIO()
    new.save_as(written, enforce_file_format=True)
    assert leaks(written.getvalue(), characters) == []
    assert leaks(file.getvalue(), characters) != []


def leaks(content: bytes, characters: str) -> list[str]:
    name = phantom.PATIENTS[characters].replace("=", "^")
    words = [*phantom.PLANTED, *name.split("^")]
    text = str(pydicom.dcmread(BytesIO(content))).casefold()
    codecs = ("utf-8", "latin-1", "iso8859-5", "iso2022_jp", "gb18030", "utf-16-le")
    return [
        word
        for word in words
        if word.casefold() in text or any(encoded(word, codec) in content for codec in codecs)
    ]


def encoded(word: str, codec: str) -> bytes:
    try:
        return word.encode(codec)
    except UnicodeEncodeError:
        return b"\0no such letters in this set\0"


def test_the_same_twice_is_the_same_bytes() -> None:
    one, other = BytesIO(), BytesIO()
    deidentify(phantom.header(), NAMES).save_as(one, enforce_file_format=True)
    deidentify(phantom.header(), Pseudonyms(bytes(range(32)))).save_as(
        other, enforce_file_format=True
    )
    assert one.getvalue() == other.getvalue()


def test_the_source_stays_as_it_is() -> None:
    source = phantom.header()
    before = str(source)
    deidentify(source, NAMES)
    assert str(source) == before


def test_two_files_of_a_patient_fit_together_and_two_patients_do_not() -> None:
    one, same, other = phantom.header(number=1), phantom.header(number=2), phantom.header(number=3)
    other.PatientID = "PID9"
    new = [deidentify(source, NAMES) for source in (one, same, other)]
    assert new[0].PatientID == new[1].PatientID != new[2].PatientID
    assert new[0].StudyDate == new[1].StudyDate != new[2].StudyDate
    assert new[0].StudyInstanceUID == new[1].StudyInstanceUID
    assert new[0].SOPInstanceUID != new[1].SOPInstanceUID


def test_without_a_patient_id_the_study_stands_for_the_patient() -> None:
    source = phantom.header()
    source.PatientID = " "
    assert owner(source) == ("", f"study:{phantom.STUDY}")
    other = phantom.header()
    del other.PatientID
    other.StudyInstanceUID = "1.2.3.4.9"
    assert deidentify(source, NAMES).PatientID != deidentify(other, NAMES).PatientID


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("StudyDate", "last spring"),
        ("SeriesDate", "2021"),
        ("AcquisitionDateTime", "2021"),
        ("StudyTime", "at noon"),
    ],
)
def test_a_date_that_cannot_be_moved_goes(keyword: str, value: str) -> None:
    source = phantom.header()
    source.add(
        pydicom.DataElement(
            keyword, source[keyword].VR, value, validation_mode=pydicom.config.IGNORE
        )
    )
    assert value not in str(deidentify(source, NAMES))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SegmentDescription", "drawn by Jane Doe"),
        ("TextValue", "Jane Doe"),
        ("DocumentAuthorTrial", "Doe^Jane"),
        ("RetrieveURL", "https://pacs.example/Doe"),
        ("DetectorMode", "Jane Doe"),
        ("UniversalEntityID", "Jane Doe"),
        ("DoseComment", "told by Jane Doe"),
        ("WindowCenterWidthExplanation", "as Jane Doe"),
        ("FrameLabel", "Jane Doe"),
    ],
)
def test_free_texts_and_names_that_the_table_does_not_list_become_dummies(
    keyword: str, value: str
) -> None:
    source, item = phantom.header(), Dataset()
    setattr(source, keyword, value)
    setattr(item, keyword, value)
    source.AnatomicRegionSequence = Sequence([item])
    new = through(source)
    assert "Doe" not in str(new)
    assert keyword in new
    assert keyword in new.AnatomicRegionSequence[0]


@pytest.mark.parametrize(
    "keyword",
    [
        "FrameOfReferenceUID",
        "TargetFrameOfReferenceUID",
        "IrradiationEventUID",
        "CreatorVersionUID",
    ],
)
def test_uids_are_replaced_whether_listed_or_not(keyword: str) -> None:
    source = phantom.header()
    setattr(source, keyword, "1.2.3.99")
    assert through(source)[keyword].value == NAMES.uid("1.2.3.99")


def test_many_uids_in_one_attribute_are_all_replaced() -> None:
    source = phantom.header()
    source.IrradiationEventUID = ["1.2.3.98", "1.2.3.99"]
    assert list(through(source).IrradiationEventUID) == [
        NAMES.uid("1.2.3.98"),
        NAMES.uid("1.2.3.99"),
    ]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        (
            "FrameOfReferenceUID",
            "1.2.840.10008.1.4.1.1",
        ),  # Talairach brain atlas, registered in PS3.6
        ("CodingSchemeUID", "1.2.3.99"),
        ("ReferencedSOPClassUID", "1.2.3.99"),
    ],
)
def test_registered_uids_and_those_of_classes_stay(keyword: str, value: str) -> None:
    source = phantom.header()
    setattr(source, keyword, value)
    assert through(source)[keyword].value == value


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.19630412", "1.2.840.10008./../../x", "Jane Doe", "../../x"]
)
@pytest.mark.parametrize(
    "keyword", ["SOPInstanceUID", "StudyInstanceUID", "SOPClassUID", "CodingSchemeUID"]
)
def test_what_only_looks_registered_is_replaced(keyword: str, uid: str) -> None:
    source = phantom.header()
    source[keyword] = pydicom.DataElement(keyword, "UI", uid, validation_mode=pydicom.config.IGNORE)
    value = deidentify(source, NAMES)[keyword].value
    assert value == (
        uid
        if keyword in ("SOPClassUID", "CodingSchemeUID") and uid.startswith("1.2.840.10008.1")
        else NAMES.uid(uid)
    )


@pytest.mark.parametrize("uid", ["Jane Doe", "1.2.3"])
def test_a_transfer_syntax_that_nobody_knows_is_refused(uid: str) -> None:
    source = phantom.header()
    source.file_meta.TransferSyntaxUID = UID(uid, validation_mode=pydicom.config.IGNORE)
    with pytest.raises(CaseError, match="transfer syntax"):
        deidentify(source, NAMES)


def test_a_report_keeps_its_form_and_none_of_its_content() -> None:
    source, text, code = phantom.header(), Dataset(), Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = (
        "1",
        "99MERCY",
        "Attending Jane Doe",
    )
    text.ValueType, text.RelationshipType, text.TextValue, text.PersonName = (
        "TEXT",
        "CONTAINS",
        "Jane Doe, 12.3.",
        "Doe^Jane",
    )
    text.ConceptNameCodeSequence, text.ContentSequence = Sequence([code]), Sequence([Dataset()])
    source.ContentSequence = Sequence([text])
    [item] = through(source).ContentSequence
    assert (item.ValueType, item.RelationshipType, item.TextValue) == (
        "TEXT",
        "CONTAINS",
        "REMOVED",
    )
    assert item.ConceptNameCodeSequence[0].CodeMeaning == "REMOVED"
    assert len(item.ContentSequence) == 1


@pytest.mark.parametrize("vr", ["UN", "LO", "OB"])
def test_attributes_that_no_dictionary_knows_go(vr: str) -> None:
    source = phantom.header()
    source.add_new(0x00181FFE, vr, "Jane Doe" if vr == "LO" else b"Jane Doe")
    source.add_new(0x00080000, "UL", 4)
    new = deidentify(source, NAMES)
    assert 0x00181FFE not in new
    assert 0x00080000 not in new


@pytest.mark.parametrize("vr", ["LO", "CS", "AE", "LT"])
@pytest.mark.parametrize("tag", [0x00280120, 0x00180050, 0x00200013])
def test_text_where_a_number_belongs_goes(tag: int, vr: str) -> None:
    source = phantom.header()
    source[tag] = pydicom.DataElement(tag, vr, "Jane Doe", validation_mode=pydicom.config.IGNORE)
    assert tag not in deidentify(source, NAMES)


def test_bytes_where_text_belongs_go() -> None:
    source = phantom.header()
    source[0x00080070] = pydicom.DataElement(0x00080070, "OB", b"Jane Doe")
    assert "Manufacturer" not in deidentify(source, NAMES)


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientBirthDateInAlternativeCalendar",
        "PatientDeathDateInAlternativeCalendar",
        "PatientBreedDescription",
    ],
)
def test_texts_about_the_patient_that_the_table_does_not_list_go(keyword: str) -> None:
    source = phantom.header()
    setattr(source, keyword, "S38.04.12")
    assert keyword not in deidentify(source, NAMES)


def test_what_a_segment_is_called_stays() -> None:
    source, segment = phantom.header(), Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Neoplasma hepatis"
    source.SegmentSequence = Sequence([segment])
    assert through(source).SegmentSequence[0].SegmentLabel == "Neoplasma hepatis"


def test_an_element_that_cannot_be_decoded_is_left_out() -> None:
    source = phantom.header()
    file = BytesIO()
    source.save_as(file, enforce_file_format=True)
    content = file.getvalue().replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00FD\x02\x00")
    new = deidentify(pydicom.dcmread(BytesIO(content)), NAMES)
    assert "Rows" not in new
    assert new.Columns == 128


@pytest.mark.parametrize("depth", [1, 5, 20])
def test_depth_does_not_matter(depth: int) -> None:
    source = item = phantom.header()
    for _ in range(depth):
        below = Dataset()
        item.AnatomicRegionSequence = Sequence([below])
        item = below
    item.PatientName, item.StudyInstanceUID, item.StudyDate = "Doe^Jane", phantom.STUDY, "20210304"
    new: Any = deidentify(source, NAMES)
    text = str(new)
    assert "Doe" not in text
    assert "20210304" not in text
    assert text.count(NAMES.uid(phantom.STUDY)) == 2


def test_a_data_set_of_unknown_encoding_is_refused() -> None:
    source = Dataset()
    source.SOPClassUID, source.SOPInstanceUID = UID(ComputedRadiographyImageStorage), UID("1.2.3")
    with pytest.raises(CaseError, match="transfer syntax"):
        deidentify(source, NAMES)
