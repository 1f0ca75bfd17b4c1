"""Plug-ins by file name: found without a registry, and a name never reaches another module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from common.errors import StudyError
from common.study import plugins


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with two plug-ins and a helper, and a module that must never be reached."""
    inside = tmp_path / "invented_plugins"
    inside.mkdir()
    (inside / "__init__.py").write_text("")
    (inside / "_helper.py").write_text("THING = 'helper'\n")
    (inside / "beta.py").write_text("THING = 'b'\n")
    (inside / "alpha.py").write_text("THING = 'a'\n")
    (inside / "notes.txt").write_text("not a plug-in")
    (tmp_path / "outside.py").write_text("raise SystemExit('reached')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yielded = "invented_plugins"
    for name in [n for n in sys.modules if n.split(".")[0] == yielded]:
        monkeypatch.delitem(sys.modules, name)
    return yielded


def test_names_are_the_files_without_helpers(package: str) -> None:
    assert plugins.names(package) == ["alpha", "beta"]


def test_a_new_file_is_found_without_changing_another(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "gamma.py").write_text("THING = 'g'\n")
    assert plugins.names(package) == ["alpha", "beta", "gamma"]
    assert plugins.load(package, "gamma", "THING") == "g"


@pytest.mark.parametrize(
    "name",
    [
        "_helper",
        "__init__",
        "",
        ".",
        "..outside",
        "../outside",
        "alpha.THING",
        "os",
        "alpha ",
        "ALPHA",
        "alpha\0",
    ],
)
def test_any_other_name_is_refused(package: str, name: str) -> None:
    with pytest.raises(StudyError, match="installed: alpha, beta"):
        plugins.load(package, name, "THING", "model.name")


def test_the_sentence_names_the_place_and_the_closest(package: str) -> None:
    with pytest.raises(StudyError) as caught:
        plugins.load(package, "alpah", "THING", "model.name")
    assert (
        str(caught.value)
        == "model.name is 'alpah' (did you mean 'alpha'?); installed: alpha, beta."
    )
