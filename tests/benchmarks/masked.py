"""Federated training under masks beside the same without, on the inline engine.

Rounds of both alternate in one process.

``python -m tests.benchmarks.masked STUDY SITES [ROUNDS]`` measures any study on any hospitals'
folders.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.app import app as client
from common.simulation import virtual_consortium
from common.simulation.folders import hospital_folders
from common.simulation.inline import InlineGrid
from common.simulation.phantoms import write
from common.study import study as studies
from common.study import toml
from server import rounds
from server.app import open_session
from server.progress import Reporter
from server.session import RunRequest, Session
from server.transport import Transport
from tests.benchmarks._result import Result

_STUDY = Path(__file__).parents[2] / "deploy" / "studies" / "retina_vessels.toml"


def run() -> Iterator[Result]:
    """The shipped study of retinal vessels on phantoms of its size.

    Returns medians of processor seconds a round.
    """
    with tempfile.TemporaryDirectory() as folder:
        write.write(Path(folder, "hospitals"), hospitals=3, patients=12, size=256, seed=1)
        table = studies.read(_STUDY).to_table()
        table["task"] = {"name": "segmentation", "classes": ["lesion"]}
        study = Path(folder, "study.toml")
        study.write_text(toml.dumps({**table, "data": {**table["data"], "channels": 1}}), "utf-8")
        measured = ratio(study, Path(folder, "hospitals"), Path(folder), 8)
    yield Result(
        "masked/training under masks against plain, 3 sites, inline",
        measured,
        "x",
        1.10,
        peer="the same without",
        peer_value=1.0,
    )


def ratio(study: Path, sites: Path, scratch: Path, number: int) -> float:
    """Processor seconds of a round under masks, by those of the same round without.

    Median over rounds, the first left out.
    """
    names = [folder.name for folder in hospital_folders(sites)]
    authority = scratch / "state" / ".consortium"
    virtual_consortium.make(authority, names, datetime.now(UTC))
    variables = {
        "CONSILIUM_SITES": sites,
        "CONSILIUM_STATE": scratch / "state",
        "CONSILIUM_DEVICE": "cpu",
        "CONSILIUM_RESIDENT": "1",
    }
    os.environ.update({name: str(value) for name, value in variables.items()})
    public = {
        name: (authority / f"{file}.crt").read_text()
        for name, file in (("roster_key", "roster"), ("authority", "ca"))
    }
    roster = {"signed": json.loads((authority / "roster.json").read_text()), **public}
    with Reporter(quiet=True) as reporter:
        both = [
            _session(study, scratch, on, roster, number, len(names), reporter)
            for on in (True, False)
        ]
        seconds: list[list[float]] = [[], []]
        for i in range(number):
            for which in (0, 1) if i % 2 else (1, 0):
                began = time.process_time()
                rounds.one_round(both[which][1], both[which][0].transport, lambda *_: None)
                seconds[which].append(time.process_time() - began)
    return statistics.median(on / off for on, off in list(zip(*seconds, strict=True))[1:])


def _session(
    study: Path,
    scratch: Path,
    on: bool,
    roster: dict[str, Any],
    number: int,
    nodes: int,
    reporter: Reporter,
) -> tuple[Session, rounds.Federation]:
    table = studies.read(study).to_table()
    table["secure_aggregation"]["enabled"] = on
    path = scratch / f"{'on' if on else 'off'}.toml"
    path.write_text(toml.dumps(table), "utf-8")
    request = RunRequest(
        str(path),
        str(scratch / path.stem),
        rounds=number,
        quiet=True,
        run=virtual_consortium.NAME,
        roster=roster,
    )
    session = open_session(request, Transport(InlineGrid(client, nodes)), reporter)
    federation = replace(
        session.federation(session.roster.members), sums=session.sums, total=session.total
    )
    return session, federation


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_here:
        count = int(sys.argv[3]) if len(sys.argv) > 3 else 8
        sys.stdout.write(
            f"{ratio(Path(sys.argv[1]), Path(sys.argv[2]), Path(made_here), count):.4f}\n"
        )
