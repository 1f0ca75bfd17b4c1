"""``consilium site deidentify`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.cli.main import main
from tests.client.deidentify import phantom


@pytest.fixture
def export(tmp_path: Path) -> Path:
    phantom.save(tmp_path / "export", "PID77418.dcm", phantom.header())
    (tmp_path / "export" / "MÜLLER.txt").write_text("MÜLLER")
    return tmp_path / "export"


def test_json_is_one_object_that_names_no_file_of_a_patient(
    export: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = export.parent / "out"
    assert main(["site", "deidentify", str(export), "--out", str(out), "--json"]) == 0
    stdout, stderr = capfd.readouterr()
    value = json.loads(stdout)
    assert (
        value["ok"],
        value["written"],
        value["there"],
        value["look"],
        value["unusable"],
        value["conflict"],
    ) == (True, 1, 0, 0, 1, 0)
    assert value["key"] == str(export.parent / "out.key")
    assert "PID77418" not in stdout + stderr
    assert "MÜLLER" not in stdout + stderr
    assert "2 of 2" in stderr


def test_for_people_it_says_where_everything_is(
    export: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = export.parent / "study.key"
    assert (
        main(
            [
                "site",
                "deidentify",
                str(export),
                "--out",
                str(export.parent / "out"),
                "--key",
                str(key),
            ]
        )
        == 0
    )
    shown = capsys.readouterr().out
    assert "1 files written" in shown
    assert str(key) in shown
    assert "out.quarantine.jsonl" in shown
    assert key.exists()


def test_where_nothing_can_be_written_it_fails(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "x").write_text("x")
    assert (
        main(
            [
                "site",
                "deidentify",
                str(tmp_path / "export"),
                "--out",
                str(tmp_path / "out"),
                "--json",
            ]
        )
        == 1
    )


def test_a_wrong_folder_is_the_users_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["site", "deidentify", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "does not exist" in capsys.readouterr().err
