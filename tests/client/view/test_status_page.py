"""The page itself: hostile names are text, nothing comes from elsewhere, everyone can read it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from client.home import SiteHome
from client.view import status_page
from client.view.status import Viewer
from common.html import digest
from tests.client.view import scene


class Tags(HTMLParser):
    """Tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def render(hospital: SiteHome) -> str:
    return status_page.render(Viewer(hospital).look(datetime.now(UTC)), "token")


def test_a_hostile_name_is_text(hospital: SiteHome) -> None:
    for field in ("study", "run", "fault", "kind", "id"):
        scene.refuse(hospital, **{field: scene.HOSTILE})
    scene.ask(
        hospital, run="x", kind="later", round=1, left=[scene.HOSTILE, "'\" onload=x"], bytes=1
    )
    tags = Tags(render(hospital))
    assert len(tags.named("script")) == 1 and tags.named("img") == []
    assert not {
        name
        for _, attributes in tags.tags
        for name in attributes
        if name.startswith("on") or name == "style"
    }
    assert "onerror=alert(1)" in tags.text and not {"\x1b", "\u202e"} & set(tags.text)


def test_nothing_comes_from_elsewhere(hospital: SiteHome) -> None:
    tags = Tags(render(hospital))
    places = [
        value
        for _, attributes in tags.tags
        for name, value in attributes.items()
        if name in ("src", "href", "action", "srcset")
    ]
    assert set(places) == {"data:,", "./", "stop"}
    assert "http" not in render(hospital)
    inside = re.findall(r"<(?:style|script)>(.*?)</(?:style|script)>", render(hospital), re.DOTALL)
    assert len(inside) == 2 and all(digest(text) in status_page.POLICY for text in inside)


def test_every_part_has_a_name_for_those_who_do_not_see_it(hospital: SiteHome) -> None:
    tags = Tags(render(hospital))
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all(section["aria-labelledby"] in ids for section in tags.named("section"))
    inputs = [field for field in tags.named("input") if field["type"] != "hidden"]
    assert [label["for"] for label in tags.named("label")] == [field["id"] for field in inputs]
    assert all("aria-label" in meter for meter in tags.named("meter"))
    regions = [attributes for _, attributes in tags.tags if attributes.get("role") == "region"]
    assert regions and all(region["tabindex"] == "0" and region["aria-label"] for region in regions)
    assert tags.named("html") == [{"lang": "en"}] and len(tags.named("h1")) == 1


def test_a_hospital_in_every_state_has_a_page(tmp_path: Path) -> None:
    hospital: Any = scene.home(tmp_path / "home")
    assert "No study has asked anything yet." in render(
        hospital
    ) and "Nothing has left today." in render(hospital)
    for name in (
        "policy.toml",
        "site.toml",
        "worker/state/budget.json",
        "worker/state/approvals.json",
    ):
        (hospital.path / name).write_bytes(b"\xff")
    assert "<h1>unknown</h1>" in render(hospital) and "policy.toml cannot be read" in render(
        hospital
    )
