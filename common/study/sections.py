"""The sections of a study file: each field with its meaning, its limits and its default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.study import config
from common.study.config import setting


@dataclass(frozen=True)
class Named:
    """A plug-in by name with its settings."""

    name: str
    options: Any

    def to_table(self, key: str = "name") -> dict[str, Any]:
        """As it stands in the study file."""
        return {key: self.name, **config.to_table(self.options)}


@dataclass(frozen=True)
class Data:
    """What a hospital's folder must hold and how images are prepared ([data])."""

    dimensions: int = setting(2, doc="2 for images, 3 for volumes", choices=(2, 3))
    channels: int = setting(
        1,
        doc="channels of the network's input: 1 grey, 3 RGB; grey and RGB files are converted",
        choices=(1, 3),
    )
    test_fraction: float = setting(
        0.2, doc="share of each hospital's patients kept for the final test", low=0.0, high=0.9
    )
    validation_fraction: float = setting(
        0.1, doc="share of each hospital's patients kept for the learning curve", low=0.0, high=0.5
    )
    min_patients: int = setting(2, doc="a hospital with fewer patients does not take part", low=1)
    max_bad_fraction: float = setting(
        0.2,
        doc="a hospital with a larger share of unusable images does not take part",
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class Training:
    """How each hospital trains within a round ([training])."""

    optimizer: str = setting("adamw", doc="local optimiser", choices=("adamw", "sgd"))
    learning_rate: float = setting(1e-3, doc="peak learning rate", low=1e-8, high=100.0)
    weight_decay: float = setting(1e-4, doc="decoupled for AdamW, L2 for SGD", low=0.0, high=1.0)
    momentum: float = setting(0.9, doc="momentum of SGD; beta1 of AdamW", low=0.0, high=0.999)
    optimizer_state: str = setting(
        "keep",
        doc="keep the optimiser's moments at the hospital between rounds, or reset them",
        choices=("keep", "reset"),
    )
    schedule: str = setting(
        "cosine", doc="learning rate over the rounds", choices=("constant", "cosine", "linear")
    )
    warmup_rounds: float = setting(
        1.0, doc="rounds over which the learning rate rises from a tenth to its peak", low=0.0
    )
    final_factor: float = setting(
        0.02,
        doc="learning rate at the end of the schedule, as a share of the peak",
        low=0.0,
        high=1.0,
    )
    batch_size: int = setting(8, doc="images per step", low=1, high=4096)
    local_steps: int = setting(
        0, doc="optimiser steps per round at every hospital; 0: use local_epochs", low=0
    )
    local_epochs: float = setting(
        1.0,
        doc="passes over the hospital's training images per round, if local_steps is 0",
        low=0.01,
    )
    gradient_clip: float = setting(
        1.0, doc="largest norm of the gradient of a step; 0 switches clipping off", low=0.0
    )
    precision: str = setting(
        "auto",
        doc="auto measures bf16 against float32 on the device and takes the faster",
        choices=("auto", "float32", "bf16", "fp16"),
    )
    pretrained: str = setting(
        "",
        doc="local safetensors file to start from, relative to the study file; empty: random start",
    )


@dataclass(frozen=True)
class FederationSettings:
    """How rounds are run ([federation])."""

    rounds: int = setting(20, doc="number of rounds", low=1, high=100_000)
    weight: str = setting(
        "images",
        doc=(
            "a hospital's weight in the average: its training patients, its training images, or "
            "equal"
        ),
        choices=("patients", "images", "equal"),
    )
    min_sites: int = setting(1, doc="a round with fewer accepted updates fails", low=1)
    fraction: float = setting(
        1.0, doc="share of the hospitals drawn for each round", low=0.001, high=1.0
    )
    approval: float = setting(
        604800.0,
        doc=(
            "seconds for which a run waits until the people of all hospitals have approved the "
            "study; then it begins without the others"
        ),
        low=0.0,
        high=31_536_000.0,
    )
    deadline: float = setting(
        86_400.0,
        doc="seconds to wait for a hospital's training; it then misses the round",
        low=1.0,
        high=10_000_000.0,
    )
    largest_change: float = setting(
        32.0,
        doc="an update with a larger change of any single weight is refused",
        low=1e-6,
        high=1024.0,
    )


@dataclass(frozen=True)
class SecureAggregation:
    """How changes are summed under masks, so that nobody sees one ([secure_aggregation])."""

    enabled: bool = setting(
        False, doc="sum under masks; hospitals' own policies usually insist on it"
    )
    ring_bits: int = setting(
        32,
        doc="bits of a masked weight: 32 travels like float32, 64 is more exact",
        choices=(32, 64),
    )
    min_cohort: int = setting(
        3,
        doc="a sum over fewer hospitals is not opened; a hospital's own policy may ask for more",
        low=3,
        high=1000,
    )
    colluders: int = setting(
        -1,
        doc=(
            "hospitals that may work together with the server without learning more; -1: a fifth "
            "of them"
        ),
        low=-1,
        high=500,
    )
    patience: float = setting(
        60.0,
        doc="seconds to wait for a hospital's answer in the short exchanges",
        low=1.0,
        high=86_400.0,
    )


@dataclass(frozen=True)
class Evaluation:
    """How results are measured ([evaluation])."""

    every: int = setting(5, doc="rounds between two points of the learning curve; 0: none", low=0)
    bootstrap: int = setting(
        1000,
        doc="bootstrap samples over patients for the 95 % confidence intervals; 0: none",
        low=0,
        high=100_000,
    )
    batch_size: int = setting(16, doc="images per prediction step", low=1, high=4096)


SECTIONS: dict[str, type] = {
    "data": Data,
    "training": Training,
    "federation": FederationSettings,
    "secure_aggregation": SecureAggregation,
    "evaluation": Evaluation,
}
"""The settings class of each section whose fields do not depend on a plug-in."""
