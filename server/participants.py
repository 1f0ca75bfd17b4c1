"""Who takes part: what each hospital declared when it joined."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.errors import InputError
from common.plain_text import described
from common.protocol.envelopes import Question, Reply
from common.protocol.sum_specs import COUNTS
from common.sentences import table as sentences
from common.study.study import Study
from server.transport import Transport

_MOST_IMAGES = 50_000_000
_MOST_REASONS = 20
# Seconds between two questions to a hospital at which a person must decide: each stands in the
# hospital's own record.
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True)
class Member:
    """One hospital as it introduced itself.

    Attributes:
        node: Flower's number.
        site: name, unique in the federation.
        counts: ``{"train", "validation", "test", "patients", "train_patients", "left_out"}``; empty
            if its policy keeps them.
        reasons: public sentences on images that were left out.
        pooled: a virtual hospital of a simulation that holds everybody's images, for comparison
            only.
        tells_metrics: whether its policy lets its own metrics leave.
        trains: whether it trains; else it only scores models.
    """

    node: int
    site: str
    counts: Mapping[str, int]
    reasons: tuple[str, ...] = ()
    pooled: bool = False
    tells_metrics: bool = True
    trains: bool = True

    def weight(self, rule: str) -> float:
        """Weight in the average by the study's rule.

        Training patients, training images, or equal.
        """
        if rule == "equal":
            return 1.0
        return float(self.counts["train_patients" if rule == "patients" else "train"])


@dataclass(frozen=True)
class Participants:
    """The members of a federation, by name, and who was excluded with the reason."""

    members: tuple[Member, ...]
    excluded: Mapping[str, str]
    pooled: Member | None = None
    totals: Mapping[str, int] = field(default_factory=dict)
    """Counts over all hospitals, from a sum under masks."""

    @property
    def trainers(self) -> tuple[Member, ...]:
        """The members that train; the others only score models."""
        return tuple(m for m in self.members if m.trains)


def join(
    transport: Transport,
    study: Study,
    scoring: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Participants:
    """Ask every connected node to introduce itself.

    Those at which a person must still approve the study are asked again and again.

    Args:
        scoring: hospitals only score a finished model, so that they need no training images.
        say: told who is waited for.

    Raises:
        InputError: fewer usable hospitals than ``federation.min_sites``.
    """
    joining = _Joining(study, scoring, transport.names())
    question = Question("join", study.to_table(), settings={"scoring": scoring})
    nodes = list(transport.nodes())
    patience = time.monotonic() + study.federation.approval
    waited_for = ""
    pause = _FIRST_PAUSE
    while True:
        waiting = [
            node
            for node, reply in transport.ask(dict.fromkeys(nodes, question))
            if joining.must_wait(node, reply, bool(waited_for))
        ]
        if not waiting or time.monotonic() >= patience:
            return joining.roster()
        names = ", ".join(sorted(joining.name(node) for node in waiting))
        if names != waited_for:
            say(
                f"waiting for a person's approval at {names}, "
                f"up to {study.federation.approval / 3600:.3g} hours (federation.approval)"
            )
            waited_for = names
        transport.pause(min(pause, max(0.1, patience - time.monotonic())))
        pause = min(2 * pause, _LONGEST_PAUSE)
        nodes = waiting


class _Joining:
    """Who has joined so far, and who has not with the reason."""

    def __init__(self, study: Study, scoring: bool, enrolled: Mapping[int, str]) -> None:
        self._study = study
        self._scoring = scoring
        self._enrolled = enrolled
        self._members: dict[str, Member] = {}
        self._excluded: dict[str, str] = {}
        self._names: dict[int, str] = {}

    def name(self, node: int) -> str:
        return self._names[node]

    def must_wait(self, node: int, reply: Reply, waited_for: bool) -> bool:
        """Take an answer; whether a person at the hospital must decide first.

        ``waited_for``: it was waited for before, so that silence is no answer.
        """
        site = self._names[node] = self._enrolled.get(node) or reply.site or f"node {node}"
        self._excluded.pop(site, None)
        try:
            member = _member(node, reply, self._scoring)
            _check_name(member, self._enrolled)
        except InputError as error:
            self._excluded[site] = str(error)
            return _awaits_a_person(reply) or (reply.silent and waited_for)
        if site in self._members:
            self._excluded[f"{site} (second)"] = (
                f"A hospital named {site!r} has already joined; give each hospital its own name."
            )
        else:
            self._members[site] = member
        return False

    def roster(self) -> Participants:
        pooled = next((m for m in self._members.values() if m.pooled), None)
        hospitals = tuple(
            sorted((m for m in self._members.values() if not m.pooled), key=lambda m: m.site)
        )
        least = 1 if self._scoring else self._study.federation.min_sites
        if sum(m.trains or self._scoring for m in hospitals) < least:
            shortage = (
                f"{len(hospitals)} usable hospitals joined; federation.min_sites asks for "
                f"{self._study.federation.min_sites}."
            )
            scorers = [m.site for m in hospitals if not m.trains]
            others = (
                f" {', '.join(scorers)}: trains no models." if scorers and not self._scoring else ""
            )
            raise InputError(f"{shortage}{others} {grouped(self._excluded)}".strip())
        return Participants(hospitals, self._excluded, pooled)


def gather(
    transport: Transport, expected: int, least: int, say: Callable[[str], None], grace: float = 60.0
) -> None:
    """Wait until the hospitals are connected.

    All that are expected, or the study's least number and no more for ``grace`` seconds.
    """
    reported = -1
    since = time.monotonic()
    while (connected := len(transport.nodes())) < expected:
        if connected != reported:
            say(
                f"waiting for hospitals: {connected} of {expected} are connected, "
                f"at least {least} are needed"
            )
            reported = connected
            since = time.monotonic()
        if connected >= least and time.monotonic() - since > grace:
            return
        transport.pause(0.5)


def grouped(reasons: Mapping[str, str]) -> str:
    """Each reason once, after the hospitals that it holds for: ``a, b: reason. c: reason.``."""
    sites: dict[str, list[str]] = {}
    for site, reason in sorted(reasons.items()):
        sentence, mark, reference = reason.partition(" [")
        sites.setdefault(sentence, []).append(f"{site}{mark}{reference}")
    return " ".join(f"{', '.join(names)}: {reason}" for reason, names in sites.items())


def _awaits_a_person(reply: Reply) -> bool:
    return reply.sentence is not None and reply.sentence.code.startswith("approval.")


def _check_name(member: Member, enrolled: Mapping[int, str]) -> None:
    if enrolled and enrolled.get(member.node) != member.site:
        raise InputError(
            f"It calls itself {member.site!r}, which is not the name that it was enrolled under."
        )


def _member(node: int, reply: Reply, scoring: bool) -> Member:
    if reply.fault:
        raise InputError(reply.refusal)
    values: Mapping[str, Any] = reply.values
    counts = {} if values.get("counts") == "kept" else _counts(values, scoring)
    reasons = values.get("reasons", [])
    if not isinstance(reasons, list):
        raise InputError("It declared reasons that are not a list.")
    reasons_shown = sentences.rendered(reasons, _MOST_REASONS)
    return Member(
        node,
        reply.site,
        counts,
        reasons_shown,
        values.get("pooled") is True,
        values.get("metrics") != "kept",
        values.get("trains") is not False,
    )


def _counts(values: Mapping[str, Any], scoring: bool) -> dict[str, int]:
    counts = {}
    for key in COUNTS:
        value = values.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_IMAGES:
            raise InputError(
                f"It declared {key} = {described(value)}; a whole number from 0 to {_MOST_IMAGES} "
                "is allowed."
            )
        counts[key] = value
    if not scoring and not (counts["train"] and counts["train_patients"]):
        raise InputError("It has no training images.")
    return counts
