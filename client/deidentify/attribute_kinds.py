"""What kind of attribute an element is, where the profile's table leaves it open.

Where the table says nothing, what cannot be shown to be harmless goes: private and unknown
attributes (PS3.5 7.8), group 0002 of the source, file-set records, curves and overlays as whole
groups, names of persons, free texts.
"""

from __future__ import annotations

import re

from pydicom.datadict import get_entry
from pydicom.dataelem import DataElement

from client.deidentify import descriptors
from client.deidentify.values import dummy, texts

_CHARACTERS = 0x00080005
_DROPPED_GROUPS = (0x0000, 0x0002, 0x0004, 0x0014, 0x4010)
"""Commands, file meta, file sets; testing of materials and security of travellers, which have no
place in a hospital's image."""
_CURVES_AND_OVERLAYS = (0x50, 0x60)
"""First bytes of the repeating groups 50xx and 60xx."""
_PATIENT = 0x0010
_FREE = ("LT", "ST", "UT", "UC", "UR")
_DESCRIPTIVE = ("LO", "SH", "LT", "ST", "UT", "UC")
_TYPED = (
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
"""Ends of keywords of short texts that people type; what segments are called stays, since that is
what is learned."""
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


def is_kept_kind(element: DataElement) -> bool:
    """Whether an attribute is in the dictionary (PS3.6), of its kind, and of a group that stays."""
    group = element.tag.group
    if element.tag.is_private or element.tag.element == 0 or group in _DROPPED_GROUPS:
        return False
    if group >> 8 in _CURVES_AND_OVERLAYS or element.VR == "UN" or element.tag == _CHARACTERS:
        return False
    try:
        stated = get_entry(element.tag)[0].split(" or ")
    except KeyError:
        return False
    # text in place of a number, or bytes in place of a text, may be anything
    for alike in (_TEXT, _BINARY):
        if element.VR in alike:
            return not set(stated).isdisjoint(alike)
    return True


def is_structure(element: DataElement) -> bool:
    """Whether an element only says how a sequence is built."""
    return element.keyword in _STRUCTURE


def names_a_class(element: DataElement) -> bool:
    """Whether UIDs name classes or coding schemes rather than objects of this hospital."""
    return element.keyword.endswith(_CLASSES) and all(
        _NUMBERS.fullmatch(text) for text in texts(element)
    )


def is_harmless(element: DataElement) -> bool:
    """Whether a description holds words of anatomy and technique only."""
    return element.VR in _DESCRIPTIVE and all(descriptors.harmless(text) for text in texts(element))


def without_free_text(element: DataElement) -> DataElement | None:
    """An unlisted attribute that is neither a UID nor a date.

    What people type becomes a dummy, or goes if it is about the patient.
    """
    # e.g. a date of birth in another calendar
    if element.tag.group == _PATIENT and element.VR in _DESCRIPTIVE:
        return None
    typed = (
        element.VR in _DESCRIPTIVE
        and element.keyword.endswith(_TYPED)
        and element.keyword != "SegmentLabel"
    )
    if element.VR == "PN" or ((typed or element.VR in _FREE) and not is_harmless(element)):
        return dummy(element)
    return element
