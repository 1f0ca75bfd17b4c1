"""The table of every field of a study, read off the sections and the installed plug-ins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.cli import main, study_fields
from common.study import plugins
from common.study.sections import Training


@pytest.fixture
def lungs(tmp_path: Path) -> Path:
    path = tmp_path / "lungs.toml"
    path.write_text(
        'name = "lungs"\n[task]\nname = "segmentation"\n[model]\nname = "unet"\nchannels = [4,'
        " 8]\nstrides = [2]\n"
    )
    return path


def test_fields_lists_every_field_of_every_plugin(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["study", "show", "--fields", "--json"]) == 0
    groups = {
        group["group"]: group["fields"] for group in json.loads(capsys.readouterr().out)["groups"]
    }
    for package, place in (
        ("tasks", '[task] name = "{}"'),
        ("models", '[model] name = "{}"'),
        ("strategies", '[strategy] name = "{}"'),
    ):
        assert {place.format(name) for name in plugins.names(f"common.{package}")} <= set(groups)
    for name in plugins.names("common.transforms"):
        assert any(group.endswith(f'step = "{name}"') for group in groups)
    rate = next(
        field for field in groups["[training]"] if field["field"] == "training.learning_rate"
    )
    assert rate == {
        "field": "training.learning_rate",
        "default": "0.001",
        "allowed": "a number, 1e-08 to 100",
        "meaning": "peak learning rate",
    }


def test_fields_of_one_study_are_those_that_it_uses(
    lungs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["study", "show", str(lungs), "--fields"]) == 0
    shown = capsys.readouterr().out
    assert '[model] name = "unet"' in shown
    assert "retinanet" not in shown
    assert "step =" not in shown


def test_a_meaning_is_the_docstrings_first_sentence_on_one_line() -> None:
    class Section:
        """How long
        it lasts ([s]).

        More about it.
        """

    assert study_fields.meaning_of(Section) == "How long it lasts"
    assert study_fields.meaning_of(Training)
    plugins.load("common.transforms", "flip", "TRANSFORM")
    summary = study_fields.summary_of("common.transforms", "flip")
    assert summary and "\n" not in summary and not summary.endswith(".")
