"""One header in, a new one without identifiers out: the Basic Application Level Confidentiality Profile (DICOM PS3.15 Annex E), at every depth.

Where the table leaves no doubt it is followed. Where it says nothing, what cannot be shown to be
harmless goes as well: private and unknown attributes (PS3.5 7.8), group 0002 of the source,
file-set records, curves and overlays as whole groups, names of persons, free texts. UIDs are
replaced unless they are registered in PS3.6 or name a class. Pixels stay as they are, without the
comments of compressed streams; :mod:`client.deidentify.burned_in` looks at them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pydicom import Dataset, config
from pydicom.datadict import get_entry
from pydicom.dataelem import DataElement
from pydicom.dataset import FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from client.deidentify import codestreams, descriptors, profile, residual
from client.deidentify.pseudonyms import Pseudonyms
from client.deidentify.values import dummy, elements, empty, moved, texts
from common.errors import CaseError

config.settings.reading_validation_mode = (
    config.IGNORE
)  # pydicom's warnings would quote the values of elements
config.settings.writing_validation_mode = config.IGNORE

_PATIENT_NAME, _PATIENT_ID, _ISSUER, _CHARACTERS = 0x00100010, 0x00100020, 0x00100021, 0x00080005
_DROPPED_GROUPS = (0x0000, 0x0002, 0x0004, 0x0014, 0x4010)
"""Commands, file meta, file sets; testing of materials and security of travellers, which have no place in a hospital's image."""
_PATIENT = 0x0010
_TIMES = ("DA", "DT", "TM")
_FREE = ("LT", "ST", "UT", "UC", "UR")
_DESCRIPTIVE = ("LO", "SH", "LT", "ST", "UT", "UC")
_TELLING = (
    "Comment",
    "Comments",
    "Description",
    "Explanation",
    "Notes",
    "Text",
    "Label",
    "UserGroupName",
    "Creator",
)
"""Ends of keywords of short texts that people type; what segments are called stays, since that is what is learned."""
_TEXT = (*_DESCRIPTIVE, "UR", "CS", "AE", "PN")
_BINARY = ("OB", "OD", "OF", "OL", "OV", "OW")
_STRUCTURE = frozenset(
    (
        "ValueType",
        "RelationshipType",
        "ContinuityOfContent",
        "GraphicType",
        "GraphicAnnotationUnits",
        "BoundingBoxAnnotationUnits",
    )
)
"""Codes that say how a sequence is built, and nothing about anybody."""
_NUMBERS = re.compile(r"[0-9.]{1,64}")
"""What a UID is made of (PS3.5 9.1)."""
_CLASSES = (
    "ClassUID",
    "ClassUIDInFile",
    "TransferSyntaxUID",
    "ClassesInStudy",
    "ClassesInSeries",
    "CodingSchemeUID",
    "ContextUID",
)
_METHODS = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
}
"""CID 7050 (PS3.16)."""


