"""What a run was asked for: the study with what was given instead of its own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.session import RunRequest
from tests import small


@pytest.mark.parametrize(
    ("rounds", "seed", "expected"),
    [(None, None, (2, 1)), (7, None, (7, 1)), (None, 5, (2, 5)), (1, 0, (1, 0))],
)
def test_rounds_and_seed_of_the_request_come_before_the_study_s(
    tmp_path: Path, rounds: int | None, seed: int | None, expected: tuple[int, int]
) -> None:
    path = small.study(tmp_path / "study.toml", seed=1, federation={"rounds": 2})
    study = RunRequest(str(path), str(tmp_path), rounds=rounds, seed=seed).resolved()
    assert (study.federation.rounds, study.seed) == expected


def test_a_request_is_read_from_json_with_study_and_folder_alone() -> None:
    request = RunRequest(**json.loads('{"study": "s.toml", "out": "runs/s"}'))
    assert (request.engine, request.expected, request.compare) == ("inline", 0, ())
    assert request.roster == request.seal == {}
