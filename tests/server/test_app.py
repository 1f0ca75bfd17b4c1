"""What a run says while it goes, when it scores, and whom it waits for."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.errors import InputError
from common.study.study import Study
from server import app
from server.evaluate import Scores
from server.participants import Participants
from server.progress import WAITING, Reporter
from server.round_record import RoundRecord
from server.session import RunRequest
from server.transport import Transport
from tests import small

RECORD = RoundRecord(3, 1.5, 1.0, ("north",), (), {}, {}, {}, mean_loss=0.25)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return RunRequest(str(small.study(tmp_path / "study.toml")), str(tmp_path)).resolved()


@pytest.mark.parametrize(
    ("every", "due"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])]
)
def test_the_last_round_is_scored_and_every_nth_before(
    study: Study, every: int, due: list[int]
) -> None:
    study = replace(
        study,
        federation=replace(study.federation, rounds=5),
        evaluation=replace(study.evaluation, every=every),
    )
    assert [number for number in range(1, 6) if app._is_due(study, number)] == due


class Line:
    """A session that has no more than its study."""

    def __init__(self, study: Study) -> None:
        self.study = study


@pytest.mark.parametrize(
    ("change", "validation", "line"),
    [
        ({}, None, "loss 0.2500, 1.5 s"),
        ({"void": "Too few."}, None, "void: Too few."),
        (
            {"refused": ({"site": "valley", "reason": "Full."},), "notes": {"north": "Slow."}},
            None,
            "loss 0.2500, 1.5 s, refused: valley: Full., north: Slow.",
        ),
        ({}, {"dice": 0.5}, "loss 0.2500, 1.5 s, validation dice 0.500"),
        ({}, {"dice": None}, "loss 0.2500, 1.5 s, validation dice undefined"),
    ],
)
def test_a_round_is_one_line(
    study: Study, change: dict[str, Any], validation: dict[str, Any] | None, line: str
) -> None:
    session: Any = Line(study)
    scores = None if validation is None else Scores(sites={"north": validation})
    assert app._line(session, replace(RECORD, **change), scores) == line


def test_whom_a_run_waits_for_lies_in_its_folder_until_it_has_joined(
    tmp_path: Path, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    waiting = tmp_path / WAITING

    def join(transport: Transport, study: Study, say: Any) -> Participants:
        say("waiting for valley")
        texts.append(waiting.read_text("utf-8"))
        raise InputError("Too few.")

    monkeypatch.setattr(app, "join", join)
    request = RunRequest("study.toml", str(tmp_path))
    transport: Any = None
    with (
        redirect_stderr(io.StringIO()) as stderr,
        Reporter() as reporter,
        pytest.raises(InputError),
    ):
        app._joined(request, transport, study, reporter)
    assert texts == ["waiting for valley"] and not waiting.exists()
    assert stderr.getvalue() == "waiting for valley\n"
