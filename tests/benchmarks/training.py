"""Simulated rounds with training, beside the plain PyTorch loop over the same batches."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from client.dataset.loader import SiteDataset, augment
from client.policy.policy import OPEN
from client.training.local_training import optimizer
from client.virtual_site import VirtualSite
from client.worker import worker as workers
from common import networks
from common.protocol.envelopes import Question
from common.simulation.phantoms import write
from common.simulation.run import demo_study
from common.study import study as studies
from common.study.study import Study
from tests.benchmarks._result import Result

_SITES, _STEPS = 3, 10


def run() -> Iterator[Result]:
    """Alternate a round of the worker with the plain loop on the same images.

    Returns medians of the ratio.
    """
    with tempfile.TemporaryDirectory() as folder:
        hospitals = Path(folder, "hospitals")
        write.write(hospitals, hospitals=_SITES, patients=12, size=128, seed=1)
        study = _study()
        ratios, second = _ratios(
            study,
            [
                VirtualSite(
                    f.name,
                    (f,),
                    Path(folder, "state", f.name),
                    "cpu",
                    policy=OPEN,
                    counts_days=False,
                )
                for f in sorted(hospitals.iterdir())
            ],
        )
        yield Result(
            "training/round against the plain loop",
            sorted(ratios)[len(ratios) // 2],
            "x",
            1.05,
            peer="plain PyTorch loop",
            peer_value=1.0,
            limit=1.0,
        )
        yield Result(
            "training/second epoch from the cache",
            second * 1e3,
            "ms an image",
            0.3,
            peer="MONAI CacheDataset, published measurement",
            peer_value=0.57,
        )


def _study() -> Study:
    study = studies.read(demo_study())
    plain = replace(study.secure_aggregation, enabled=False)
    return replace(
        study,
        secure_aggregation=plain,
        training=replace(study.training, local_steps=_STEPS, precision="float32"),
    )


def _ratios(study: Study, sites: list[VirtualSite]) -> tuple[list[float], float]:
    task, net = networks.task(study), networks.build(study)
    layout, model = networks.layout(net), networks.pack(net)
    datasets = [SiteDataset.open(site.folders, study, task) for site in sites]
    questions = [
        Question("train", study.to_table(), number, layout.digest, model, {"repeat": 1})
        for number in range(1, 8)
    ]
    ratios = []
    for question in questions:
        began = time.perf_counter()
        for site in sites:
            workers.resident(site, question).answer(question)
        middle = time.perf_counter()
        for dataset in datasets:
            _plain(net, study, dataset)
        ratios.append((middle - began) / (time.perf_counter() - middle))
    return ratios[1:], _epoch(datasets[0], study)


def _plain(net: nn.Module, study: Study, dataset: SiteDataset) -> None:
    task, parameters = networks.task(study), list(net.parameters())
    steps, generator = optimizer(study.training, parameters), torch.Generator().manual_seed(0)
    net.train()
    for batch in dataset.batches(_STEPS, study.training.batch_size, 0):
        steps.zero_grad(set_to_none=True)
        task.loss(net, augment(batch, study, generator)).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, study.training.gradient_clip)
        steps.step()


def _epoch(dataset: SiteDataset, study: Study) -> float:
    images, size = len(dataset.samples("train")), study.training.batch_size
    steps = max(1, images // size) * 20
    list(dataset.batches(2, size, 0))
    began = time.perf_counter()
    for _ in dataset.batches(steps, size, 1):
        pass
    return (time.perf_counter() - began) / (steps * min(size, images))
