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


def states(found: list[checks.CheckResult]) -> dict[str, str]:
    return {finding.name: finding.state for finding in found}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return small.hospital(tmp_path / "north", images=40)


@pytest.mark.parametrize("sections", [{}, CLASSES, BOXES])
def test_a_fit_hospital(site: Path, sections: dict[str, object]) -> None:
    found = fitness.check(site, study(**sections), device="cpu")
    assert checks.exit_code(found) == 0
    assert {"patients", "images", "memory"} <= set(states(found)) and "wrong" not in states(
        found
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
    found = fitness.check(site, study(data={"min_patients": 100}), device="cpu")
    assert (
        states(found)["patients"] == "wrong"
        and "40" in found[-1].observation
        and "100" in found[-1].observation
    )


def test_images_of_several_sizes_without_a_step_that_makes_them_one(
    site: Path, tmp_path: Path
) -> None:
    other = small.hospital(tmp_path / "other", images=40, size=48)
    for room in ("images", "masks"):
        for i in range(20):
            name = f"image{i:03}.png"
            (site / room / name).write_bytes((other / room / name).read_bytes())
    found = fitness.check(site, study(), device="cpu")
    assert states(found)["images"] == "wrong" and "resize" in found[-1].advice
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


def test_the_estimate_grows_with_the_image_and_the_batch_and_holds_the_weights() -> None:
    task = networks.task(study())
    weights = sum(p.numel() * 4 for p in networks.build(study()).parameters())
    fixed = memory._FIXED + memory._MARGIN * 4 * weights  # weights, gradients, two moments
    one, four = (memory.step(study(), task, _batch(2, side), "cpu") for side in (32, 64))
    assert one.one > fixed
    assert 3.5 < (four.whole - fixed) / (one.whole - fixed) < 4.5
    larger = memory.step(study(training={"batch_size": 8}), task, _batch(2, 32), "cpu")
    assert larger.whole - fixed == pytest.approx(
        2 * (one.whole - fixed), rel=0.01
    )  # the batch is 4


def test_where_there_is_a_gpu_a_real_step_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    for name, answer in (
        ("mem_get_info", (1 << 30, 2 << 30)),
        ("max_memory_reserved", 1 << 20),
        ("get_device_name", "a GPU"),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda *_: None)
    step = memory.Trainer._step

    def counted(
        self: memory.Trainer, task: object, batch: Batch, anchors: list[torch.Tensor]
    ) -> torch.Tensor:
        steps.append(len(batch))
        return step(self, task, batch, anchors)  # type: ignore[arg-type]

    monkeypatch.setattr(memory.Trainer, "_step", counted)
    plain = study(training={"precision": "float32", "batch_size": 4})
    found = memory._measured(plain, networks.task(plain), _batch(2, 32), torch.device("cpu"))
    assert steps == [1, 1, 4, 4] and found == memory.Step(
        1 << 20, 1 << 20, 1 << 30, "measured on a GPU"
    )


def test_what_autograd_keeps_is_counted_by_hand() -> None:
    """A single convolution and a squared sum keep the input (known) and the output."""

    class Probe:
        def loss(self, built: torch.nn.Module, batch: Batch) -> torch.Tensor:
            value: torch.Tensor = (built(batch.images) ** 2).sum()
            return value

    layer = torch.nn.Conv2d(1, 5, 3, padding=1)
    kept, largest = memory._kept(layer, Probe(), Batch(torch.zeros(2, 1, 16, 16)))  # type: ignore[arg-type]
    assert (kept, largest) == (2 * 16 * 16 * 4 * (1 + 5), 2 * 16 * 16 * 4 * 5)


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
    told = json.loads(capsys.readouterr().out)
    assert (
        told["ok"]
        and told["site"]["ok"]
        and {f["name"] for f in told["site"]["findings"]} >= {"patients", "memory"}
    )
    assert main(["study", "check", str(path), "--site", str(site)]) == 0
    assert "Nothing is wrong" in capsys.readouterr().out
    small.study(path, data={"min_patients": 1000})
    assert main(["study", "check", str(path), "--site", str(site), "--json"]) == 1
    assert not json.loads(capsys.readouterr().out)["ok"]
    assert main(["study", "check", str(path), "--names", str(path)]) == 2
    assert str(site) not in capsys.readouterr().out
