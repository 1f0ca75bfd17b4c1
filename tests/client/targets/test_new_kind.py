"""A kind of target that nobody foresaw comes as files alone: read, cached, trained on, scored."""

from __future__ import annotations

import csv
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from client import targets
from client.dataset.loader import SiteDataset
from client.ingest.readiness import fitness, memory
from client.training import evaluation
from client.training.device import Compute
from client.training.local_training import Trainer
from common import networks
from common.cli import rehearsal
from common.errors import StudyError
from common.sample import stack
from common.study import study as studies
from tests import small

CPU = Compute(torch.device("cpu"), "float32", False)
FILES = {
    "common/targets/event.py": '''
"""Event: how long a patient was watched, and whether the event was seen by then."""
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from common.targets import Target


@dataclass(frozen=True, eq=False)
class Event(Target):
    """Times float32 [B] and flags bool [B]."""

    name: ClassVar[str] = "event"
    time: Tensor
    observed: Tensor

    @classmethod
    def example(cls, size, low, high):
        return cls(torch.ones(1), torch.ones(1, dtype=torch.bool))


TARGET = Event
''',
    "client/targets/event.py": '''
"""Events from table.csv: columns patient_id, time and observed."""
import csv

import torch

from client.targets import TargetSource
from common.errors import CaseError
from common.targets.event import Event


class EventSource(TargetSource):
    """By patient."""

    def __init__(self, folder, task, data):
        super().__init__(folder, task, data)
        with (folder / "table.csv").open(newline="") as file:
            self._rows = {row["patient_id"]: row for row in csv.DictReader(file)}

    def find(self, facts):
        row = self._rows.get(facts.patient())
        if row is None:
            return None
        if float(row["time"]) < 0:
            raise CaseError("data.unfit", "A time in table.csv is negative.")
        return float(row["time"]), row["observed"] == "1"

    @classmethod
    def load(cls, stated, image, task):
        time, observed = stated
        return Event(torch.tensor([time]), torch.tensor([observed]))


SOURCE = EventSource
''',
    "common/tasks/prognosis.py": '''
"""Prognosis: the rate at which events come, constant over time."""
from dataclasses import dataclass

import numpy as np
import torch

from common.errors import SiteError
from common.tasks import TaskType
from common.targets.event import Event


@dataclass(frozen=True)
class Options:
    """None."""


class Prognosis:
    """The task."""

    needs = frozenset({"event"})
    columns = classes = ()
    multi_label = False
    mask_values = None
    outputs = 1
    primary = "likelihood"
    higher_is_better = {"likelihood": True}

    def __init__(self, options, dimensions):
        self.options = options

    def for_site(self, samples):
        return self

    def loss(self, network, batch):
        event = Event.of(batch)
        rate = network(batch.images)[:, 0]
        return (rate.exp() * event.time - rate * event.observed).mean()

    def predict(self, network, images):
        return [{"rate": rate} for rate in network(images)[:, 0].float().cpu()]

    def row(self, prediction, sample):
        event, rate = Event.of(sample), prediction["rate"]
        return {"likelihood": (rate * event.observed - rate.exp() * event.time).numpy()}

    def summarise(self, rows):
        return {"likelihood": float(np.mean([row["likelihood"] for row in rows]))}


TASK = TaskType(options=Options, create=Prognosis)
''',
    "common/models/hazard.py": '''
"""A small network that gives one number for an image."""
from common.models import Model
from common.models.cnn import Options, build

MODEL = Model(tasks=("prognosis",), options=Options, build=build)
''',
}
TIMES = {f"P{i:03}": 0.5 + i / 4 for i in range(12)}


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The files lie where Python finds plug-ins, for the time of one test."""
    for name, text in FILES.items():
        file = tmp_path / "installed" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        package = importlib.import_module(name.rpartition("/")[0].replace("/", "."))
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(file.parent)])
    yield
    targets.source.cache_clear()
    for name in FILES:
        package, module = name.removesuffix(".py").replace("/", ".").rsplit(".", 1)
        sys.modules.pop(f"{package}.{module}", None)
        vars(sys.modules[package]).pop(module, None)


@pytest.fixture
def study() -> studies.Study:
    steps = [{"step": "flip", "axes": [0, 1]}, {"step": "affine"}, {"step": "elastic"}]
    changes = {
        "task": {"name": "prognosis"},
        "model": {"name": "hazard", "channels": [4, 8]},
        "data": {**small.TABLE["data"], "augment": steps},
        "training": {
            **small.TABLE["training"],
            "learning_rate": 1e-2,
            "schedule": "constant",
            "warmup_rounds": 0.0,
        },
    }
    return studies.parse({**small.TABLE, **changes})


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = small.hospital(tmp_path / "site", 12)
    for other in ("masks", "boxes.json"):
        (folder / other).rename(tmp_path / other)
    rows = [
        {"patient_id": patient, "time": time, "observed": int(i % 3 > 0)}
        for i, (patient, time) in enumerate(TIMES.items())
    ]
    _write(folder, rows)
    return folder


def _write(folder: Path, rows: list[dict[str, Any]]) -> None:
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["patient_id", "time", "observed"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0], ids=["kept", "decoded anew"])
def test_every_image_comes_with_its_patients_event(
    site: Path, study: studies.Study, kept_bytes: int
) -> None:
    dataset = SiteDataset.open([site], study, networks.task(study), memory=kept_bytes)
    stated = [
        (float(s.targets["event"].time), bool(s.targets["event"].observed))
        for s in dataset.samples("all")
    ]
    assert stated == [(time, i % 3 > 0) for i, time in enumerate(TIMES.values())]
    flags = dict(stated)
    for batch in dataset.batches(5, 4, 1):
        event = batch.targets["event"]
        assert (event.time.dtype, event.time.shape, event.observed.dtype) == (
            torch.float32,
            (4,),
            torch.bool,
        )
        assert [flags[time] for time in event.time.tolist()] == event.observed.tolist()


@pytest.mark.parametrize("parts", [1, 2])
def test_a_task_trains_on_it_and_is_scored(site: Path, study: studies.Study, parts: int) -> None:
    task = networks.task(study)
    dataset, trainer = (
        SiteDataset.open([site], study, task),
        Trainer(networks.build(study), study, CPU, parts),
    )
    losses = [trainer.run(task, dataset, "site", number, 5)[0] for number in range(1, 7)]
    assert losses[-1] < losses[0]
    scores = evaluation.score(
        trainer.network, task, dataset.samples("test"), study, CPU, intervals=True
    )
    assert set(scores["metrics"]) == {"likelihood"} and scores["images"] == len(
        dataset.samples("test")
    )


def test_images_without_it_are_left_out_and_counted_in_its_own_words(
    site: Path, study: studies.Study
) -> None:
    _write(
        site,
        [
            {"patient_id": patient, "time": time, "observed": 1}
            for patient, time in list(TIMES.items())[:10]
        ],
    )
    dataset = SiteDataset.open([site], study, networks.task(study))
    assert dataset.counts["left_out"] == 2
    assert dataset.reasons == [{"code": "case.no_target", "arguments": {}, "images": 2}]


def test_a_study_of_it_is_rehearsed_and_checked_for_fitness(
    site: Path, study: studies.Study
) -> None:
    rehearsal.steps(study)
    assert [f.state for f in fitness.check(site, study, device="cpu") if f.name == "images"] == [
        "ok"
    ]
    assert not [f for f in fitness.check(site, study, device="cpu") if f.state == "wrong"]
    batch = stack(list(SiteDataset.open([site], study, networks.task(study)).samples("train")[:2]))
    assert (
        memory.repeated(batch, 5).targets["event"].time.tolist()
        == batch.targets["event"].time[[0, 1, 0, 1, 0]].tolist()
    )


def test_a_hospital_without_a_reader_for_it_says_what_it_can_read(
    site: Path, study: studies.Study, tmp_path: Path
) -> None:
    (tmp_path / "installed" / "client" / "targets" / "event.py").unlink()
    with pytest.raises(StudyError, match=r"'event'.*installed: boxes, label, mask"):
        SiteDataset.open([site], study, networks.task(study))
