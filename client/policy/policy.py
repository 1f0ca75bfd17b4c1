"""A hospital's own rules (HOME/policy.toml): the last word on what leaves it.

The coordinator's side can ask for more care, never for less. An unreadable file or an unknown
setting stops the hospital: nothing leaves by mistake. What may be asked is checked by
``client/worker/admission.py`` before any work, what may leave by ``client/worker/outbox.py`` after
it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from common.errors import InputError, PolicyError, StudyError
from common.study import config, toml
from common.study.config import setting
from common.study.study import Study

_HOURS = re.compile(r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)")


@dataclass(frozen=True)
class Policy:
    """What this hospital allows."""

    plain_updates: bool = setting(
        False,
        doc=(
            "take part in studies without secure aggregation: whoever runs the server can read "
            "this hospital's change"
        ),
    )
    share_counts: bool = setting(
        False,
        doc=(
            "tell the server this hospital's numbers of patients and images; else only sums over "
            "hospitals"
        ),
    )
    share_metrics: bool = setting(
        False,
        doc="tell the server this hospital's own loss and metrics; else only sums over hospitals",
    )
    min_cohort: int = setting(
        3, doc="take part in sums over so many hospitals or more", low=3, high=1000
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
    max_rounds: int = setting(
        1000, doc="rounds of one run in which this hospital takes part", low=1, high=100_000
    )
    largest_norm: float = setting(
        0.0,
        doc=(
            "a change with a larger Euclidean norm is scaled down to it; 0: changes stay as they "
            "are"
        ),
        low=0.0,
        high=1e9,
    )
    largest_change: float = setting(
        32.0, doc="a change of a single weight above this is refused", low=1e-6, high=1024.0
    )
    layouts: tuple[str, ...] = setting(
        (),
        doc="layouts of networks (SHA-256) that may be trained; empty: that of the signed study",
    )

    training: bool = setting(
        True,
        doc=(
            "train; false: only score models on this hospital's images, which sends back metrics "
            "and no weights"
        ),
    )
    approval: bool = setting(
        True,
        doc="a named person approves each study (consilium site approve) before it is answered",
    )
    studies: tuple[str, ...] = setting(
        (), doc="names of studies that may ask; empty: every approved one"
    )
    coordinators: tuple[str, ...] = setting(
        (),
        doc=(
            "fingerprints of the keys whose studies are taken (30 digits); empty: the key that "
            "came with the kit"
        ),
    )
    tasks: tuple[str, ...] = setting(
        (), doc="tasks that may be trained, e.g. classification; empty: every installed one"
    )
    models: tuple[str, ...] = setting(
        (), doc="networks that may be trained, e.g. unet; empty: every installed one"
    )
    min_noise: float = setting(
        0.0,
        doc=(
            "least noise multiplier of a study's differential privacy; studies without noise are "
            "refused above 0"
        ),
        low=0.0,
        high=1e6,
    )
    floor: int = setting(
        10,
        doc="no count or metric over fewer patients of this hospital is told",
        low=0,
        high=100_000,
    )
    metrics: tuple[str, ...] = setting(
        (),
        doc="metrics that may leave, by themselves or in a sum; empty: those of the study's task",
    )
    rounds_per_day: int = setting(
        2000, doc="training rounds of a day, all studies together", low=0, high=1_000_000
    )
    megabytes_per_day: float = setting(
        200_000.0,
        doc="megabytes (10^6 bytes) that leave in a day, all studies together",
        low=0.0,
        high=1e9,
    )
    hours: tuple[str, ...] = setting(
        (), doc='when studies may ask, by this machine\'s clock, e.g. "20:00-06:30"; empty: always'
    )

    def __post_init__(self) -> None:
        for hours in self.hours:
            if not _HOURS.fullmatch(hours):
                raise StudyError(
                    f'policy.hours holds {config.shown(hours)}; give times of day as "20:00-06:30".'
                )

    def is_open(self, now: datetime) -> bool:
        """Whether studies may ask at this time of day."""
        clock = now.strftime("%H:%M")
        return not self.hours or any(_within(clock, *hours.split("-")) for hours in self.hours)

    def to_toml(self) -> str:
        """The file with every default spelled out and every field explained."""
        meanings = {
            place.removeprefix("policy."): doc
            for place, _, _, doc in config.describe(Policy, "policy")
        }
        return toml.dumps(
            config.to_table(self),
            {"": "This hospital's own rules; the worker reads them when it starts", **meanings},
        )

    def check(self, study: Study, layout: str = "") -> None:
        """Whether this hospital takes part in a study.

        Raises:
            PolicyError: it does not; the sentence says which rule forbids it.
        """
        if not study.secure_aggregation.enabled and not self.plain_updates:
            raise PolicyError("policy.plain_updates")
        self._check_names(study)
        if study.federation.rounds > self.max_rounds:
            raise PolicyError(
                "policy.max_rounds", rounds=study.federation.rounds, allowed=self.max_rounds
            )
        if (
            study.secure_aggregation.enabled
            and study.federation.largest_change > self.largest_change
        ):
            raise PolicyError(
                "policy.largest_change",
                asked=study.federation.largest_change,
                allowed=self.largest_change,
            )
        if layout and self.layouts and layout not in self.layouts:
            raise PolicyError("policy.layouts", f"layout {layout}")

    def _check_names(self, study: Study) -> None:
        named = (
            ("studies", "study", study.name),
            ("tasks", "task", study.task.name),
            ("models", "network", study.model.name),
        )
        for rule, kind, name in named:
            allowed = getattr(self, rule)
            if allowed and name not in allowed:
                raise PolicyError(
                    "policy.name",
                    f"the policy lists {', '.join(allowed)}",
                    part=kind,
                    name=name,
                    rule=rule,
                )
        # No study adds noise yet: whoever asks for any takes part in none.
        if self.min_noise > 0:
            raise PolicyError("policy.min_noise", asked=self.min_noise)


OPEN = Policy(
    plain_updates=True,
    share_counts=True,
    share_metrics=True,
    max_rounds=100_000,
    largest_change=1024.0,
    approval=False,
    floor=0,
    rounds_per_day=1_000_000,
    megabytes_per_day=1e9,
)
"""The rules of a simulation's hospitals, which all belong to one person."""


def read(path: Path) -> Policy:
    """Read a policy file.

    Raises:
        InputError: it cannot be read, or a field is unknown, of the wrong type or out of range.
    """
    try:
        return config.load(Policy, toml.read(path, "Policy file"), "policy")
    except StudyError as error:
        raise InputError(str(error)) from None


def _within(clock: str, start: str, end: str) -> bool:
    """Whether a time of day lies from ``start`` to before ``end``; a span may pass midnight."""
    return start <= clock < end if start < end else clock >= start or clock < end
