from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from client.deidentify import profile
from tests.client.deidentify import scorer


def test_the_file_names_its_edition_first() -> None:
    first = Path(profile.__file__).with_name("profile.csv").read_text("utf-8").splitlines()[0]
    assert first.startswith("#")
    assert f"PS3.15 {profile.EDITION}, Table E.1-1" in first


def test_how_many_attributes_each_action_has() -> None:
    """Counted in another reading of the same edition (security research, 4.1)."""
    rule = Counter(rule.code for rule in profile.rules().values())
    assert rule == {
        "X": 415,
        "D": 93,
        "U": 55,
        "Z": 42,
        "X/D": 23,
        "X/Z": 11,
        "X/Z/D": 8,
        "Z/D": 6,
        "X/Z/U*": 2,
    }
    assert rule.keys() == profile.CHOSEN.keys()


def test_tags_and_keywords_belong_together() -> None:
    for tag, row in scorer.table().items():
        if "x" not in tag and row["keyword"]:
            assert keyword_for_tag(int(tag, 16)) == row["keyword"]


@pytest.mark.parametrize(
    ("keyword", "code", "dates", "descriptors"),
    [
        ("PatientName", "Z", False, False),
        ("PatientID", "Z/D", False, False),
        ("PatientBirthDate", "Z", False, False),
        ("PatientAge", "X", False, False),
        ("AccessionNumber", "Z", False, False),
        ("StudyInstanceUID", "U", False, False),
        ("StudyDate", "Z", True, False),
        ("SeriesDate", "X/D", True, False),
        ("AcquisitionDateTime", "X/Z/D", True, False),
        ("StudyDescription", "X", False, True),
        ("ProtocolName", "X/D", False, True),
        ("InstitutionName", "X/Z/D", False, False),
        ("SourceImageSequence", "X/Z/U*", False, False),
    ],
)
def test_rules_of_well_known_attributes(
    keyword: str, code: str, dates: bool, descriptors: bool
) -> None:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    assert profile.rule(tag) == profile.Rule(code, dates, descriptors)


@pytest.mark.parametrize(
    "tag", [0x60003000, 0x60083000, 0x60FE4000, 0x50000000, 0x50021234, 0x500A3000]
)
def test_repeating_groups_have_one_rule_for_all(tag: int) -> None:
    rule = profile.rule(tag)
    assert rule is not None
    assert rule.action == "X"


@pytest.mark.parametrize("tag", [0x00080060, 0x00280010, 0x7FE00010, 0x60000010, 0x00080016])
def test_what_is_not_listed_has_no_rule(tag: int) -> None:
    assert profile.rule(tag) is None
