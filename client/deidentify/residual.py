"""The last look: no text that is left may hold what named the patient in the source.

The table says which attributes identify; people also type names and numbers into others. So every
text of the new header is compared with the names and numbers that the source holds in its
identifying attributes, and one that shares a word is replaced as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.dataelem import DataElement

from client.deidentify.values import ADDRESS, TEXT, elements, texts

_NUMBERS = (
    0x00080050,
    0x00380010,
    0x00321064,
    0x00400009,
    0x00401001,
    0x00400253,
    0x00402016,
    0x00402017,
    0x00120040,
    0x00120042,
)
"""Identifying numbers outside the patient group: accession, admission, requested and performed
procedures, orders, trial subject."""
_PATIENT = 0x0010
_TEXTS = ("LO", "SH", "ST", "LT", "UT", "UC", "CS", "AE", "UR")
_WORD = re.compile(r"[^\W_]+")
_SHORTEST = 4
_SHORTEST_NAME = 3


def identifiers(source: Dataset) -> frozenset[str]:
    """Words of names, whole numbers and addresses of every level of a header.

    They are in lower case, without marks between letters.
    """
    return frozenset(_identifiers(source))


def remove(header: Dataset, words: frozenset[str]) -> None:
    """Put a dummy in place of every text that holds one of the words."""
    if not words:
        return
    # a list, since elements are replaced on the way
    for element in list(elements(header)):
        if element.VR == "SQ":
            for item in element.value:
                remove(item, words)
        elif element.VR in _TEXTS and any(_identifies(text, words) for text in texts(element)):
            header[element.tag] = DataElement(
                element.tag, element.VR, TEXT if element.VR != "UR" else ADDRESS
            )


def _identifies(text: str, words: frozenset[str]) -> bool:
    parts = [word.casefold() for word in _WORD.findall(text)]
    return (
        not words.isdisjoint(parts)
        or not words.isdisjoint({"".join(parts)})
        # a number counts also within a longer word; a name there would hit too many words
        or any(
            word in text.casefold()
            for word in words
            if len(word) > _SHORTEST and any(letter.isdigit() for letter in word)
        )
    )


def _identifiers(source: Dataset) -> Iterator[str]:
    for element in elements(source):
        if element.VR == "SQ":
            for item in element.value:
                yield from _identifiers(item)
        elif element.VR == "PN":
            words = [word for text in texts(element) for word in _WORD.findall(text)]
            yield from (word.casefold() for word in words if len(word) >= _SHORTEST_NAME)
        elif element.tag in _NUMBERS or (
            element.tag.group == _PATIENT and element.VR in ("LO", "SH")
        ):
            yield from (
                text.strip().casefold() for text in texts(element) if len(text.strip()) >= _SHORTEST
            )
