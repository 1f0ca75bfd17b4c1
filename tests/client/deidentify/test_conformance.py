"""Real files of many makers, scored against the table, and compared with another package."""

from __future__ import annotations

import json
from io import BytesIO

import pydicom
import pytest
from pydicom import Dataset
from pydicom.pixels.utils import pixel_array

from client.deidentify.header import deidentify
from tests.client.deidentify import oracle, scorer

FACTS = json.loads(oracle.FACTS.read_text("utf-8"))


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Dataset, Dataset]]:
    """Source, and what is read again after what was made of it was written."""
    outcomes = []
    for _, read in oracle.sources():
        file = BytesIO()
        deidentify(read(), oracle.NAMES).save_as(file, enforce_file_format=True)
        outcomes.append((read(), pydicom.dcmread(BytesIO(file.getvalue()))))
    return outcomes


def test_every_file_is_conformant(pairs: list[tuple[Dataset, Dataset]]) -> None:
    report = scorer.score_pairs(pairs)
    assert report.findings == []
    assert report.conformant == report.files == 149
    assert report.uids > 200


def test_no_private_element_is_left(pairs: list[tuple[Dataset, Dataset]]) -> None:
    sources = sum(element.tag.is_private for source, _ in pairs for element in source.iterall())
    assert sources > 1000
    assert sum(element.tag.is_private for _, new in pairs for element in new.iterall()) == 0


def test_pixels_stay_bit_for_bit(pairs: list[tuple[Dataset, Dataset]]) -> None:
    images = [(source, new) for source, new in pairs if "PixelData" in source]
    assert len(images) > 70
    native = [not source.file_meta.TransferSyntaxUID.is_encapsulated for source, _ in images]
    assert all(
        source.PixelData == new.PixelData
        for (source, new), plain in zip(images, native, strict=True)
        if plain
    )
    packed = [pair for pair, plain in zip(images, native, strict=True) if not plain]
    compared = [decoded(source) == decoded(new) for source, new in packed if decoded(source)]
    assert len(compared) >= 30
    assert all(compared)


def decoded(dataset: Dataset) -> bytes:
    """The pixels as they are seen; nothing where no decoder reads them."""
    try:
        return pixel_array(dataset).tobytes()
    except Exception:
        return b""


def test_the_scorer_finds_untouched_files_and_each_planted_fault(
    pairs: list[tuple[Dataset, Dataset]],
) -> None:
    untouched = scorer.score_pairs([(source, source) for source, _ in pairs])
    assert untouched.conformant == 0
    assert untouched.kinds["private"] > 1000
    assert min(untouched.kinds[kind] for kind in ("left", "kept", "uid")) > 300


@pytest.mark.parametrize(
    ("keyword", "kind"),
    [
        ("PatientName", "kept"),
        ("StudyInstanceUID", "uid"),
        ("StudyDate", "kept"),
        ("PatientAge", "left"),
        ("PatientIdentityRemoved", "flag"),
    ],
)
def test_the_scorer_finds_one_fault(keyword: str, kind: str) -> None:
    from tests.client.deidentify import phantom

    source = phantom.header()
    new = deidentify(phantom.header(), oracle.NAMES)
    if keyword in source:
        new[keyword] = source[keyword]
    else:
        del new[keyword]
    assert [
        one.split()[0] for one in scorer.score(source, new, scorer.Memory(), scorer.table())
    ] == [kind]


def test_the_scorer_finds_uids_that_are_replaced_in_two_ways() -> None:
    one, other = Dataset(), Dataset()
    one.StudyInstanceUID = other.StudyInstanceUID = "1.2.3"
    new = [Dataset(), Dataset()]
    new[0].StudyInstanceUID, new[1].StudyInstanceUID = "2.25.1", "2.25.2"
    report = scorer.score_pairs(zip((one, other), new, strict=True))
    assert report.kinds["inconsistent"] == 1


def test_every_difference_to_the_other_package_has_a_reason_and_is_still_there() -> None:
    assert all(row["why"] in oracle.REASONS for row in FACTS["differences"])
    assert {row["why"] for row in FACTS["differences"]} == set(oracle.REASONS)
    here: dict[tuple[str, str, str], int] = {}
    for _, outcomes in oracle.ours():
        for outcome in outcomes.values():
            here[outcome] = here.get(outcome, 0) + 1
    missing = [
        row
        for row in FACTS["differences"]
        if here.get((row["keyword"], row["depth"], row["here"]), 0) < row["count"]
    ]
    assert missing == []


def test_where_the_other_package_is_installed_there_are_no_further_differences() -> None:
    pytest.importorskip("dicomanonymizer", reason="dicom-anonymizer is not installed")
    expected = {
        (row["keyword"], row["depth"], row["there"], row["here"]): row["count"]
        for row in FACTS["differences"]
    }
    assert dict(oracle.differences()) == expected
