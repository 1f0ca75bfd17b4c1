"""Where this de-identification differs from that of the package dicom-anonymizer.

Both follow the same table; they are compared element by element.

The package is no dependency: what it makes of pydicom's own test files is kept in ``oracle.json``,
which this module writes anew where the package is installed (``python -m
tests.client.deidentify.oracle``). Each difference has its reason in :data:`REASONS`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pydicom.data
from pydicom import Dataset
from pydicom.datadict import keyword_for_tag

from client.deidentify.header import deidentify
from client.deidentify.pseudonyms import Pseudonyms
from tests.client.deidentify import scorer

FACTS = Path(__file__).with_name("oracle.json")
NAMES = Pseudonyms(bytes(range(32)))
REASONS = {
    "option": "one of the two options keeps a moved date's time of day, "
    "or a description of harmless words",
    "depth": "the other package applies the rules for single attributes at the top level only",
    "reference": "X/Z/U*: references stay here, with their UIDs replaced; "
    "there every value in them is emptied",
    "class": "UIDs of classes and coding schemes, and codes that only say how a sequence is built, "
    "stay here; there they become dummies",
    "free": "names, free texts and addresses that the table does not list become dummies here",
    "trace": "the text holds a word of a person's name in the same file",
    "overlay": "without its data an overlay is invalid, so the whole group goes",
    "comment": "comments inside compressed pixels are blanked here",
    "ours": "what is written on purpose: pseudonym, character set, method",
    "sequence": "X/Z empties a sequence here; there its items stay, with emptied values",
    "empty": "Z empties here; there a date becomes a dummy",
}
Outcome = tuple[str, str, str]
"""Keyword, "top" or "nested", and what became of it: removed, emptied, replaced or kept."""


def sources() -> Iterator[tuple[str, Callable[[], Dataset]]]:
    """Name and reader of every file of pydicom's own that states a SOP class."""
    for path in sorted((Path(pydicom.data.__file__).parent / "test_files").rglob("*")):
        if path.is_file():
            try:
                header = pydicom.dcmread(path)
            except Exception:
                continue
            if header.get("SOPClassUID"):
                yield path.name, lambda path=path: pydicom.dcmread(path)


def outcomes(before: Dataset, after: Dataset) -> dict[scorer.Place, Outcome]:
    """What became of every filled element but private ones and group lengths.

    Of a sequence that is gone only the sequence itself counts.
    """
    old, new = scorer.values(before), scorer.values(after)
    results: dict[scorer.Place, Outcome] = {}
    for place, (vr, value) in old.items():
        tag = str(place[-1])
        above = [place[:depth] for depth in range(1, len(place) - 1, 2)]
        if (
            int(tag[:4], 16) % 2
            or tag.endswith("0000")
            or value is None
            or any(one not in new for one in above)
        ):
            continue
        results[place] = (
            keyword_for_tag(int(tag, 16)),
            "nested" if above else "top",
            _became(vr, value, new.get(place)),
        )
    return results


def _became(vr: str, value: object, now: tuple[str, object] | None) -> str:
    if now is None:
        return "removed"
    if now[1] is None or (vr == "SQ" and value and not now[1]):
        return "emptied"
    return "kept" if vr == "SQ" or scorer.unchanged(now[0], now[1], (vr, value)) else "replaced"


def ours() -> Iterator[tuple[Dataset, dict[scorer.Place, Outcome]]]:
    for _, read in sources():
        yield read(), outcomes(read(), deidentify(read(), NAMES))


def differences() -> Counter[tuple[str, str, str, str]]:
    """How often an element ends otherwise there and here: keyword, depth, there, here."""
    from dicomanonymizer import simpledicomanonymizer

    counts: Counter[tuple[str, str, str, str]] = Counter()
    for _, read in sources():
        other = read()
        simpledicomanonymizer.anonymize_dataset(
            other,
            base_rules_gen=lambda: simpledicomanonymizer.initialize_actions("dicomfields_2026c"),
        )
        theirs = outcomes(read(), other)
        for place, (keyword, depth, here) in outcomes(read(), deidentify(read(), NAMES)).items():
            if place in theirs and theirs[place][2] != here:
                counts[keyword, depth, theirs[place][2], here] += 1
    return counts


def reason(keyword: str, depth: str, there: str, here: str) -> str:
    """Why; an empty text where there is no reason."""
    row = next((row for row in scorer.table().values() if row["keyword"] == keyword), None)
    listed, cleaned = row is not None, row is not None and "C" in (row["dates"], row["descriptors"])
    within = (
        "AcquisitionContextSequence",
        "ConceptNameCodeSequence",
        "ConceptCodeSequence",
        "ValueType",
    )
    replaced = not listed and (there, here) == ("kept", "replaced")
    cases = (
        (keyword in ("PatientName", "SpecificCharacterSet", "DeidentificationMethod"), "ours"),
        (
            keyword.startswith("Overlay")
            or keyword in ("ImageFrameOrigin", "NumberOfFramesInOverlay"),
            "overlay",
        ),
        (keyword == "PixelData", "comment"),
        (keyword in within and there != "replaced", "sequence"),
        (there == "emptied" and depth == "nested", "reference"),
        (not listed and here == "kept", "class"),
        (replaced and keyword == "CodingSchemeDesignator", "trace"),
        (replaced, "free"),
        (cleaned and here == "kept", "option"),
        (there == "kept" and depth == "nested", "depth"),
        ((there, here) == ("replaced", "emptied"), "empty"),
    )
    return next((word for holds, word in cases if holds), "")


def main() -> None:
    rows = [
        dict(
            zip(("keyword", "depth", "there", "here"), one, strict=True), count=n, why=reason(*one)
        )
        for one, n in sorted(differences().items())
    ]
    text = ",\n".join(json.dumps(row) for row in rows)
    FACTS.write_text(
        '{"package": "dicom-anonymizer 2.1.0", "table": "dicomfields_2026c", "differences": [\n'
        + text
        + "\n]}\n",
        "utf-8",
    )


if __name__ == "__main__":
    main()
