"""A hospital's folder as it stands in the middle of a study, made without one."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.audit import log as audit_log
from client.home import SiteHome
from client.policy import approvals, daily_limits
from client.policy.policy import Policy
from client.site_settings import SiteSettings, settings
from common.study import study as studies
from tests import small

TABLE: dict[str, Any] = {
    "name": "north",
    "consortium": "chest-4",
    "address": "fl.example.org",
    "port": 8443,
    "data": "scans",
}
STUDY = studies.parse({**small.TABLE, "name": "lungs", "federation": {"rounds": 20}})
OTHER = studies.parse({**small.TABLE, "name": "retina"})
HOSTILE = '</script><script>fetch("http://x/")</script>\x1b[2J\u202e"><img src=x onerror=alert(1)>'
"""A study's name as nobody well-meaning would give it."""


def home(path: Path, policy: Policy | None = None) -> SiteHome:
    """An enrolled hospital that nobody has asked yet."""
    hospital = SiteHome(path)
    for folder in (
        hospital.path,
        hospital.gateway,
        hospital.worker,
        hospital.state,
        hospital.run,
        hospital.logs,
    ):
        folder.mkdir(0o700)
    for file in (
        hospital.ca,
        hospital.coordinator,
        hospital.roster_crt,
        hospital.tls_crt,
        hospital.identity_crt,
        hospital.tls_key,
        hospital.node_key,
        hospital.identity_key,
    ):
        private(file, "x")
    private(hospital.policy_toml, (policy or Policy()).to_toml())
    private(hospital.site_toml, settings(SiteSettings, TABLE, "site").to_toml())
    return hospital


def private(path: Path, text: str) -> None:
    """Write a file of mode 0600."""
    path.write_text(text, "utf-8")
    path.chmod(0o600)


def busy(path: Path, policy: Policy | None = None) -> SiteHome:
    """A hospital after three rounds.

    There is a refusal, a study that waits and a question at the worker.
    """
    hospital, now = home(path, policy), datetime.now(UTC)
    approvals.grant(hospital.state, STUDY, "Dr. A. Rivers", "train", now, 90)
    approvals.offer(hospital.state, OTHER, now)
    fields = {"run": "run-7", "study": "lungs", "digest": STUDY.digest}
    ask(
        hospital,
        kind="join",
        round=0,
        **fields,
        left=["counts", "metrics", "pooled", "trains"],
        bytes=400,
    )
    ask(hospital, kind="agree", round=0, **fields, left=["Advert", "Parcel"], bytes=9000)
    ask(hospital, kind="tally", round=0, **fields, left=["vector", "Masked"], bytes=700)
    for number in (1, 2, 3):
        ask(
            hospital,
            kind="train",
            round=number,
            **fields,
            left=["notes", "vector", "Masked"],
            bytes=2_500_000,
        )
    refuse(
        hospital,
        study="retina",
        run="run-8",
        digest=OTHER.digest,
        fault="This hospital has not approved the study yet.",
    )
    daily_limits.spend(hospital.state, policy or Policy(), now.astimezone().date(), 7_510_100, 3)
    begin(hospital, kind="train", round=4, **fields)
    return hospital


def ask(hospital: SiteHome, **fields: Any) -> None:
    """A question's line in the journal, as the desk writes it."""
    if not fields.get("fault"):
        begin(
            hospital,
            **{
                key: fields[key]
                for key in ("kind", "round", "run", "study", "digest")
                if key in fields
            },
        )
    write(hospital.state, **fields, seconds=1.5)


def begin(hospital: SiteHome, **fields: Any) -> None:
    """The line of a question that is let in."""
    write(
        hospital.state,
        event="asked",
        **fields,
        received=2_400_000 if fields.get("kind") == "train" else 1000,
    )


def write(state: Path, **values: Any) -> None:
    """A line of the journal, also one that the worker itself would not write."""
    path = state / audit_log.NAME
    number = len(path.read_bytes().splitlines()) if path.exists() else 0
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with path.open("a") as file:
        file.write(json.dumps({"seq": number, "prev": audit_log.FIRST, "at": at, **values}) + "\n")
    path.chmod(0o600)


def refuse(hospital: SiteHome, **fields: Any) -> None:
    """A refused question's line."""
    ask(
        hospital,
        **{
            "kind": "join",
            "round": 0,
            "code": "approval.missing",
            "step": "admission",
            "id": "1f2e3d4c",
            "bytes": 300,
            **fields,
        },
    )


def lines(hospital: SiteHome) -> list[dict[str, Any]]:
    """The journal's lines."""
    return [
        json.loads(line) for line in (hospital.state / "journal.jsonl").read_text().splitlines()
    ]


def process(proc: Path, number: int, *words: str | Path) -> None:
    """A process as proc(5) shows it."""
    folder = proc / str(number)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in words))
