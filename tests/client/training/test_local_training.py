"""Local training: optimiser state, learning rate, full GPU memory, reproducibility."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from client.dataset.loader import SiteDataset
from client.training import local_training
from client.training.device import Compute
from client.training.local_training import Trainer
from common import networks
from common.errors import SiteError
from common.sentences.table import say
from common.strategies import fedprox
from common.study import study as studies
from common.study.sections import Named, Training
from common.study.study import Study
from tests import small

CPU = Compute(torch.device("cpu"), "float32", False)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return studies.read(
        small.study(
            tmp_path / "study.toml", training={"schedule": "constant", "warmup_rounds": 0.0}
        )
    )


@pytest.fixture
def dataset(tmp_path: Path, study: Study) -> SiteDataset:
    return SiteDataset.open([small.hospital(tmp_path / "site", 12)], study, networks.task(study))


def _trainer(study: Study) -> Trainer:
    return Trainer(CPU.place(networks.build(study), 2), study, CPU)


def _weights(trainer: Trainer) -> torch.Tensor:
    return torch.from_numpy(networks.pack(trainer.network))


def test_training_lowers_the_loss(study: Study, dataset: SiteDataset) -> None:
    trainer, task = _trainer(study), networks.task(study)
    first, _ = trainer.run(task, dataset, "site", 1, 10)
    for number in range(2, 6):
        last, _ = trainer.run(task, dataset, "site", number, 10)
    assert last < 0.8 * first


def test_the_same_round_gives_the_same_bits(study: Study, dataset: SiteDataset) -> None:
    trainers = [_trainer(study) for _ in range(2)]
    for trainer in trainers:
        trainer.run(networks.task(study), dataset, "site", 3, 4)
    assert torch.equal(_weights(trainers[0]), _weights(trainers[1]))


@pytest.mark.parametrize("other", [("elsewhere", 3), ("site", 4)])
def test_hospitals_and_rounds_draw_differently(
    study: Study, dataset: SiteDataset, other: tuple[str, int]
) -> None:
    trainers = [_trainer(study) for _ in range(2)]
    trainers[0].run(networks.task(study), dataset, "site", 3, 4)
    trainers[1].run(networks.task(study), dataset, *other, 4)
    assert not torch.equal(_weights(trainers[0]), _weights(trainers[1]))


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_kept_moments_continue_as_if_never_interrupted(
    study: Study, dataset: SiteDataset, kind: str
) -> None:
    study = replace(study, training=replace(study.training, optimizer=kind))
    whole, first, second = (_trainer(study) for _ in range(3))
    task = networks.task(study)
    whole.run(task, dataset, "site", 1, 3)
    whole.run(task, dataset, "site", 2, 3)
    first.run(task, dataset, "site", 1, 3)
    networks.unpack(second.network, networks.pack(first.network))
    second.restore({k: v.clone() for k, v in first.optimizer_state().items()})
    second.run(task, dataset, "site", 2, 3)
    assert torch.equal(_weights(whole), _weights(second))


def test_a_full_gpu_cuts_the_batch_and_gives_the_same_gradients(
    study: Study, dataset: SiteDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = replace(
        study, training=replace(study.training, optimizer="sgd")
    )  # Adam turns rounding of tiny gradients into whole steps
    task, free, full = networks.task(study), _trainer(study), _trainer(study)
    real = task.loss

    def loss(net: torch.nn.Module, batch: Any) -> torch.Tensor:
        if len(batch) > 1:
            raise torch.cuda.OutOfMemoryError("full")
        return real(net, batch)

    free.run(task, dataset, "site", 1, 2)
    monkeypatch.setattr(task, "loss", loss)
    full.run(task, dataset, "site", 1, 2)
    assert (
        full.parts == 4
        and len(full.notes) == 2
        and full.notes[-1] == say("training.parts", images=4, parts=4).to_json()
    )
    assert torch.allclose(_weights(free), _weights(full), atol=1e-6)


def test_memory_that_does_not_hold_one_image_is_an_error(
    study: Study, dataset: SiteDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = networks.task(study)

    def loss(net: torch.nn.Module, batch: Any) -> torch.Tensor:
        raise torch.cuda.OutOfMemoryError("full")

    monkeypatch.setattr(task, "loss", loss)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        _trainer(study).run(task, dataset, "site", 1, 1)


def test_a_loss_that_is_not_finite_is_told(
    study: Study, dataset: SiteDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = networks.task(study)
    real = task.loss
    monkeypatch.setattr(task, "loss", lambda net, batch: real(net, batch) * float("nan"))
    with pytest.raises(SiteError, match="learning_rate"):
        _trainer(study).run(task, dataset, "site", 1, 1)


def test_fedprox_holds_the_weights_nearer(study: Study, dataset: SiteDataset) -> None:
    tight = replace(study, strategy=Named("fedprox", fedprox.Options(mu=50.0)))
    start = torch.from_numpy(networks.pack(networks.build(study)))
    moved = []
    for strategy in (study, tight):
        each = replace(
            strategy,
            training=replace(study.training, optimizer="sgd", momentum=0.0, learning_rate=0.01),
        )
        trainer = _trainer(each)
        trainer.run(networks.task(each), dataset, "site", 1, 20)
        moved.append(float((_weights(trainer) - start).norm()))
    assert moved[1] < 0.6 * moved[0]


def test_steps_per_round_count_images_and_repeat() -> None:
    base = Training()
    assert local_training.steps_per_round(replace(base, local_steps=7), 100, 3) == 21
    assert (
        local_training.steps_per_round(replace(base, local_epochs=2.0, batch_size=8), 100, 3) == 25
    )
    assert local_training.steps_per_round(replace(base, local_epochs=1.0, batch_size=8), 3, 1) == 1
