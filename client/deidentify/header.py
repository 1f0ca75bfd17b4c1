"""One header in, a new one without identifiers out, at every depth (DICOM PS3.15 Annex E).

It follows the Basic Application Level Confidentiality Profile where its table leaves no doubt;
:mod:`client.deidentify.attribute_kinds` decides about the rest. UIDs are replaced unless they are
registered in PS3.6 or name a class. Pixels stay as they are, without the comments of compressed
streams; :mod:`client.deidentify.burned_in` looks at them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydicom import Dataset, config
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID

from client.deidentify import attribute_kinds, codestreams, file_meta, profile, residual
from client.deidentify.method_codes import BASIC_AND_BOTH, Options, state_method
from client.deidentify.pseudonyms import Pseudonyms
from client.deidentify.values import dummy, elements, empty, moved, texts

# pydicom's warnings would quote the values of elements
config.settings.reading_validation_mode = config.IGNORE
config.settings.writing_validation_mode = config.IGNORE

_PATIENT_NAME = 0x00100010
_PATIENT_ID = 0x00100020
_ISSUER = 0x00100021
_TIMES = ("DA", "DT", "TM")


def deidentify(dataset: Dataset, names: Pseudonyms, options: Options = BASIC_AND_BOTH) -> Dataset:
    """A new data set with a new file meta group and an empty preamble.

    The source stays unchanged but for the decoding of its elements.

    Raises:
        CaseError: the source states no way in which it is encoded.
    """
    patient = owner(dataset)
    rewriting = _Rewriting(names, options, names.days(*patient))
    header = rewriting.item(dataset)
    # before our own texts are added, with which a patient's name may happen to share a word
    residual.remove(header, residual.identifiers(dataset))
    header.PatientID = header.PatientName = names.patient(*patient)
    state_method(header, options)
    header.preamble = bytes(128)
    header.file_meta = file_meta.anew(dataset, header, rewriting.uid)
    if "PixelData" in header and header.file_meta.TransferSyntaxUID.is_encapsulated:
        header["PixelData"] = _blanked(header["PixelData"])
    return header


def owner(dataset: Dataset) -> tuple[str, str]:
    """``(PatientID, its issuer)`` of the patient.

    Without a PatientID the study, else the object itself, stands for its patient.
    """
    number, issuer = (_text(dataset, tag) for tag in (_PATIENT_ID, _ISSUER))
    if number:
        return number, issuer
    return "", f"study:{dataset.get('StudyInstanceUID') or dataset.get('SOPInstanceUID') or ''}"


@dataclass(frozen=True)
class _Rewriting:
    names: Pseudonyms
    options: Options
    days: int

    def item(self, source: Dataset) -> Dataset:
        """A header or an item of a sequence."""
        return self._all(source, self._one)

    def _hollow(self, source: Dataset) -> Dataset:
        """An item of a sequence that the table replaces: its form with a dummy for every value."""
        return self._all(source, self._hollowed)

    def _all(
        self, source: Dataset, treat: Callable[[DataElement, Dataset], DataElement | None]
    ) -> Dataset:
        rewritten = Dataset()
        for element in elements(source):
            treated = treat(element, source) if attribute_kinds.is_kept_kind(element) else None
            if treated is not None:
                rewritten[element.tag] = treated
        return rewritten

    def _one(self, element: DataElement, item: Dataset) -> DataElement | None:
        rule = profile.rule(int(element.tag))
        if element.tag in (_PATIENT_ID, _PATIENT_NAME) and not element.is_empty:
            number, issuer = (_text(item, tag) for tag in (_PATIENT_ID, _ISSUER))
            return _with(element, self.names.patient(number, issuer)) if number else empty(element)
        if rule is None:
            return self._unlisted(element)
        if rule.dates and self.options.modified_dates and element.VR in _TIMES:
            return self._moved(element) or self._basic(element, rule.action)
        if (
            rule.descriptors
            and self.options.clean_descriptors
            and attribute_kinds.is_harmless(element)
        ):
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
        """An attribute that the table does not name stays, unless its kind may hold anything."""
        if element.VR == "SQ":
            return self._items(element, self.item)
        if element.is_empty:
            return element
        if element.VR == "UI":
            return element if attribute_kinds.names_a_class(element) else self._uids(element)
        if element.VR in _TIMES:
            return (self._moved(element) if self.options.modified_dates else None) or dummy(element)
        return attribute_kinds.without_free_text(element)

    def _hollowed(self, element: DataElement, item: Dataset) -> DataElement | None:
        if element.VR == "SQ":
            return self._items(element, self._hollow)
        if element.is_empty or attribute_kinds.is_structure(element):
            return element
        return self._unlisted(element) if element.VR == "UI" else dummy(element)

    def _items(self, element: DataElement, treat: Callable[[Dataset], Dataset]) -> DataElement:
        return DataElement(element.tag, "SQ", Sequence([treat(item) for item in element.value]))

    def _uids(self, element: DataElement) -> DataElement:
        return _with(element, [self.uid(text) for text in texts(element)])

    def uid(self, old: str) -> str:
        """The replacement of a UID; empty ones and those of PS3.6 Annex A stay."""
        text = old.strip(" \0")
        # pydicom gives a registered UID its name, and any other one itself
        return text if not text or UID(text).name != text else self.names.uid(text)

    def _moved(self, element: DataElement) -> DataElement | None:
        if element.is_empty:
            return element
        values = [moved(text, element.VR, self.days) for text in texts(element)]
        # one date that cannot be moved takes the others of its element along
        if None in values:
            return None
        return _with(element, [value for value in values if value is not None])


def _text(dataset: Dataset, tag: int) -> str:
    return str(dataset[tag].value or "").strip(" \0") if tag in dataset else ""


def _with(element: DataElement, value: str | list[str]) -> DataElement:
    single = value[0] if isinstance(value, list) and len(value) == 1 else value
    return DataElement(
        element.tag, element.VR, MultiValue(str, single) if isinstance(single, list) else single
    )


def _blanked(element: DataElement) -> DataElement:
    pixels = DataElement(element.tag, element.VR, codestreams.blanked(element.value))
    pixels.is_undefined_length = True
    return pixels
