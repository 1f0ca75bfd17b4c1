"""Which folder a run gets: its name comes over the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.host import run_process


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "secret").mkdir()
    (tmp_path / "runs" / "lungs" / "model").mkdir(parents=True)
    (tmp_path / "runs" / "note.txt").touch()
    return tmp_path / "runs"


def test_a_run_gets_its_folder(runs: Path) -> None:
    assert run_process._folder(runs, "lungs") == runs / "lungs"


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "..",
        ".",
        "",
        "/",
        "lungs/model",
        "lungs/",
        "LUNGS",
        "note.txt",
        "lungs\0",
        "other",
        None,
        3,
        b"lungs",
        ["lungs"],
    ],
)
def test_what_is_no_run_s_folder_is_refused(runs: Path, name: object) -> None:
    with pytest.raises(ValueError, match="has no folder on this server"):
        run_process._folder(runs, name)


def test_a_whole_path_is_refused(runs: Path) -> None:
    with pytest.raises(ValueError, match="has no folder"):
        run_process._folder(runs, str(runs / "lungs"))
