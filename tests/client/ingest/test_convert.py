"""A case gets its name only if it reads as its source does, and is never written again."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.deidentify.pseudonyms import Pseudonyms
from client.ingest import cases, convert
from client.ingest.cases import CaseSource
from client.ingest.scan_folder import ExportFile
from common.errors import CaseError
from tests.client.ingest import export

NAMES = Pseudonyms(bytes(32))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "north").mkdir()
    return tmp_path / "north"


def source(path: Path, seed: int = 1) -> CaseSource:
    export.png(path, export.picture(seed))
    [case] = cases.plain([ExportFile(path, path.name, "picture", "")])
    return case


def files(site: Path) -> list[str]:
    return sorted(p.relative_to(site).as_posix() for p in site.rglob("*") if p.is_file())


def test_a_picture_and_its_mask(tmp_path: Path, site: Path) -> None:
    facts = convert.take(source(tmp_path / "a.png"), "P-1_a", "P-1", NAMES, site)
    assert (facts.name, facts.patient, facts.modality) == ("images/P-1_a.png", "P-1", "PNG")
    mask = export.png(tmp_path / "mask.png", export.picture(2))
    assert convert.take_mask(mask, facts, site).mask == "masks/P-1_a.png"
    assert files(site) == ["images/P-1_a.png", "masks/P-1_a.png"]


def test_the_same_case_again_is_adopted_and_another_is_refused(tmp_path: Path, site: Path) -> None:
    first = convert.take(source(tmp_path / "a.png"), "P-1_a", "P-1", NAMES, site)
    again = convert.take(source(tmp_path / "b.png"), "P-1_a", "P-1", NAMES, site)
    assert again.sha256 == first.sha256
    before = (site / first.name).read_bytes()
    with pytest.raises(CaseError) as error:
        convert.take(source(tmp_path / "c.png", seed=2), "P-1_a", "P-1", NAMES, site)
    assert error.value.sentence.code == "case.taken"
    assert (site / first.name).read_bytes() == before


def test_what_reads_otherwise_gets_no_name(tmp_path: Path, site: Path) -> None:
    case = source(tmp_path / "a.png")
    other = convert._looked_at(source(tmp_path / "b.png", seed=2).files[0], look=False)
    with pytest.raises(CaseError) as error:
        convert.place(case.files[0].read_bytes(), site / "images" / "a.png", site, other)
    assert error.value.sentence.code == "case.changed"
    assert files(site) == []


def test_a_damaged_picture_is_refused(tmp_path: Path, site: Path) -> None:
    case = source(tmp_path / "a.png")
    case.files[0].write_bytes(b"torn")
    with pytest.raises(CaseError):
        convert.take(case, "P-1_a", "P-1", NAMES, site)
    assert files(site) == []
