"""The resident network: it takes the round's weights only, and says what has changed since."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from client.training import device, local_training
from client.worker import engine as engines
from client.worker.engine import Engine
from common import networks
from common.errors import WireError
from common.protocol.envelopes import Question
from common.update import Vector
from tests.client.hostile import CLEAR


class Counting(nn.Module):
    """A network of three weights and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(3))
        self.register_buffer("num_batches_tracked", torch.tensor(0))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    compute = SimpleNamespace(place=lambda network, dimensions: network)
    monkeypatch.setattr(local_training, "measured", lambda *_: None)
    monkeypatch.setattr(device, "choose", lambda *_: compute)
    monkeypatch.setattr(networks, "build", lambda _: Counting())
    monkeypatch.setattr(
        engines, "Trainer", lambda network, study, compute: SimpleNamespace(network=network)
    )
    anything: Any = None
    return Engine(CLEAR, "cpu", anything, anything)


def question(engine: Engine, model: Vector | None, layout: str = "") -> Question:
    return Question("train", {}, 1, layout or engine.layout.digest, model)


def test_weights_are_loaded_and_counters_begin_at_zero(engine: Engine) -> None:
    network = engine.trainer.network
    network.num_batches_tracked.fill_(7)
    start = engine.load(question(engine, np.array([1, 2, 3], np.float32)))
    assert network.weights.tolist() == [1, 2, 3] and start.tolist() == [1, 2, 3]
    assert engine.counted() == {"num_batches_tracked": 0}


def test_the_change_is_what_was_trained_minus_the_start(engine: Engine) -> None:
    start = engine.load(question(engine, np.array([1, 2, 3], np.float32)))
    with torch.no_grad():
        engine.trainer.network.weights += torch.tensor([0.5, 0.0, -1.0])
        engine.trainer.network.num_batches_tracked += 4
    assert engine.change(start).tolist() == [0.5, 0.0, -1.0]
    assert start.tolist() == [1, 2, 3], "the start is not written over"
    assert engine.counted() == {"num_batches_tracked": 4}


@pytest.mark.parametrize(
    ("model", "layout", "words"),
    [
        (None, "", "has none weights of another layout; the study's network has 3"),
        (np.zeros(4, np.float32), "", "has 4 weights"),
        (np.zeros(3, np.float32), "0" * 64, "has 3 weights of another layout"),
    ],
)
def test_another_network_s_weights_are_refused_and_change_nothing(
    engine: Engine, model: Vector | None, layout: str, words: str
) -> None:
    engine.load(question(engine, np.ones(3, np.float32)))
    with pytest.raises(WireError, match=words):
        engine.load(question(engine, model, layout))
    assert engine.trainer.network.weights.tolist() == [1, 1, 1]
