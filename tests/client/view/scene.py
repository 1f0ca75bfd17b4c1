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
    made = SiteHome(path)
    for folder in (made.path, made.gateway, made.worker, made.state, made.run, made.logs):
        folder.mkdir(0o700)
    for file in (
        made.ca,
        made.coordinator,
        made.roster_crt,
        made.tls_crt,
        made.identity_crt,
        made.tls_key,
        made.node_key,
        made.identity_key,
    ):
        private(file, "x")
    private(made.policy_toml, (policy or Policy()).to_toml())
    private(made.site_toml, settings(SiteSettings, TABLE, "site").to_toml())
    return made


def private(path: Path, text: str) -> None:
    """Write a file of mode 0600."""
    path.write_text(text, "utf-8")
    path.chmod(0o600)


def busy(path: Path, policy: Policy | None = None) -> SiteHome:
    """A hospital after three rounds.

    There is a refusal, a study that waits and a question at the worker.
    """
    made, now = home(path, policy), datetime.now(UTC)
    approvals.grant(made.state, STUDY, "Dr. A. Rivers", "train", now, 90)
    approvals.offer(made.state, OTHER, now)
    about = {"run": "run-7", "study": "lungs", "digest": STUDY.digest}
    ask(
        made,
        kind="join",
        round=0,
        **about,
        left=["counts", "metrics", "pooled", "trains"],
        bytes=400,
    )
    ask(made, kind="agree", round=0, **about, left=["Advert", "Parcel"], bytes=9000)
    ask(made, kind="tally", round=0, **about, left=["vector", "Masked"], bytes=700)
    for number in (1, 2, 3):
        ask(
            made,
            kind="train",
            round=number,
            **about,
            left=["notes", "vector", "Masked"],
            bytes=2_500_000,
        )
    refuse(
        made,
        study="retina",
        run="run-8",
        digest=OTHER.digest,
        fault="This hospital has not approved the study yet.",
    )
    daily_limits.spend(made.state, policy or Policy(), now.astimezone().date(), 7_510_100, 3)
    begin(made, kind="train", round=4, **about)
    return made


def ask(made: SiteHome, **about: Any) -> None:
    """A question's line in the journal, as the desk writes it."""
    if not about.get("fault"):
        begin(
            made,
            **{
                key: about[key]
                for key in ("kind", "round", "run", "study", "digest")
                if key in about
            },
        )
    write(made.state, **about, seconds=1.5)


def begin(made: SiteHome, **about: Any) -> None:
    """The line of a question that is let in."""
    write(
        made.state,
        event="asked",
        **about,
        received=2_400_000 if about.get("kind") == "train" else 1000,
    )


def write(state: Path, **values: Any) -> None:
    """A line of the journal, also one that the worker itself would not write."""
    path = state / audit_log.NAME
    number = len(path.read_bytes().splitlines()) if path.exists() else 0
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with path.open("a") as file:
        file.write(json.dumps({"seq": number, "prev": audit_log.FIRST, "at": at, **values}) + "\n")
    path.chmod(0o600)


def refuse(made: SiteHome, **about: Any) -> None:
    """A refused question's line."""
    ask(
        made,
        **{
            "kind": "join",
            "round": 0,
            "code": "approval.missing",
            "step": "admission",
            "id": "1f2e3d4c",
            "bytes": 300,
            **about,
        },
    )


def lines(made: SiteHome) -> list[dict[str, Any]]:
    """The journal's lines."""
    return [json.loads(line) for line in (made.state / "journal.jsonl").read_text().splitlines()]


def process(proc: Path, number: int, *words: str | Path) -> None:
    """A process as proc(5) shows it."""
    folder = proc / str(number)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in words))
