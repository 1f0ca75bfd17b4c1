"""A new study is valid, complete and commented; each task gets a network that serves it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from common.cli import main, study_template
from common.errors import StudyError
from common.study import plugins
from common.study import study as studies


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("task", plugins.names("common.tasks"))
def test_a_new_study_is_valid_commented_and_complete(
    task: str,
    dimensions: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        main.main(["study", "new", "lungs", "--task", task, "--dimensions", str(dimensions)]) == 0
    )
    assert capsys.readouterr().out == ""
    path = tmp_path / "lungs.toml"
    study, text = studies.read(path), path.read_text("utf-8")
    assert (study.name, study.task.name, study.data.dimensions) == ("lungs", task, dimensions)
    assert tomllib.loads(text) == study.to_table()
    undocumented = [
        line
        for line in text.splitlines()
        if "=" in line and " # " not in line and not line.startswith(("#", "step"))
    ]
    assert undocumented == []
    assert main.main(["study", "check", "lungs.toml", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["ok"] is True
    assert facts["hash"] == study.digest
    assert facts["weights"] > 1000


@pytest.mark.parametrize(
    ("task", "model"),
    [("segmentation", "unet"), ("classification", "resnet"), ("detection", "retinanet")],
)
def test_each_task_has_its_usual_network(task: str, model: str) -> None:
    assert study_template.model_for(task) == model


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(StudyError, match="--task is 'sorting'"):
        study_template.model_for("sorting")


def test_what_has_no_default_is_listed_as_an_example() -> None:
    table = study_template.template(
        name="x", task="classification", model="resnet", strategy="fedavg", dimensions=2
    )
    assert dict(study_template.examples(table)) == {"task.target": ["change_me"]}
    assert study_template.notes_for(table)["task.target"].startswith("required: ")
