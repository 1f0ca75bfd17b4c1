"""The page runs nothing, loads nothing and escapes what a table says."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path

import pytest

from client.ingest import ingestion
from client.ingest.layout import Places
from client.ingest.readiness import readiness_page, readiness_report
from tests.client.ingest import export


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return export.researcher(tmp_path / "export", patients=12)


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_holds_no_script_no_address_and_escapes_labels(
    source: Path, tmp_path: Path
) -> None:
    hostile = "<script>alert(1)</script>"
    (source / "labels.csv").write_text(
        (source / "labels.csv").read_text().replace(";early;", f";{hostile};")
    )
    where = Places.of(source, tmp_path / "out" / "north", None)
    report = readiness_report.report(ingestion.ingest(where, ("stage",)), "north")
    assert hostile in report["labels"]["stage"]
    content = readiness_page.render(report)
    reader = _Tags()
    reader.feed(content)
    assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in reader.tags}
    assert not any(
        name.startswith("on") or name in ("src", "action")
        for _, attrs in reader.tags
        for name in attrs
    )
    assert "http:" not in re.sub(r"http-equiv", "", content) and "https:" not in content
    names = {name for _, attrs in reader.tags for name in [attrs.get("id")] if name}
    assert {
        ref for _, attrs in reader.tags for ref in (attrs.get("aria-labelledby") or "").split()
    } <= names


def test_a_bar_is_drawn_for_nothing_as_well() -> None:
    bars = readiness_page._bars("n", "Images", {"none": 0, "some": 5})
    assert 'width="1.0"' in bars and ">0</text>" in bars
    assert readiness_page._bars("n", "Images", {}) == ""


def test_long_labels_are_cut_and_numbers_are_short() -> None:
    assert readiness_page._short("a" * 31) == "a" * 29 + "…"
    assert readiness_page._number(-1234.567) == "−1235"
