"""``consilium study``.

New files are valid, checks find what is wrong before a hospital is asked, every field is explained.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from common import networks
from common.cli import main
from common.study import study as studies


def test_new_takes_a_model_and_a_strategy(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    words = [
        "study",
        "new",
        "x",
        "--task",
        "segmentation",
        "--model",
        "segresnet",
        "--strategy",
        "fedprox",
        "--out",
        str(path),
    ]
    assert main.main(words) == 0
    study = studies.read(path)
    assert (study.model.name, study.strategy.name) == ("segresnet", "fedprox")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "--task=segmentaton",
            "--task is 'segmentaton' (did you mean 'segmentation'?); installed: ",
        ),
        ("--model=unett", "--model is 'unett' (did you mean 'unet'?); installed: "),
        (
            "--model=retinanet",
            'model.name is "retinanet", which serves detection; task.name is "segmentation".',
        ),
        ("--strategy=fedprxo", "--strategy is 'fedprxo' (did you mean 'fedprox'?); installed: "),
    ],
)
def test_new_refuses_what_is_not_installed_and_writes_nothing(
    option: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    assert (
        main.main(["study", "new", "x", "--task", "segmentation", "--out", str(path), option]) == 2
    )
    assert capsys.readouterr().err.startswith(f"consilium: {sentence}")
    assert not path.exists()


def test_new_replaces_a_file_only_when_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.toml"
    path.write_text("mine")
    words = ["study", "new", "x", "--task", "segmentation", "--out", str(path)]
    assert main.main(words) == 2
    assert "exists; give another name" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main.main([*words, "--force"]) == 0
    assert studies.read(path).name == "x"


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("name", ["none/x.toml", "file/x.toml", "x" * 300, "folder"])
def test_new_says_where_it_cannot_write(
    name: str, force: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert (
        main.main(
            ["study", "new", "x", "--task", "segmentation", "--out", str(tmp_path / name), *force]
        )
        == 2
    )
    shown = capsys.readouterr().err
    assert (
        "is a folder; give a file" in shown if name == "folder" else "cannot be written (" in shown
    )
    assert shown.count("\n") == 1


@pytest.fixture
def lungs(tmp_path: Path) -> Path:
    path = tmp_path / "lungs.toml"
    path.write_text(
        'name = "lungs"\n[task]\nname = "segmentation"\n[model]\nname = "unet"\nchannels = [4,'
        " 8]\nstrides = [2]\n"
    )
    return path


def test_check_is_one_line(lungs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["study", "check", str(lungs)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"{lungs} is a valid study: lungs, segmentation with unet (")
    assert shown.out.count("\n") == 1
    assert studies.read(lungs).digest[:16] in shown.out


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('[data]\naugment = [{ step = "flip", axes = [2] }]\n', "axes of step 'flip' is [2]; "),
        (
            '[data]\nprepare = [{ step = "resize", size = [4, 4, 4] }]\n',
            "size of step 'resize' has 3 numbers; ",
        ),
    ],
)
def test_check_tries_the_steps(
    lungs: Path, more: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What only shows when a step meets an image is found before a hospital is asked."""
    lungs.write_text(lungs.read_text() + more)
    studies.read(lungs)
    assert main.main(["study", "check", str(lungs)]) == 2
    assert sentence in capsys.readouterr().err


def test_check_builds_the_network(lungs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lungs.write_text(lungs.read_text().replace("strides = [2]", "strides = [2, 2]"))
    assert main.main(["study", "check", str(lungs), "--json"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "model.strides has 2 entries; give 1" in shown.err


def test_check_looks_for_the_file_to_start_from(
    lungs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lungs.write_text(lungs.read_text() + '[training]\npretrained = "start.safetensors"\n')
    assert main.main(["study", "check", str(lungs)]) == 2
    sentence = 'training.pretrained is "start.safetensors", but there is no file'
    assert f"{sentence} {lungs.parent / 'start.safetensors'};" in capsys.readouterr().err
    (lungs.parent / "start.safetensors").write_bytes(b"nothing")
    assert main.main(["study", "check", str(lungs)]) == 2
    assert "not a readable safetensors file" in capsys.readouterr().err
    built = networks.build(studies.read(lungs))
    save_file(
        {name: value.detach() for name, value in networks.tensors(built).items()},
        lungs.parent / "start.safetensors",
    )
    assert main.main(["study", "check", str(lungs)]) == 0


def test_show_prints_the_resolved_study(
    lungs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["study", "show", str(lungs)]) == 0
    resolved = tmp_path / "resolved.toml"
    resolved.write_text(capsys.readouterr().out)
    assert studies.read(resolved) == studies.read(lungs)
    assert "learning_rate" in resolved.read_text()
    assert main.main(["study", "show", str(lungs), "--json"]) == 0
    assert studies.parse(json.loads(capsys.readouterr().out)) == studies.read(lungs)
