"""Whether a hospital can serve a study is told before anything starts, with what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from client.ingest.readiness import fitness, memory
from common import checks, networks
from common.cli.main import main
from common.errors import ArgumentError
from common.sample import Batch
from common.study import study as studies
from common.study.study import Study
from tests import small
from tests.targets import of_many

CLASSES = {
    "task": {"name": "classification", "target": ["finding"], "classes": ["0", "1"]},
    "model": {"name": "cnn"},
}
BOXES = {"task": {"name": "detection", "classes": ["disc"]}, "model": {"name": "retinanet"}}


def study(**sections: object) -> Study:
    table = {**small.TABLE, **sections}
    return studies.parse(table)


def states(findings: list[checks.CheckResult]) -> dict[str, str]:
    return {finding.name: finding.state for finding in findings}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return small.hospital(tmp_path / "north", images=40)


@pytest.mark.parametrize("sections", [{}, CLASSES, BOXES])
def test_a_fit_hospital(site: Path, sections: dict[str, object]) -> None:
    findings = fitness.check(site, study(**sections), device="cpu")
    assert checks.exit_code(findings) == 0
    assert {"patients", "images", "memory"} <= set(states(findings)) and "wrong" not in states(
        findings
    ).values()


def test_foreign_words_are_named_and_a_map_makes_them_fit(site: Path, tmp_path: Path) -> None:
    table = site / "labels.csv"
    table.write_text(
        table.read_text()
        .replace("finding", "Befund")
        .replace(",1,", ",ja,")
        .replace(",0,", ",nein,")
    )
    assert checks.exit_code(fitness.check(site, study(**CLASSES), device="cpu")) == 1
    names = tmp_path / "names.toml"
    names.write_text('[columns]\nBefund = "finding"\n')
    half = fitness.check(site, study(**CLASSES), names, "cpu")
    assert (
        states(half)["names"] == "wrong"
        and "'ja'" in half[0].observation
        and "labels.toml" in half[0].advice
    )
    names.write_text('[columns]\nBefund = "finding"\n[labels]\nja = "1"\nnein = "0"\n')
    assert checks.exit_code(fitness.check(site, study(**CLASSES), names, "cpu")) == 0
    assert not (site / "labels.toml").exists()
    (site / "labels.toml").write_text(names.read_text())
    assert checks.exit_code(fitness.check(site, study(**CLASSES), device="cpu")) == 0


def test_labels_of_boxes_and_masks_through_the_map(site: Path, tmp_path: Path) -> None:
    (site / "boxes.json").write_text(
        (site / "boxes.json").read_text().replace('"disc"', '"Scheibe"')
    )
    assert states(fitness.check(site, study(**BOXES), device="cpu"))["names"] == "wrong"
    (site / "labels.toml").write_text('[labels]\nScheibe = "disc"\n[masks]\n255 = "disc"\n')
    assert checks.exit_code(fitness.check(site, study(**BOXES), device="cpu")) == 0
    assert checks.exit_code(fitness.check(site, study(), device="cpu")) == 0
    (site / "labels.toml").write_text('[masks]\n255 = "ring"\n')
    assert states(fitness.check(site, study(), device="cpu"))["names"] == "wrong"


def test_too_few_patients(site: Path) -> None:
    findings = fitness.check(site, study(data={"min_patients": 100}), device="cpu")
    assert (
        states(findings)["patients"] == "wrong"
        and "40" in findings[-1].observation
        and "100" in findings[-1].observation
    )


def test_images_of_several_sizes_without_a_step_that_makes_them_one(
    site: Path, tmp_path: Path
) -> None:
    other = small.hospital(tmp_path / "other", images=40, size=48)
    for room in ("images", "masks"):
        for i in range(20):
            name = f"image{i:03}.png"
            (site / room / name).write_bytes((other / room / name).read_bytes())
    findings = fitness.check(site, study(), device="cpu")
    assert states(findings)["images"] == "wrong" and "resize" in findings[-1].advice
    table = {"test_fraction": 0.25, "prepare": [{"step": "resize", "size": [32, 32]}]}
    assert checks.exit_code(fitness.check(site, study(data=table), device="cpu")) == 0


def test_memory_that_does_not_fit(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = fitness.check(site, study(), device="cpu")[-1]
    assert plain.name == "memory" and "estimated" in plain.observation
    monkeypatch.setattr(memory, "_free", lambda: 1 << 10)
    assert states(fitness.check(site, study(), device="cpu"))["memory"] == "wrong"
    needed = memory.step(study(), networks.task(study()), _batch(2, 32), "cpu")
    monkeypatch.setattr(memory, "_free", lambda: (needed.one + needed.whole) // 2)
    assert states(fitness.check(site, study(), device="cpu"))["memory"] == "warning"


def _batch(images: int, side: int) -> Batch:
    return Batch(
        torch.rand(images, 1, side, side),
        of_many(torch.ones(images, 1, side, side, dtype=torch.uint8)),
    )


def test_a_map_that_cannot_be_read(site: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError):
        fitness.check(site, study(), tmp_path / "nothing.toml", "cpu")


def test_the_command(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small.study(tmp_path / "study.toml")
    assert main(["study", "check", str(path), "--site", str(site), "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert (
        output["ok"]
        and output["site"]["ok"]
        and {f["name"] for f in output["site"]["findings"]} >= {"patients", "memory"}
    )
    assert main(["study", "check", str(path), "--site", str(site)]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    small.study(path, data={"min_patients": 1000})
    assert main(["study", "check", str(path), "--site", str(site), "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["ok"]
    assert main(["study", "check", str(path), "--names", str(path)]) == 2
    assert str(site) not in capsys.readouterr().out