@dataclass(frozen=True)
class Options:
    """What is kept beyond the basic profile.

    Attributes:
        modified_dates: dates move by days that are fixed for a patient, times of day stay; else
            both go.
        clean_descriptors: descriptions of harmless words stay; else all of them go.
    """

    modified_dates: bool = True
    clean_descriptors: bool = True

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of CID 7050 for what was done."""
        return (
            "113100",
            *(["113105"] if self.clean_descriptors else []),
            *(["113107"] if self.modified_dates else []),
        )


BASIC_AND_BOTH = Options()


def deidentify(dataset: Dataset, names: Pseudonyms, options: Options = BASIC_AND_BOTH) -> Dataset:
    """A new data set with a new file meta group and an empty preamble; the source stays unchanged but for the decoding of its elements.

    Raises:
        CaseError: the source states no way in which it is encoded.
    """
    who = owner(dataset)
    work = _Work(names, options, names.days(*who))
    made = work.item(dataset)
    residual.remove(made, residual.identifiers(dataset))
    made.PatientID = made.PatientName = names.patient(*who)
    _say_so(made, options)
    made.preamble = bytes(128)
    made.file_meta = _meta(dataset, made, work)
    if "PixelData" in made and made.file_meta.TransferSyntaxUID.is_encapsulated:
        made["PixelData"] = _blanked(made["PixelData"])
    return made


def owner(dataset: Dataset) -> tuple[str, str]:
    """``(PatientID, its issuer)``; without a PatientID the study, else the object itself, stands for its patient."""
    number, issuer = (_text(dataset, tag) for tag in (_PATIENT_ID, _ISSUER))
    if number:
        return number, issuer
    return "", f"study:{dataset.get('StudyInstanceUID') or dataset.get('SOPInstanceUID') or ''}"


@dataclass(frozen=True)
class _Work:
    names: Pseudonyms
    options: Options
    days: int

    def item(self, source: Dataset) -> Dataset:
        """A header or an item of a sequence."""
        return self._all(source, self._one)

    def _hollow(self, source: Dataset) -> Dataset:
        """An item of a sequence that the table wants replaced: its form stays, every value in it is a dummy."""
        return self._all(source, self._hollowed)

    def _all(
        self, source: Dataset, treat: Callable[[DataElement, Dataset], DataElement | None]
    ) -> Dataset:
        made = Dataset()
        for element in elements(source):
            treated = treat(element, source) if _known(element) else None
            if treated is not None:
                made[element.tag] = treated
        return made

    def _one(self, element: DataElement, item: Dataset) -> DataElement | None:
        rule = profile.rule(int(element.tag))
        if element.tag in (_PATIENT_ID, _PATIENT_NAME) and not element.is_empty:
            number, issuer = (_text(item, tag) for tag in (_PATIENT_ID, _ISSUER))
            return _with(element, self.names.patient(number, issuer)) if number else empty(element)
        if rule is None:
            return self._unlisted(element)
        if rule.dates and self.options.modified_dates and element.VR in _TIMES:
            return self._moved(element) or self._basic(element, rule.action)
        if rule.descriptors and self.options.clean_descriptors and _harmless(element):
            return element
        return self._basic(element, rule.action)

    def _basic(self, element: DataElement, action: str) -> DataElement | None:
        if action == "X":
            return None
        if element.is_empty:
            return element
        if action == "Z":
            return empty(element)
        if element.VR == "UI":
            return self._uids(element)
        if element.VR == "SQ":
            return self._items(element, self.item if action == "U" else self._hollow)
        return dummy(element)

    def _unlisted(self, element: DataElement) -> DataElement | None:
        """An attribute that the table does not name stays, unless it is of a kind that may hold anything."""
        if element.VR == "SQ":
            return self._items(element, self.item)
        if element.is_empty:
            return element
        if element.VR == "UI":
            return element if _names_a_class(element) else self._uids(element)
        if element.VR in _TIMES:
            return (self._moved(element) if self.options.modified_dates else None) or dummy(element)
        return _plain(element)

    def _hollowed(self, element: DataElement, item: Dataset) -> DataElement | None:
        if element.VR == "SQ":
            return self._items(element, self._hollow)
        if element.is_empty or element.keyword in _STRUCTURE:
            return element
        return self._unlisted(element) if element.VR == "UI" else dummy(element)

    def _items(self, element: DataElement, treat: Callable[[Dataset], Dataset]) -> DataElement:
        return DataElement(element.tag, "SQ", Sequence([treat(one) for one in element.value]))

    def _uids(self, element: DataElement) -> DataElement:
        return _with(element, [self.uid(text) for text in texts(element)])

    def uid(self, old: str) -> str:
        """The replacement of a UID; empty ones and those of PS3.6 Annex A stay."""
        text = old.strip(" \0")
        return text if not text or UID(text).name != text else self.names.uid(text)

    def _moved(self, element: DataElement) -> DataElement | None:
        if element.is_empty:
            return element
        values = [moved(text, element.VR, self.days) for text in texts(element)]
        return (
            None
            if None in values
            else _with(element, [value for value in values if value is not None])
        )


def _text(dataset: Dataset, tag: int) -> str:
    return str(dataset[tag].value or "").strip(" \0") if tag in dataset else ""


def _known(element: DataElement) -> bool:
    """Whether an attribute is in the dictionary (PS3.6), of a known kind, and of a group that is kept."""
    group = element.tag.group
    if (
        element.tag.is_private
        or element.tag.element == 0
        or group in _DROPPED_GROUPS
        or group >> 8 in (0x50, 0x60)
    ):
        return False
    if element.VR == "UN" or element.tag == _CHARACTERS:
        return False
    try:
        stated = get_entry(element.tag)[0].split(" or ")
    except KeyError:
        return False
    for alike in (
        _TEXT,
        _BINARY,
    ):  # text in place of a number, or bytes in place of a text, may be anything
        if element.VR in alike:
            return not set(stated).isdisjoint(alike)
    return True


def _names_a_class(element: DataElement) -> bool:
    return element.keyword.endswith(_CLASSES) and all(
        _NUMBERS.fullmatch(text) for text in texts(element)
    )


def _plain(element: DataElement) -> DataElement | None:
    """An unlisted attribute that is neither a UID nor a date: what people type becomes a dummy, or goes if it is about the patient."""
    if (
        element.tag.group == _PATIENT and element.VR in _DESCRIPTIVE
    ):  # e.g. a date of birth in another calendar
        return None
    told = (
        element.VR in _DESCRIPTIVE
        and element.keyword.endswith(_TELLING)
        and element.keyword != "SegmentLabel"
    )
    if element.VR == "PN" or ((told or element.VR in _FREE) and not _harmless(element)):
        return dummy(element)
    return element


def _harmless(element: DataElement) -> bool:
    return element.VR in _DESCRIPTIVE and all(descriptors.harmless(text) for text in texts(element))


def _with(element: DataElement, value: str | list[str]) -> DataElement:
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    return DataElement(
        element.tag, element.VR, MultiValue(str, one) if isinstance(one, list) else one
    )


def _blanked(element: DataElement) -> DataElement:
    new = DataElement(element.tag, element.VR, codestreams.blanked(element.value))
    new.is_undefined_length = True
    return new


def _say_so(made: Dataset, options: Options) -> None:
    """What was done and by which edition (PS3.15 E.1.1: (0012,0062), (0012,0063), (0012,0064), (0028,0303))."""
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientIdentityRemoved = "YES"
    made.DeidentificationMethod = [
        f"DICOM PS3.15 {profile.EDITION} Annex E",
        *(_METHODS[code] for code in options.codes),
    ]
    made.DeidentificationMethodCodeSequence = Sequence([_code(code) for code in options.codes])
    made.LongitudinalTemporalInformationModified = (
        "MODIFIED" if options.modified_dates else "REMOVED"
    )


def _code(code: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", _METHODS[code]
    return item


def _meta(source: Dataset, made: Dataset, work: _Work) -> FileMetaDataset:
    """Group 0002 written anew: what the sender, its program and its address were does not go along."""
    old = getattr(source, "file_meta", Dataset())
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(
        str(made.get("SOPClassUID") or old.get("MediaStorageSOPClassUID") or "")
    )
    meta.MediaStorageSOPInstanceUID = UID(
        str(
            made.get("SOPInstanceUID") or work.uid(str(old.get("MediaStorageSOPInstanceUID") or ""))
        )
    )
    meta.TransferSyntaxUID = UID(str(old.get("TransferSyntaxUID") or _syntax(source)))
    if not meta.TransferSyntaxUID.is_transfer_syntax:
        raise CaseError("dicom.syntax")
    return meta


def _syntax(source: Dataset) -> UID:
    implicit, little = source.original_encoding
    if implicit is None:
        raise CaseError("dicom.no_syntax")
    if little:
        return ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return ExplicitVRBigEndian
