"""Hospitals that answer with real keys and real masks over a transport in memory.

A test may disturb it at every exchange.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from client.secagg.participation import Participation, Roll
from client.secagg.revealed_sums import RevealedSums
from client.secagg.sums_in_progress import SumsInProgress
from common import networks
from common.errors import ConsiliumError
from common.protocol import envelopes, sum_specs
from common.protocol.envelopes import Question, Reply
from common.secagg import primitives
from common.secagg.encoding import Message, tag_of
from common.secagg.messages import (
    Advert,
    Bundle,
    Confirm,
    Masked,
    Parcel,
    Reveal,
    Signed,
    SumSpec,
    Survivors,
    Terms,
)
from common.secagg.participant_state import Me
from common.secagg.terms import Limits
from common.sentences.table import say as sentence
from common.study.sections import SecureAggregation
from common.study.study import Study
from common.update import Vector
from server.aggregation.cohort import Cohort, Membership
from server.aggregation.secure_sums import Sum, Sums
from server.participants import Member
from server.transport import Traffic
from tests.benchmarks import null

DISK = sentence("record.unwritable")
NO_DISK = Reply("", "", sentence=DISK).refusal
"""What the server makes of a hospital's refusal."""

M = TypeVar("M", bound=Message)
STAGES = ("keys", "parcels", "vector", "confirm", "reveal")
ROSTER = hashlib.sha256(b"roster").digest()


def study(number: int = 50, **section: Any) -> Study:
    """A study with secure aggregation that trains nothing."""
    return replace(
        null.study(number), secure_aggregation=SecureAggregation(enabled=True, **section)
    )


def stage(question: Question) -> str:
    """At which exchange a question comes; what rides along does not count."""
    if question.kind != "agree":
        return "vector"
    tags = [tag_of(blob) for blob in question.secure]
    if Survivors.TAG in tags:
        return "confirm"
    inside = {
        tag_of(item)
        for blob in question.secure
        if tag_of(blob) == Bundle.TAG
        for item in Bundle.decode(blob).items
    }
    if Confirm.TAG in inside:
        return "reveal"
    return "keys" if tags == [Terms.TAG] else "parcels"


@dataclass
class Hospital:
    """One hospital.

    Attributes:
        lanes: what it puts into lanes, where that is not 1.
        clear: what it says in clear beside its vector.
        worked: how often it worked.
        adverts: the keys that it made.
    """

    name: str
    key: bytes
    party: Participation
    change: Vector
    weight: int
    study: Study
    lanes: dict[str, float] = field(default_factory=dict)
    clear: dict[str, Any] = field(default_factory=dict)
    worked: int = 0
    adverts: list[Advert] = field(default_factory=list)

    def answer(self, question: Question) -> Reply:
        """As a hospital's worker does it: a refusal becomes a sentence."""
        try:
            reply = self._answer(question)
        except ConsiliumError as error:
            accused = getattr(error, "accused", "")
            reply = Reply(
                self.name,
                "",
                values={"accused": accused} if accused else {},
                sentence=error.sentence,
            )
        self.adverts += [Advert.decode(blob) for blob in reply.secure if tag_of(blob) == Advert.TAG]
        return reply

    def _answer(self, question: Question) -> Reply:
        if question.kind == "agree":
            answers, refused = agreed(self.party, question.secure)
            return Reply(
                self.name,
                "agree",
                values={"refused": [reason.to_json() for reason in refused]} if refused else {},
                secure=answers,
            )
        sealing = self.party.prepare(
            question.secure, lambda cohort, total: spec_for(self.study, question, cohort, total)
        )
        self.worked += 1
        share = self.weight / max(sealing.spec.total, 1)
        lanes = (
            dict.fromkeys(sealing.spec.lanes, 1)
            | {"weight": self.weight, "loss": share * self.weight / 100}
            | self.lanes
        )
        lanes = {lane: lanes[lane] for lane in sealing.spec.lanes}
        values = self.change if question.kind == "train" else np.empty(0, np.float32)
        vector, messages = self.party.seal(sealing, values, share, lanes)
        return Reply(
            self.name,
            question.kind,
            question.round,
            values={"from": self.name, **self.clear},
            delta=vector,
            secure=messages,
        )


