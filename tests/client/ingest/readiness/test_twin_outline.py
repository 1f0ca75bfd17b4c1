"""An outline tells nothing that fewer than five patients have, and nothing exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.ingest.readiness import twin_outline
from common.errors import SiteError
from tests import small


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return small.hospital(tmp_path / "north", images=43, patients=21)


def test_counts_forms_and_masks(site: Path) -> None:
    outline = twin_outline.draw(site)
    assert (outline.images, outline.patients) == (45, 20)
    [form] = outline.forms
    assert (form.room, form.ending, form.channels, form.size) == ("images", ".png", 1, (32, 32))
    assert outline.mask == (".png", (255,))


def test_a_rare_value_and_texts_are_not_told(site: Path) -> None:
    table = site / "labels.csv"
    head, *rows = table.read_text().splitlines()
    rows = [f"{row},{'rare' if i < 3 else 'usual'},words of {i}" for i, row in enumerate(rows)]
    table.write_text("\n".join([f"{head},stage,remark", *rows]) + "\n")
    columns = {column.name: column for column in twin_outline.draw(site).columns}
    assert columns["stage"].values == {"usual": 10}
    assert columns["remark"].values == {} and columns["remark"].limits is None


def test_numbers_are_told_as_coarse_limits(site: Path) -> None:
    table = site / "labels.csv"
    head, *rows = table.read_text().splitlines()
    rows = [f"{row},{100.5 + i}" for i, row in enumerate(rows)]
    table.write_text("\n".join([f"{head},volume", *rows]) + "\n")
    [column] = [c for c in twin_outline.draw(site).columns if c.name == "volume"]
    assert column.limits == (64.0, 256.0) and column.values == {}


def test_a_folder_without_a_readable_image(site: Path) -> None:
    for path in (site / "images").iterdir():
        path.write_bytes(b"torn")
    with pytest.raises(SiteError):
        twin_outline.draw(site)
