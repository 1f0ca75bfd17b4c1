"""Which folder a run may use, and what it leaves in the environment; whole runs: tests/journeys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from common.errors import ArgumentError, ConsiliumError, InputError, StudyError
from common.simulation import run
from common.study import study as studies
from tests import small


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    study = small.study(tmp_path / "study.toml")
    (tmp_path / "nobody").mkdir()
    cases: list[tuple[type[ConsiliumError], str, dict[str, Any]]] = [
        (InputError, "not a folder", {"sites": tmp_path / "absent"}),
        (InputError, "no sub-folder", {"sites": tmp_path / "nobody"}),
        (StudyError, "cannot be read", {"study": tmp_path / "absent.toml"}),
        (ArgumentError, "--engine", {"engine": "dask"}),
        (ArgumentError, "--compare", {"compare": ("everything",)}),
        (ArgumentError, "--rounds", {"rounds": 0}),
    ]
    small.federation(tmp_path / "sites")
    for kind, words, change in cases:
        arguments = {
            "study": study,
            "sites": tmp_path / "sites",
            "out": tmp_path / "run",
            "device": "cpu",
            "quiet": True,
            **change,
        }
        with pytest.raises(kind, match=words):
            run.simulate(**arguments)


@pytest.fixture
def sites(tmp_path: Path) -> Path:
    (tmp_path / "sites" / "north").mkdir(parents=True)
    return tmp_path / "sites"


def test_a_new_folder_and_an_earlier_run_may_be_used(tmp_path: Path, sites: Path) -> None:
    out = tmp_path / "runs" / "first"
    run.run_folder(out, sites)
    (out / "notes of mine.txt").touch()
    run.run_folder(out, sites)
    assert (out / "order.json").is_file()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, sites: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").touch()
    with pytest.raises(InputError, match=r"holds 'chapter1\.tex' and is not an earlier run"):
        run.run_folder(out, sites)
    assert [path.name for path in out.iterdir()] == ["chapter1.tex"]


def test_a_models_folder_with_foreign_files_is_left_alone(tmp_path: Path, sites: Path) -> None:
    (tmp_path / "out" / "model").mkdir(parents=True)
    (tmp_path / "out" / "model" / "best.pt").touch()
    with pytest.raises(InputError, match=r"holds 'best\.pt', which is not of a run"):
        run.run_folder(tmp_path / "out", sites)


def test_a_run_does_not_lie_among_the_hospitals_nor_they_in_its_state(
    tmp_path: Path, sites: Path
) -> None:
    for out in (sites, sites / "north", sites / "run"):
        with pytest.raises(InputError, match="lies in the hospitals' folder"):
            run.run_folder(out, sites)
    inside = tmp_path / "run" / "state" / "sites"
    with pytest.raises(InputError, match="lies in the state folder of the run"):
        run.run_folder(tmp_path / "run", inside)


def test_variables_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSILIUM_SITES", "before")
    monkeypatch.delenv("CONSILIUM_STATE", raising=False)
    names = {"CONSILIUM_SITES": "a", "CONSILIUM_STATE": "b"}
    within: dict[str, str] = {}

    def fail() -> None:
        with run._variables(names):
            within.update({name: os.environ[name] for name in names})
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert within == names
    assert os.environ["CONSILIUM_SITES"] == "before"
    assert "CONSILIUM_STATE" not in os.environ


def test_the_demos_study_is_valid() -> None:
    assert studies.read(run.demo_study()).task.name == "segmentation"
