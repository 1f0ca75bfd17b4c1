"""What a training step takes: counted by hand, estimated and measured."""

from __future__ import annotations

import pytest
import torch

from client.ingest.readiness import memory
from common import networks
from common.sample import Batch
from common.study import study as studies
from common.study.study import Study
from tests import small
from tests.targets import of_many


def study(**sections: object) -> Study:
    table = {**small.TABLE, **sections}
    return studies.parse(table)


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
    measured = memory._measured(plain, networks.task(plain), _batch(2, 32), torch.device("cpu"))
    assert steps == [1, 1, 4, 4] and measured == memory.Step(
        1 << 20, 1 << 20, 1 << 30, "measured on a GPU"
    )


def test_what_autograd_keeps_is_counted_by_hand() -> None:
    """A single convolution and a squared sum keep the input (known) and the output."""

    class Probe:
        def loss(self, built: torch.nn.Module, batch: Batch) -> torch.Tensor:
            value: torch.Tensor = (built(batch.images) ** 2).sum()
            return value

    layer = torch.nn.Conv2d(1, 5, 3, padding=1)
    batch = Batch(torch.zeros(2, 1, 16, 16))
    kept, largest = memory._kept(layer, Probe(), batch)  # type: ignore[arg-type]
    assert (kept, largest) == (2 * 16 * 16 * 4 * (1 + 5), 2 * 16 * 16 * 4 * 5)


def _batch(images: int, side: int) -> Batch:
    return Batch(
        torch.rand(images, 1, side, side),
        of_many(torch.ones(images, 1, side, side, dtype=torch.uint8)),
    )
