"""Three hospitals that work under masks, and a server that asks them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from client.identity import Identity, Trust, raw_key
from client.policy.policy import Policy
from client.site import Site
from client.worker import handler
from client.worker import worker as workers
from common import networks
from common.protocol import envelopes
from common.protocol.envelopes import Question, Reply
from common.study import study as studies
from common.study.study import Study
from common.trust import certificates, study_signature
from common.trust import roster as rosters
from common.trust.roster import Roster
from common.trust.study_signature import Statement
from common.update import Vector
from server import rounds
from server.aggregation import tally
from server.participants import Member, Participants
from server.rounds import Federation, RoundRecord
from server.transport import Traffic
from tests import small

NOW = datetime.now(UTC)
NAMES = ("east", "north", "west")
CA = certificates.authority("trial", NOW, 3650)
KEY, SIGNER = (
    certificates.signer(CA, name, NOW, 365)
    for name in (certificates.ROSTER, certificates.COORDINATOR)
)
IDENTITIES = {name: certificates.signer(CA, name, NOW, 365) for name in NAMES}
IMAGES = dict(zip(NAMES, (8, 10, 12), strict=True))
TABLE: dict[str, Any] = {
    **small.TABLE,
    "secure_aggregation": {"enabled": True},
    "evaluation": {"every": 0, "bootstrap": 0},
}


def roster(version: int = 1) -> dict[str, Any]:
    listed = Roster(
        "trial",
        version,
        NOW.isoformat(),
        {name: one.certificate.decode() for name, one in IDENTITIES.items()},
    )
    return rosters.sign(listed, KEY.key)


def own(**changes: Any) -> Policy:
    """A strict hospital's policy for folders of a few patients, without a person who approves."""
    return Policy(**{"approval": False, "floor": 0, **changes})


class Consortium:
    """Three hospitals' desks as a transport, and a server that asks them.

    Args:
        folder: of the hospitals' folders.
        state: for their states.
        policies: by name; the strict one where nothing is said.
        sections: changes of the study.
    """

    def __init__(
        self,
        folder: Path,
        state: Path,
        policies: Mapping[str, Policy] | None = None,
        **sections: Any,
    ) -> None:
        workers.forget()
        self.table = {
            **TABLE,
            **{name: {**TABLE.get(name, {}), **change} for name, change in sections.items()},
        }
        self.study: Study = studies.parse(self.table)
        trust = Trust("trial", SIGNER.certificate, CA.certificate)
        self.sites = {
            name: Site(
                name,
                (folder / name,),
                state / name,
                "cpu",
                policy=(policies or {}).get(name, own()),
                identity=Identity(
                    "trial", raw_key(IDENTITIES[name].key), CA.certificate, KEY.certificate
                ),
                trust=trust,
            )
            for name in NAMES
        }
        self.traffic, self.heard = Traffic(), list[tuple[str, Question, Reply]]()
        self.trouble: Callable[[str, Question, Reply], Reply] = lambda name, question, reply: reply

    def put(self, name: str, question: Question) -> Reply:
        """One question to one desk."""
        study = studies.parse(question.study)
        statement = Statement(
            "trial", "run-1", study.digest, NOW.isoformat(), (NOW + timedelta(days=7)).isoformat()
        )
        envelope = envelopes.write_question(
            replace(question, seal=study_signature.sign(statement, SIGNER.key))
        )
        reply = envelopes.read_reply(handler.answer(self.sites[name], envelope))
        self.heard.append((name, question, reply))
        return reply

    def ask(
        self, questions: Mapping[int, Question], deadline: float | None = None
    ) -> Iterator[tuple[int, Reply]]:
        for node, question in questions.items():
            yield node, self.trouble(NAMES[node - 1], question, self.put(NAMES[node - 1], question))

    def park(self, model: Vector) -> Vector:
        return model

    def begin(self) -> Federation:
        """Join is taken for granted: the count under masks, then a federation at its start."""
        joined = tuple(
            Member(node, name, {}, tells_metrics=False) for node, name in enumerate(NAMES, 1)
        )
        signed = {
            "signed": roster(),
            "roster_key": KEY.certificate.decode(),
            "authority": CA.certificate.decode(),
        }
        secure, members, total = tally.hold(
            self, self.study, "run-1", signed, Participants(joined, {})
        )  # type: ignore[arg-type]
        layout, start, _ = networks.start_weights(self.study, Path())
        return Federation(self.study, layout, start, members.members, sums=secure, total=total)

    def round(self, federation: Federation) -> RoundRecord:
        return rounds.one_round(federation, self, lambda *_: None)  # type: ignore[arg-type]

    def audit_entries(self, name: str, event: str = "") -> list[dict[str, Any]]:
        """The answers and refusals in a hospital's journal, or another event's lines."""
        path = self.sites[name].state / "journal.jsonl"
        entries = (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )
        return [line for line in entries if line.get("event", "") == event]


Make = Callable[..., Consortium]


def refused(consortium: Consortium, name: str, question: Question, words: str) -> None:
    """The desk refuses in a sentence, nothing else leaves, and the journal has it."""
    before = len(consortium.audit_entries(name))
    reply = consortium.put(name, question)
    assert (
        words in reply.fault
        and reply.values.keys() <= {"step", "id", "accused"}
        and reply.delta is None
        and reply.secure == ()
    )
    lines = consortium.audit_entries(name)
    assert (
        len(lines) == before + 1 and lines[-1]["fault"] == reply.fault and "left" not in lines[-1]
    )
    assert (
        lines[-1]["id"] == reply.values["id"]
        and f"[{reply.values['id']}]" in (consortium.sites[name].state / "site.log").read_text()
    )


@lru_cache(maxsize=1)
def start() -> tuple[str, Vector]:
    layout, weights, _ = networks.start_weights(studies.parse(TABLE), Path())
    return layout.digest, weights


def sites_train(consortium: Consortium) -> dict[str, int]:
    return {
        name: workers.resident(
            consortium.sites[name], Question("agree", consortium.study.to_table()), "run-1"
        )._data.dataset.counts["train"]
        for name in NAMES
    }


def bent(
    consortium: Consortium,
    federation: Federation,
    kind: str,
    change: Callable[[Question], Question],
) -> list[Reply]:
    """Play a round in which the questions of one kind are changed on their way.

    The hospitals' answers to them.
    """
    honest, answers = consortium.put, list[Reply]()

    def put(name: str, question: Question) -> Reply:
        reply = honest(name, change(question) if question.kind == kind else question)
        answers.extend([reply] if question.kind == kind else [])
        return reply

    consortium.put = put  # type: ignore[method-assign]
    with pytest.raises(Exception, match="Too few hospitals"):
        consortium.round(federation)
    return answers


def layout_of_study() -> Any:
    return networks.start_weights(studies.parse(TABLE), Path())[0]
