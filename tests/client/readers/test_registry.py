"""Which reader takes which file, and how names are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.readers import _registry, dicom, nifti, raster
from common.errors import CaseError


@pytest.mark.parametrize(
    ("name", "reader"),
    [
        ("a.PNG", raster.READER),
        ("a.b.jpeg", raster.READER),
        ("a.nii.gz", nifti.READER),
        ("a.dcm", dicom.READER),
        ("IM0001", dicom.READER),
        ("1.2.840.10008.5", dicom.READER),
        ("a.txt", None),
        ("a.gz", None),
        ("notes.csv", None),
    ],
)
def test_ending_chooses_reader(name: str, reader: object) -> None:
    assert _registry.reader_of(Path(name)) is reader


def test_unknown_format_is_refused_without_naming_the_file() -> None:
    with pytest.raises(CaseError) as caught:
        _registry.read(Path("smith.docx"))
    assert "smith" not in caught.value.public
    assert "smith" in caught.value.local


def test_keys_agree_across_platforms() -> None:
    composed, decomposed = "Mu\u0308ller.png", "M\u00fcller.png"
    assert _registry.key(composed) == _registry.key(decomposed)
    assert _registry.key("images\\a\\b.png") == "a/b.png" == _registry.key(" ./a/b.png ")


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.b.nii.gz", "a.b"), ("x/a.JPG", "x/a"), ("IM01", "IM01"), ("1.2.3", "1.2.3")],
)
def test_stem_drops_only_a_known_ending(name: str, stem: str) -> None:
    assert _registry.stem(name) == stem
