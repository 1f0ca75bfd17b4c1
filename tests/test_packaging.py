"""What is installed and what travels: pinned versions, and a bundle without code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HOUSE = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))
LINES = [
    line
    for line in (HOUSE / "constraints.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]
REQUIREMENTS = [
    *PROJECT["project"]["dependencies"],
    *(r for extra in PROJECT["project"]["optional-dependencies"].values() for r in extra),
]


def test_every_version_is_exact() -> None:
    assert [line for line in LINES if not re.fullmatch(r"[a-z0-9.-]+==[0-9][0-9a-z.]*", line)] == []
    assert sorted(LINES) == LINES


@pytest.mark.parametrize("text", REQUIREMENTS)
def test_a_requirement_is_pinned_within_its_range(text: str) -> None:
    requirement = Requirement(text)
    [version] = [
        line.partition("==")[2]
        for line in LINES
        if canonicalize_name(line.partition("==")[0]) == canonicalize_name(requirement.name)
    ]
    assert Version(version) in requirement.specifier


def test_every_requirement_says_why() -> None:
    text = (HOUSE / "pyproject.toml").read_text("utf-8")
    inside = text[text.index("dependencies = [") : text.index("[project.optional-dependencies]")]
    assert [line for line in inside.splitlines()[1:-2] if "#" not in line] == []


def test_the_bundle_holds_no_code() -> None:
    app = PROJECT["tool"]["flwr"]["app"]
    assert app["fab-include"] == ["LICENSE"]
    for reference in app["components"].values():
        module, name = reference.split(":")
        assert f"\n{name} = " in (HOUSE / f"{module.replace('.', '/')}.py").read_text("utf-8")


def test_the_packages_are_the_three_folders() -> None:
    assert PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [
        "server",
        "client",
        "common",
    ]
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in (HOUSE / "LICENSE").read_text("utf-8")[:200]
