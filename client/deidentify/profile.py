"""The Basic Application Level Confidentiality Profile as data: ``profile.csv`` beside this file.

It is Table E.1-1 of DICOM PS3.15.

The table leaves some choices to the type that an attribute has in an object's definition (PS3.3):
"X/Z" removes a type 3 attribute and empties one of type 2. Here the choice is the one that is valid
for every type named and tells nothing either way: X/Z empties, X/D, Z/D and X/Z/D put in a dummy,
X/Z/U* keeps references with their UIDs replaced, so that a segmentation still finds its images.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

EDITION = "2026c"
"""Edition of PS3.15 whose basic actions the table holds."""
CHOSEN = {
    "X": "X",
    "Z": "Z",
    "D": "D",
    "U": "U",
    "X/Z": "Z",
    "X/D": "D",
    "Z/D": "D",
    "X/Z/D": "D",
    "X/Z/U*": "U",
}
"""Action code of the table: what is done. X removes, Z empties, D puts in a dummy, U replaces
UIDs."""
_FILE = Path(__file__).with_name("profile.csv")


@dataclass(frozen=True)
class Rule:
    """What happens to one attribute.

    Attributes:
        code: the table's action, e.g. "X/Z/D".
        dates: Retain Longitudinal Temporal Information with Modified Dates cleans it instead.
        descriptors: Clean Descriptors cleans it instead.
    """

    code: str
    dates: bool
    descriptors: bool

    @property
    def action(self) -> str:
        """X, Z, D or U."""
        return CHOSEN[self.code]


def rule(tag: int) -> Rule | None:
    """The rule for a tag (group * 65536 + element), or None where the table does not list it."""
    repeating = tag & 0xFF00FFFF
    return rules().get(tag) or rules().get(
        repeating if tag >> 24 == 0x60 else tag & 0xFF000000 if tag >> 24 == 0x50 else tag
    )


@cache
def rules() -> dict[int, Rule]:
    """Every rule by tag; of the repeating groups 50xx and 60xx the first group stands for all."""
    lines = [line for line in _FILE.read_text("utf-8").splitlines() if not line.startswith("#")]
    return {int(row["tag"].replace("x", "0"), 16): _rule(row) for row in csv.DictReader(lines)}


def _rule(row: dict[str, str]) -> Rule:
    return Rule(row["action"], row["dates"] == "C", row["descriptors"] == "C")
