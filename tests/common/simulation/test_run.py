"""Which folder a run may use, its threads, what it leaves behind; whole runs: tests/journeys."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

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


@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_number_of_threads_holds_here_and_in_processes_started_meanwhile(engine: str) -> None:
    before, outside = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    with run._threads(engine, before + 2):
        assert torch.get_num_threads() == before + 2
        assert os.environ["OMP_NUM_THREADS"] == str(before + 2)
    assert torch.get_num_threads() == before
    assert os.environ.get("OMP_NUM_THREADS") == outside


def test_without_a_number_it_is_torch_s_own_and_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    with run._threads("inline", None):
        assert os.environ["OMP_NUM_THREADS"] == str(before) and torch.get_num_threads() == before
    assert "OMP_NUM_THREADS" not in os.environ


def test_ray_shares_the_cores_out_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with run._threads("ray", None):
        assert "OMP_NUM_THREADS" not in os.environ


def test_a_failed_simulation_leaves_the_number_as_it_was(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="stop here"), run._threads("inline", before + 1):
        raise RuntimeError("stop here")
    assert torch.get_num_threads() == before


def test_every_hospital_s_threads_stand_in_the_report_and_the_same_number_gives_the_same_bits(
    tmp_path: Path,
) -> None:
    sites, study = small.federation(tmp_path / "sites"), small.study(tmp_path / "study.toml")
    weights = []
    for name, threads in (("a", 2), ("b", 2), ("c", 1)):
        report = run.simulate(
            study, sites, tmp_path / name, device="cpu", quiet=True, threads=threads
        )
        assert [(kind["threads"], kind["sites"]) for kind in report["computers"]] == [
            (threads, ["site0", "site1"])
        ]
        assert f"--threads {threads}" in (tmp_path / name / "report.html").read_text()
        weights.append((tmp_path / name / "model" / "weights.safetensors").read_bytes())
    assert weights[0] == weights[1]