def agreed(
    party: Participation, messages: Sequence[bytes]
) -> tuple[tuple[bytes, ...], tuple[str, ...]]:
    """A hospital's answers, and why some steps were refused."""
    return party.agree(messages), party.refused


def spec_for(study_: Study, question: Question, cohort: int, total: int) -> SumSpec:
    """What a question calls for."""
    metrics = (
        tuple(networks.task(study_).higher_is_better)
        if question.kind == "evaluate" and study_.name != "null"
        else ()
    )
    part = str(question.settings.get("part", ""))
    return sum_specs.specify(
        study_,
        question.kind,
        cohort,
        number=question.round,
        part=part,
        model=question.model,
        layout=question.layout,
        total=total,
        metrics=metrics,
    )


Trouble = Callable[[Hospital, Question, Reply], Reply]


class World:
    """Hospitals, the way to them, and the server's secure sums.

    Args:
        folder: for the hospitals' states.
        count: number of hospitals.
        size: length of the vectors.
        own_study: the study; else one that trains nothing.
        keys: the hospitals' Ed25519 keys.
        digest: that of the roster.
        section: settings of the study's secure aggregation.
    """

    def __init__(
        self,
        folder: Path,
        count: int = 5,
        size: int = 7,
        own_study: Study | None = None,
        keys: Mapping[str, bytes] | None = None,
        digest: bytes = ROSTER,
        **section: Any,
    ) -> None:
        self.study, self.folder, self.digest = own_study or study(**section), folder, digest
        self.names = tuple(f"h{i:02}" for i in range(1, count + 1))
        self.keys = dict(
            keys or {name: hashlib.sha256(name.encode()).digest() for name in self.names}
        )
        self.public = {name: primitives.ed25519_public(key) for name, key in self.keys.items()}
        rng = np.random.default_rng(count)
        weights = {name: 100 * (i + 1) for i, name in enumerate(self.names)}
        self.hospitals = {
            name: Hospital(
                name,
                self.keys[name],
                self.party(name),
                rng.normal(0, 0.05, size).astype(np.float32),
                weights[name],
                self.study,
            )
            for name in self.names
        }
        self.total, self.size = sum(weights.values()), size
        self.trouble: dict[tuple[str, str], Trouble] = {}
        self.away: set[tuple[str, str]] = set()
        self.traffic = Traffic()
        self.exchanges: list[dict[str, str]] = []
        nodes = {name: i for i, name in enumerate(self.names, 1)}
        self._sites = {node: name for name, node in nodes.items()}
        self.membership = Membership("consortium", "run", {"a": "roster"}, digest, self.public)
        self.cohort = Cohort(self, self.study, self.membership, nodes)  # type: ignore[arg-type]
        self.sums = Sums(self.cohort, 1.0)
        self.round = 0

    def party(self, name: str, limits: Limits | None = None, run: str = "run") -> Participation:
        """A party as a worker makes it when it starts."""
        me = Me(name, self.keys[name], limits or Limits())
        return Participation(
            me,
            "consortium",
            run,
            lambda: Roll(self.digest, self.public),
            SumsInProgress(),
            RevealedSums(self.folder / name, "study"),
        )

    def restart(self, name: str) -> None:
        """What a hospital kept in memory is gone."""
        self.hospitals[name].party = self.party(name)

    def ask(
        self, questions: Mapping[int, Question], deadline: float | None = None
    ) -> Iterator[tuple[int, Reply]]:
        """The transport."""
        assert deadline and deadline > 0
        self.exchanges.append(
            {self._sites[node]: stage(question) for node, question in questions.items()}
        )
        for node, outgoing in questions.items():
            hospital = self.hospitals[self._sites[node]]
            question = envelopes.read_question(envelopes.write_question(outgoing))
            if (stage(question), hospital.name) in self.away:
                yield node, silence(question)
                continue
            reply, trouble = (
                hospital.answer(question),
                self.trouble.get((stage(question), hospital.name)),
            )
            reply = reply if trouble is None else trouble(hospital, question, reply)
            replies = [
                reply if reply.silent else envelopes.read_reply(envelopes.write_reply(reply))
            ]
            del reply
            yield node, replies.pop()

    def members(self) -> list[Member]:
        """Hospitals that keep their counts and metrics to themselves."""
        return [Member(node, site, {}, tells_metrics=False) for node, site in self._sites.items()]

    def park(self, model: Vector) -> Vector:
        """As the transport does it."""
        return model

    def collect(
        self, cohort: Sequence[str] = (), kind: str = "train", number: int = 0, say: Any = None
    ) -> Sum:
        """The next secure sum."""
        self.round = number or self.round + 1
        model = np.full(self.size, self.round, np.float32) if kind != "tally" else None
        question = Question(kind, {"a": "study"}, self.round, "layout", model)
        total = self.total if kind == "train" else 0
        return self.sums.collect(
            question,
            lambda n: spec_for(self.study, question, n, total),
            cohort or self.names,
            say,
            9.0,
        )

    def check(self, opened: Sum, *without: str) -> None:
        """Whether a sum is exactly that of all hospitals but some.

        Weights to the last one, values to half a unit each.
        """
        assert opened.survivors == tuple(name for name in self.names if name not in without)
        hospitals = [self.hospitals[name] for name in opened.survivors]
        weight = sum(h.weight for h in hospitals)
        assert opened.lanes["weight"] == weight and opened.lanes["steps"] == len(hospitals)
        assert (
            abs(opened.lanes["loss"] - sum(h.weight**2 for h in hospitals) / self.total / 100)
            < 1e-6
        )
        expected = np.average(
            [h.change.astype(np.float64) for h in hospitals],
            axis=0,
            weights=[h.weight for h in hospitals],
        )
        mean = opened.vectors.mean(weight)
        assert mean.dtype == np.float32 and float(np.abs(mean - expected).max(initial=0.0)) < 1e-6
        assert {name: values["from"] for name, values in opened.values.items()} == {
            name: name for name in opened.survivors
        }


