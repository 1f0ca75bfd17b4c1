"""What a run of the ServerApp was asked for, and what it carries from step to step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from common.study import study as studies
from common.study.study import Study
from common.update import Layout, Vector
from server import evaluate
from server.aggregation.secure_sums import Sums
from server.evaluate import Scores
from server.participants import Member, Participants
from server.progress import Reporter
from server.report import report
from server.rounds import Federation
from server.transport import Transport

REQUEST = "CONSILIUM_ORDER"
"""Environment variable with the path of the run request, which Consilium's own commands write."""


@dataclass(frozen=True)
class RunRequest:
    """What the coordinator asked for.

    Attributes:
        study: path of the study file.
        out: run folder.
        compare: any of "local", "pooled".
        rounds, seed: override the study's, if not None.
        quiet: no progress on stderr.
        engine: recorded in the report.
        expected: number of hospitals to wait for; 0 if all are there from the start.
        seal: the coordinator's signature under the study.
        run: the run's name, as the signature has it.
        roster: the signed roster, as it travels.
    """

    study: str
    out: str
    compare: Sequence[str] = ()
    rounds: int | None = None
    seed: int | None = None
    quiet: bool = False
    engine: str = "inline"
    expected: int = 0
    seal: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    roster: Mapping[str, Any] = field(default_factory=dict)

    def resolved(self) -> Study:
        """The study with the overrides applied."""
        study = studies.read(Path(self.study))
        if self.rounds is not None:
            study = replace(study, federation=replace(study.federation, rounds=self.rounds))
        return study if self.seed is None else replace(study, seed=self.seed)


@dataclass
class Session:
    """Everything that one run of the app carries from step to step."""

    request: RunRequest
    study: Study
    run: report.FinishedRun
    transport: Transport
    reporter: Reporter
    roster: Participants
    layout: Layout
    start: Vector
    began: float
    scores: dict[str, Scores] = field(default_factory=dict)
    cross: dict[str, Any] | None = None
    local_models: dict[str, Vector] = field(default_factory=dict)
    sums: Sums | None = None
    total: int = 0
    status: str = "interrupted"
    bytes: dict[str, int] = field(default_factory=dict)
    """What the federation itself moved; the comparisons would not happen in a real one."""

    def federation(self, members: Sequence[Member], repeat: int = 1) -> Federation:
        """A federation of these members that begins with the start weights."""
        return Federation(self.study, self.layout, self.start.copy(), members, repeat=repeat)

    def score_finally(
        self, model: Vector, examples: bool = False, secure: Sums | None = None
    ) -> Scores:
        """Scores of a finished model on every member's test patients.

        Args:
            model: its weights ``[P]``.
            examples: with pictures, where they are of synthetic phantoms.
            secure: the run's secure sums, for hospitals that keep their metrics to themselves.
        """
        settings = {"part": "test", "intervals": True, "examples": examples}
        return evaluate.score(
            self.transport,
            self.study,
            self.layout,
            model,
            self.roster.members,
            settings,
            secure=secure,
        )
