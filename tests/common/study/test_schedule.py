"""The learning rate over the rounds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from common.study import study as studies
from common.study.schedule import rate_factor
from tests import small


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_it_warms_up_peaks_and_ends_where_the_study_says(tmp_path: Path, schedule: str) -> None:
    study = studies.read(
        small.study(
            tmp_path / "s.toml",
            federation={"rounds": 20},
            training={"warmup_rounds": 2.0, "schedule": schedule},
        )
    )
    factors = [rate_factor(study, r / 4) for r in range(81)]
    assert factors[0] == pytest.approx(0.1) and factors[8] == pytest.approx(1.0)
    assert factors[-1] == pytest.approx(
        1.0 if schedule == "constant" else study.training.final_factor
    )
    assert all(a >= b for a, b in pairwise(factors[8:])) and factors[:9] == sorted(factors[:9])


def test_no_warm_up(tmp_path: Path) -> None:
    study = studies.read(small.study(tmp_path / "s.toml", training={"warmup_rounds": 0.0}))
    assert rate_factor(study, 0.0) == 1.0
    assert rate_factor(
        replace(study, federation=replace(study.federation, rounds=1)), 1.0
    ) == pytest.approx(0.02)
