"""What a coordinator does with studies on the server host: submit, look, stop.

Each function is one sub-command of ``consilium server``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common.errors import InputError, StudyError, did_you_mean
from common.storage import files
from common.study import config, toml
from common.study import study as studies
from common.study.study import Study
from common.trust import study_signature
from common.trust.study_signature import Statement
from server.commands import roster_signing
from server.host.server_home import ServerHome
from server.host.site_registry import Registry
from server.host.superlink_control import ControlError
from server.progress import WAITING


@dataclass(frozen=True)
class Submission:
    """What is to run.

    Attributes:
        study: path of the study file.
        name: name of the run, or "" for the study's name with the time.
        rounds, seed: instead of the study's, if not None.
        days: the signature is good for so many days.
    """

    study: Path
    name: str = ""
    rounds: int | None = None
    seed: int | None = None
    days: int = 30


def submit(home: ServerHome, submission: Submission, now: datetime) -> str:
    """Check, sign and queue a study; returns the name of its run.

    Raises:
        InputError: the study is wrong, a run of that name exists, or the study needs a signed
            roster that is not there.
        ControlError: the server does not run.
    """
    study = _resolved(submission)
    name = submission.name or f"{study.name[:40]}-{now:%Y%m%d-%H%M%S}"
    folder = home.runs / name
    if not config.NAME.fullmatch(name) or folder.exists():
        raise InputError(
            f"A run cannot be called {name!r}: "
            f"{'there is one' if folder.exists() else f'a name has {config.NAME_RULE}'}; "
            "give another --name."
        )
    roster = (
        roster_signing.for_study(home, now)
        if study.secure_aggregation.enabled
        else roster_signing.signed(home)
    )
    with home.control() as control, ExitStack() as undo:
        control.runs()
        folder.mkdir(mode=0o700)
        undo.callback(shutil.rmtree, folder, ignore_errors=True)
        _write_request(home, folder, study, submission, now, roster)
        number = control.submit(name)
        undo.pop_all()
    files.replace(
        folder / "run.json",
        json.dumps({"run_id": number, "submitted": now.isoformat(timespec="seconds")}).encode(),
    )
    return name


def _resolved(submission: Submission) -> Study:
    study = studies.read(submission.study)
    if submission.rounds is not None:
        study = replace(study, federation=replace(study.federation, rounds=submission.rounds))
    return study if submission.seed is None else replace(study, seed=submission.seed)


def _write_request(
    home: ServerHome,
    folder: Path,
    study: Study,
    submission: Submission,
    now: datetime,
    roster: dict[str, Any],
) -> None:
    _copy_start(Path(study.training.pretrained), submission.study.parent, folder)
    files.create(folder / "submitted.toml", toml.dumps(study.to_table()).encode())
    statement = Statement(
        home.settings.name,
        folder.name,
        study.digest,
        now.isoformat(),
        (now + timedelta(days=submission.days)).isoformat(),
    )
    seal = study_signature.sign(statement, (home.path / "coordinator.key").read_bytes())
    enrolled = sum(site.enrolled is not None for site in Registry(home.path).load().values())
    request = {
        "study": str(folder / "submitted.toml"),
        "out": str(folder),
        "engine": "deployed",
        "run": folder.name,
        "expected": max(enrolled, study.federation.min_sites),
        "roster": _roster_trust(home, roster),
    }
    files.create(folder / "order.json", json.dumps({**request, "seal": seal}).encode())


def _roster_trust(home: ServerHome, signed: dict[str, Any]) -> dict[str, Any]:
    """The signed roster with what the server checks it by."""
    certificates = {"roster_key": "roster.crt", "authority": "ca.crt"}
    return (
        {
            "signed": signed,
            **{name: (home.path / file).read_text("ascii") for name, file in certificates.items()},
        }
        if signed
        else {}
    )


def _copy_start(weights: Path, source: Path, folder: Path) -> None:
    """Copy the file of start weights, if the study names one, to the run under the same name."""
    if weights == Path() or weights.is_absolute():
        return
    if ".." in weights.parts:
        raise StudyError(
            f"training.pretrained is {str(weights)!r}, which leads out of the study's "
            "folder; put the file there or give its whole path."
        )
    try:
        (folder / weights).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / weights, folder / weights)
    except OSError as error:
        raise StudyError(
            f"training.pretrained is {str(weights)!r}, which cannot be copied to the run "
            f"({error.strerror})."
        ) from None


def status(home: ServerHome, now: datetime) -> dict[str, Any]:
    """``{"consortium", "server", "sites": {name: state}, "runs".

    [{run, state, round, rounds, loss, refused}]}``; works without a running server.
    """
    sites = {
        name: {"state": site.state(now), "online": False}
        for name, site in Registry(home.path).load().items()
    }
    states: dict[int, Any] = {}
    try:
        with home.control() as control:
            states = dict(control.runs())
            online = control.online()
            names = control.names()
        for name in {names[node] for node in online & set(names)} & set(sites):
            sites[name]["online"] = True
        up = True
    except ControlError:
        up = False
    runs = [_run(folder, states) for folder in _folders(home)]
    return {
        "consortium": home.settings.name,
        "server": "running" if up else "not running",
        "sites": sites,
        "runs": runs,
    }


def _folders(home: ServerHome) -> list[Path]:
    folders = (
        [folder for folder in home.runs.glob("*") if (folder / "run.json").is_file()]
        if home.runs.is_dir()
        else []
    )
    return sorted(folders, key=lambda folder: (folder / "run.json").stat().st_mtime)


def _waiting(folder: Path, state: str) -> str:
    """Whom a running run waits for; empty if for nobody."""
    waiting = folder / WAITING
    return waiting.read_text("utf-8") if state == "running" and waiting.is_file() else ""


def _run(folder: Path, states: dict[int, Any]) -> dict[str, Any]:
    number = json.loads((folder / "run.json").read_text("utf-8"))["run_id"]
    last = _last_round(folder / "rounds.jsonl")
    table = studies.read(folder / "submitted.toml")
    state = states.get(number)
    report = folder / "report.json"
    ended = (
        json.loads(report.read_text("utf-8")).get("status", "finished") if report.exists() else None
    )
    outcome = ended or ("unknown" if state is None else state.outcome or state.status)
    loss = last.get("loss") or {}
    return {
        "run": folder.name,
        "run_id": number,
        "state": outcome,
        "details": "" if state is None else _waiting(folder, outcome) or state.details,
        "round": last.get("round", 0),
        "rounds": table.federation.rounds,
        "loss": sum(loss.values()) / len(loss) if loss else None,
        "refused": last.get("refused", []),
        "report": str(folder / "report.html") if (folder / "report.html").exists() else None,
    }


def _last_round(path: Path) -> dict[str, Any]:
    """The last line that is complete: the run may be writing the next one."""
    complete, _, _ = (path.read_bytes() if path.exists() else b"").rpartition(b"\n")
    record: dict[str, Any] = json.loads(complete.rpartition(b"\n")[2]) if complete else {}
    return record


def stop(home: ServerHome, name: str) -> None:
    """Stop a run; the model of its last finished round stays.

    Raises:
        InputError: there is no such run, or it has ended.
    """
    folder = find(home, name)
    with home.control() as control:
        state = control.runs().get(json.loads((folder / "run.json").read_text("utf-8"))["run_id"])
        if state is None or state.status == "finished":
            raise InputError(f"The run {name!r} has ended already; see: consilium server status.")
        try:
            os.kill(int((folder / "pid").read_text("utf-8")), signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError):  # it waits, or its process died
            control.stop(state.run_id)


def find(home: ServerHome, name: str) -> Path:
    """A run's folder.

    Raises:
        InputError: there is none of that name.
    """
    folders = {folder.name: folder for folder in _folders(home)}
    if name not in folders:
        raise InputError(
            f"There is no run {name!r}{did_you_mean(name, folders)}; runs: "
            f"{', '.join(folders) or 'none'}."
        )
    return folders[name]


def now() -> datetime:
    """The present moment, UTC."""
    return datetime.now(UTC)