def silence(question: Question) -> Reply:
    """What the transport says where nothing came."""
    return Reply("", question.kind, fault="No answer before the deadline.", silent=True)


def bent(kind: type[M], change: Callable[[Hospital, M], M]) -> Trouble:
    """A hospital that says one kind of message otherwise than it should."""

    def trouble(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        secure = (
            change(hospital, kind.decode(b)).encode() if tag_of(b) == kind.TAG else b
            for b in reply.secure
        )
        return replace(reply, secure=tuple(secure))

    return trouble


def forged(hospital: Hospital, question: Question, reply: Reply) -> Reply:
    """Every signature is that of another key."""
    return replace(reply, secure=tuple(_forged(blob) for blob in reply.secure))


def _forged(blob: bytes) -> bytes:
    kinds: dict[int, Any] = {kind.TAG: kind for kind in (Advert, Parcel, Masked, Confirm, Reveal)}
    if tag_of(blob) == Bundle.TAG:
        bundle = Bundle.decode(blob)
        return replace(bundle, items=tuple(_forged(item) for item in bundle.items)).encode()
    message: Signed = kinds[tag_of(blob)].decode(blob)
    return message.signed(bytes(32)).encode()


def once(trouble: Trouble) -> Trouble:
    """Only the first time."""
    happened: list[Question] = []

    def first_only(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        happened.append(question)
        return trouble(hospital, question, reply) if len(happened) == 1 else reply

    return first_only
