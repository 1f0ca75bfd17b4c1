"""A hospital's own rules (HOME/policy.toml): the last word on what leaves it. The coordinator's side can ask for more care, never for less.

An unreadable file or an unknown setting stops the hospital: nothing leaves by mistake.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common import config, consortium, toml
from common.config import setting
from common.errors import InputError, PolicyError, StudyError
from common.study import Study


@dataclass(frozen=True)
class Policy:
    """What this hospital allows."""

    plain_updates: bool = setting(
        False, doc="take part in studies without secure aggregation: whoever runs the server can read this hospital's change"
    )
    share_counts: bool = setting(False, doc="tell the server this hospital's numbers of patients and images; else only sums over hospitals")
    share_metrics: bool = setting(False, doc="tell the server this hospital's own loss and metrics; else only sums over hospitals")
    min_cohort: int = setting(3, doc="take part in sums over so many hospitals or more", low=3, high=1000)
    colluders: int = setting(
        -1, doc="hospitals that may work together with the server without learning more; -1: a fifth of them", low=-1, high=500
    )
    max_rounds: int = setting(1000, doc="rounds of one run in which this hospital takes part", low=1, high=100_000)
    largest_norm: float = setting(
        0.0, doc="a change with a larger Euclidean norm is scaled down to it; 0: changes stay as they are", low=0.0, high=1e9
    )
    largest_change: float = setting(32.0, doc="a change of a single weight above this is refused", low=1e-6, high=1024.0)
    layouts: tuple[str, ...] = setting((), doc="layouts of networks (SHA-256) that may be trained; empty: that of the signed study")

    def to_toml(self) -> str:
        """The file with every default spelled out and every field explained."""
        meanings = {place.removeprefix("policy."): doc for place, _, _, doc in config.describe(Policy, "policy")}
        return toml.dumps(config.to_table(self), {"": "This hospital's own rules; the worker reads them when it starts", **meanings})

    def check(self, study: Study, layout: str = "") -> None:
        """Whether this hospital takes part in a study.

        Raises:
            PolicyError: it does not; the sentence says which rule forbids it.
        """
        if not study.secure_aggregation.enabled and not self.plain_updates:
            raise PolicyError(
                "The study has secure_aggregation.enabled = false; this hospital's policy (plain_updates) allows masked updates only. "
                "Switch secure aggregation on."
            )
        if study.federation.rounds > self.max_rounds:
            raise PolicyError(
                f"The study has {study.federation.rounds} rounds; this hospital's policy (max_rounds) allows {self.max_rounds}."
            )
        if study.secure_aggregation.enabled and study.federation.largest_change > self.largest_change:
            raise PolicyError(
                f"federation.largest_change is {study.federation.largest_change:g}; this hospital's policy allows {self.largest_change:g}."
            )
        if layout and self.layouts and layout not in self.layouts:
            raise PolicyError(f"The network's layout {layout[:16]} is not among those that this hospital's policy (layouts) allows.")


OPEN = Policy(plain_updates=True, share_counts=True, share_metrics=True, max_rounds=100_000, largest_change=1024.0)
"""The rules of a simulation's hospitals, which all belong to one person."""


def read(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        InputError: it cannot be read, or a field is unknown, of the wrong type or out of range.
    """
    try:
        return config.load(Policy, consortium.table(path, "Policy file"), "policy")
    except StudyError as error:
        raise InputError(str(error)) from None
