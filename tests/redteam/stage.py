"""Real hospitals for attacks.

Tiny invented data, real keys, the strictest policy, and the desk that answers every question.
"""

from __future__ import annotations

import atexit
import copy
import json
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from client.identity import Identity, Trust, raw_key
from client.policy.policy import Policy
from client.site import Site
from client.worker import handler
from client.worker import worker as workers
from common.protocol import envelopes
from common.protocol.envelopes import Question, Reply
from common.study import study as studies
from common.study.study import Study
from common.trust import certificates, study_signature
from common.trust import roster as rosters
from common.trust.certificates import Credential
from common.trust.roster import Roster
from common.trust.study_signature import Statement
from tests import small

CONSORTIUM = "trial"
RUN = "run-1"
PATIENTS = {"ash": 11, "birch": 8, "cedar": 9, "doum": 13}
"""Hospitals and how many patients each has; nobody else may learn it."""
NAMES = tuple(PATIENTS)
VICTIM, *OTHERS = NAMES
NOW = datetime.now(UTC)
TABLE: dict[str, Any] = {
    **small.TABLE,
    "federation": {"rounds": 3, "min_sites": 3, "weight": "patients"},
    "evaluation": {"every": 0, "bootstrap": 0},
    "secure_aggregation": {"enabled": True},
}


class RefusedError(Exception):
    """A hospital's answer is a fault; its public sentence, and who gave it."""

    def __init__(self, site: str, sentence: str) -> None:
        super().__init__(sentence)
        self.site = site


@lru_cache(maxsize=1)
def _data() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="redteam-data-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for seed, (name, patients) in enumerate(PATIENTS.items()):
        small.hospital(folder / name, patients, seed=seed)
    return folder


@lru_cache(maxsize=1)
def keys() -> dict[str, Credential]:
    """The consortium's keys, made once.

    "ca", "coordinator", "roster" and each hospital's identity.
    """
    ca = certificates.authority(CONSORTIUM, NOW - timedelta(days=100), 3650)
    named = (certificates.COORDINATOR, certificates.ROSTER, *NAMES)
    return {"ca": ca, **{name: certificates.signer(ca, name, NOW, 365) for name in named}}


def seed_of(credential: Credential) -> bytes:
    """The raw Ed25519 key."""
    return raw_key(credential.key)


def roster(sites: Mapping[str, bytes], version: int = 1, key: bytes = b"") -> dict[str, Any]:
    """A signed roster over these certificates; ``key``.

    Another than the consortium's roster key.
    """
    listed = Roster(
        CONSORTIUM, version, NOW.isoformat(), {name: pem.decode() for name, pem in sites.items()}
    )
    return rosters.sign(listed, key or keys()["roster"].key)


def certificates_of(*names: str) -> dict[str, bytes]:
    """Certificates of these hospitals."""
    return {name: keys()[name].certificate for name in names or NAMES}


class Stage:
    """Four hospitals at the start of a run, and the coordinator's signature under any study.

    His key lies on the server.

    Args:
        folder: new; for the hospitals' states.

    Attributes:
        table: the study that is sent.
        signed: another study, which the coordinator has signed instead; None if it is the one that
            is sent.
        policy: that of every hospital.
        answers: what each hospital has said.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.policy = Policy(approval=False, floor=0)
        self.signed: Study | None = None
        self.table: dict[str, Any] = copy.deepcopy(TABLE)
        self.roster = roster(certificates_of())
        self.answers: dict[str, list[Reply]] = {name: [] for name in NAMES}
        workers._workers.clear()

    @property
    def study(self) -> Study:
        """The study."""
        return studies.parse(self.table)

    def site(self, name: str) -> Site:
        """A hospital."""
        held = keys()
        identity = Identity(
            CONSORTIUM, seed_of(held[name]), held["ca"].certificate, held["roster"].certificate
        )
        trust = Trust(CONSORTIUM, held["coordinator"].certificate, held["ca"].certificate)
        return Site(
            name,
            (_data() / name,),
            self.folder / name,
            "cpu",
            policy=self.policy,
            identity=identity,
            trust=trust,
        )

    def restart(self) -> None:
        """Start every hospital's worker anew."""
        workers._workers.clear()

    def seal(self, run: str = RUN) -> dict[str, Any]:
        """The coordinator's signature."""
        digest = (self.signed or self.study).digest
        expires = NOW + timedelta(days=7)
        return study_signature.sign(
            Statement(CONSORTIUM, run, digest, NOW.isoformat(), expires.isoformat()),
            keys()["coordinator"].key,
        )

    def ask(self, name: str, kind: str, *messages: bytes, run: str = RUN, **fields: Any) -> Reply:
        """Put a question to a hospital's desk.

        Raises:
            RefusedError: the answer is a fault.
        """
        content = {"study": self.study.to_table(), "seal": self.seal(run), **fields}
        question = envelopes.write_question(Question(kind, secure=tuple(messages), **content))
        reply = envelopes.read_reply(handler.answer(self.site(name), question))
        self.answers[name].append(reply)
        if reply.fault:
            raise RefusedError(name, reply.fault)
        return reply

    def entries(self, name: str) -> list[dict[str, Any]]:
        """The answers and refusals that a hospital has written down."""
        path = self.folder / name / "journal.jsonl"
        lines = (
            [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            if path.exists()
            else []
        )
        return [line for line in lines if "event" not in line]

    def noted(self, refusal: RefusedError | None = None) -> bool:
        """Whether each answer has its line in an audit log, and this refusal the last one."""
        complete = all(len(self.entries(name)) == len(self.answers[name]) for name in NAMES)
        return complete and (
            refusal is None or self.entries(refusal.site)[-1].get("fault") == str(refusal)
        )
