"""A hospital whose worker says what a test wants.

For tests of admission before it, outbox after.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.identity import Identity, Trust, raw_key
from client.policy.policy import OPEN, Policy
from client.site import Site
from client.worker import handler
from client.worker import worker as workers
from common.protocol import envelopes
from common.protocol.envelopes import Envelope, Question, Reply
from common.sentences.table import STEPS
from common.study import study as studies
from common.study.study import Study
from common.trust import certificates, study_signature
from common.trust.study_signature import Statement
from common.update import Vector
from tests import small

NOW = datetime.now(UTC)
NAME = "north"
SECRET = "MUELLER^HANS"
CA = certificates.authority("trial", NOW, 3650)
SIGNER = certificates.signer(CA, certificates.COORDINATOR, NOW, 365)
OTHER = certificates.signer(CA, certificates.COORDINATOR, NOW, 365)
OWN = certificates.signer(CA, NAME, NOW, 365)
KEY = raw_key(OWN.key)
KINDS = ("join", "agree", "tally", "train", "evaluate")
PLAIN = False
MASKED = True
MODEL: Vector = np.zeros(6, np.float32)
FREE = replace(OPEN, floor=0)
"""A policy that lets everything leave that has leave to go at all."""


def small_study(masked: bool = MASKED, **sections: Any) -> Study:
    """The small study, masked or not, with some sections changed."""
    table = {**small.TABLE, "secure_aggregation": {"enabled": masked}, **sections}
    return studies.parse(table)


CLEAR = small_study(PLAIN)
SECURE = small_study()
STRICT = Policy(approval=False, floor=0)
"""A policy that tells nothing of its own accord, for folders of a few patients."""


def hospital(state: Path, policy: Policy = FREE, folder: Path | None = None) -> Site:
    """A real hospital.

    It takes signed studies only, has a key of its own and keeps an audit log.
    """
    identity = Identity("trial", KEY, CA.certificate, SIGNER.certificate)
    trust = Trust("trial", SIGNER.certificate, CA.certificate)
    return Site(
        NAME,
        (folder or state / "data",),
        state,
        "cpu",
        policy=policy,
        identity=identity,
        trust=trust,
    )


def signed_question(study: Study, kind: str, **fields: Any) -> Question:
    """A question that the coordinator signed."""
    statement = Statement(
        "trial", "run-1", study.digest, NOW.isoformat(), (NOW + timedelta(days=7)).isoformat()
    )
    model = MODEL if kind in ("train", "evaluate") else None
    layout = "a" * 64 if model is not None else ""
    question = Question(
        kind,
        study.to_table(),
        1 if kind == "train" else 0,
        layout,
        model,
        seal=study_signature.sign(statement, SIGNER.key),
    )
    return replace(question, **fields)


def honest(kind: str, **values: Any) -> Reply:
    """An answer with a right heading."""
    question = signed_question(small_study(), kind)
    return Reply(NAME, kind, question.round, question.layout, values)


class LyingText(str):
    """A text that says it is any other."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def isprintable(self) -> bool:
        return True

    def __len__(self) -> int:
        return 1


class LyingTable(dict[str, Any]):
    """A table that shows other entries each time."""

    def __init__(self, first: dict[str, Any], then: dict[str, Any]) -> None:
        super().__init__(first)
        self._turns = [first, then]

    def items(self) -> Any:
        return (self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]).items()


class LyingNumber:
    """An object that claims to be equal to everything and shows a secret."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __str__(self) -> str:
        return SECRET

    __repr__ = __str__


class LyingVector(np.ndarray[Any, Any]):
    """A vector whose functions see zeros."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **named: Any) -> Any:
        return getattr(ufunc, method)(*(np.zeros(6, np.float32) for _ in inputs), **named)


@dataclass
class Worker:
    """Answers as it was told to."""

    says: Callable[[Question], Reply]

    def answer(self, question: Question) -> Reply:
        return self.says(question)


Says = Reply | Exception


def ask(monkeypatch: pytest.MonkeyPatch, site: Site, question: Question, says: Says) -> Envelope:
    """Put a question to the hospital's handler; its worker gives this answer, or fails so."""

    def answer(_: Question) -> Reply:
        if isinstance(says, Exception):
            raise says
        return says

    monkeypatch.setattr(workers, "resident", lambda *_: Worker(answer))
    return handler.answer(site, envelopes.write_question(question))


def all_bytes(envelope: Envelope) -> bytes:
    """Everything that leaves."""
    return envelope.text.encode() + (b"" if envelope.vector is None else envelope.vector.tobytes())


def audit_entries(site: Site) -> list[dict[str, Any]]:
    """The answers and refusals in the hospital's audit log."""
    lines = [json.loads(line) for line in (site.state / "journal.jsonl").read_text().splitlines()]
    return [line for line in lines if "event" not in line]


def refused(site: Site, envelope: Envelope, code: str, words: str = "") -> Reply:
    """The envelope is a fault and nothing else: its sentence, step and id, nothing of the secret.

    The same id stands in the hospital's log and in its audit log.

    Args:
        code: that of the sentence, or the part of the table that it is of.
    """
    reply = envelopes.read_reply(envelope)
    assert (
        reply.fault
        and words in reply.fault
        and reply.fault.isprintable()
        and len(reply.fault) <= 500
    )
    assert reply.values.keys() == {"step", "id"} and reply.values["step"] in STEPS, reply.values
    assert reply.sentence is not None and reply.sentence.code.startswith(code), reply.sentence
    assert (reply.site, reply.kind, reply.round, reply.layout, reply.delta, reply.secure) == (
        NAME,
        "",
        0,
        "",
        None,
        (),
    )
    assert SECRET.encode() not in all_bytes(envelope)
    line = audit_entries(site)[-1]
    expected = {"fault": reply.fault, "code": reply.sentence.code, **reply.values}
    assert {
        key: line[key] for key in ("fault", "code", "step", "id")
    } == expected and "left" not in line
    assert SECRET not in json.dumps(line)
    assert f"[{reply.values['id']}]" in (site.state / "site.log").read_text()
    return reply
