"""What one round leaves behind: collected while answers come, written down when it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import SignatureError
from common.protocol.envelopes import Reply
from common.sentences import table as sentences
from common.trust import tree_heads
from common.update import Update
from server.aggregation.secure_sums import Sum, is_finite
from server.participants import Member

Watch = Callable[[int, str, int, int], None]
"""Gets ``(round, site, done, of)`` after each answer, for progress."""
_LONGEST_NOTE = 500


@dataclass(frozen=True)
class RoundRecord:
    """What one round leaves in ``rounds.jsonl``.

    ``loss`` and ``weights`` hold those hospitals only whose values the server may know.
    """

    round: int
    seconds: float
    training_seconds: float
    accepted: tuple[str, ...]
    refused: tuple[Mapping[str, str], ...]
    loss: Mapping[str, float]
    weights: Mapping[str, float]
    bytes: Mapping[str, int]
    notes: Mapping[str, str] = field(default_factory=dict)
    """What hospitals say about how they computed, e.g. that a GPU's memory was full."""
    mean_loss: float | None = None
    """Mean over the hospitals, each with its weight."""
    secure: Mapping[str, Any] | None = None
    """``{"cohort", "survivors", "dropped", "attempts", "exchanges"}`` of a sum under masks."""
    void: str = ""
    """Why the round came to nothing; the model did not move."""
    heads: Mapping[str, Any] = field(default_factory=dict)
    """Signed heads of the hospitals' own records that came with the answers."""


@dataclass
class RoundNotes:
    """What happened in a round so far."""

    number: int
    chosen: Sequence[Member]
    watch: Watch
    refused: list[dict[str, str]] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    loss: dict[str, float] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    answers: int = 0
    mean_loss: float | None = None
    secure: dict[str, Any] | None = None
    void: str = ""
    heads: dict[str, Any] = field(default_factory=dict)

    def head(self, site: str, signed: object) -> None:
        """Take a signed head in the form that travels; whether it is true the hospitals say."""
        try:
            if tree_heads.read(signed).site == site:
                self.heads[site] = signed
        except SignatureError:
            return

    def refuse(self, site: str, reason: str) -> None:
        """An answer that is not used."""
        self.refused.append({"site": site, "reason": reason})
        self._answered(site)

    def accept(self, site: str, update: Update, remarks: object) -> None:
        """An update that is in the mean."""
        self.accepted.append(site)
        self.loss[site] = update.loss
        self.weights[site] = update.weight
        self.seconds += update.seconds
        self._remark(site, remarks)
        self.mean_loss = sum(self.loss[s] * w for s, w in self.weights.items()) / sum(
            self.weights.values()
        )
        self._answered(site)

    def take_answer(self, site: str, reply: Reply) -> None:
        """A masked vector came, or a fault."""
        self._answered(site)

    def take_sum(self, opened: Sum, scale: float) -> None:
        """A sum under masks was opened.

        What hospitals said in clear besides is kept where it is a number.

        Args:
            opened: the sum.
            scale: total weight by that summed.
        """
        self.accepted += opened.survivors
        for site, why in opened.late.items():
            self.remarks[site] = why[:_LONGEST_NOTE]
        self.refused += [
            {"site": site, "reason": reason} for site, reason in sorted(opened.dropped.items())
        ]
        for site, values in opened.values.items():
            self._remark(site, values.get("notes"))
            self.head(site, values.get("head"))
            for key, by_site in (("loss", self.loss), ("weight", self.weights)):
                if site in opened.survivors and is_finite(values.get(key)):
                    by_site[site] = float(values[key])
        self.seconds += opened.lanes["seconds"]
        self.mean_loss = opened.lanes["loss"] * scale
        names = {
            "cohort": opened.cohort,
            "survivors": len(opened.survivors),
            "dropped": sorted(opened.dropped),
        }
        self.secure = {**names, "attempts": opened.attempts, "exchanges": opened.exchanges}

    def _remark(self, site: str, remarks: object) -> None:
        if isinstance(remarks, list) and remarks:
            self.remarks[site] = " ".join(sentences.rendered(remarks, 5))

    def _answered(self, site: str) -> None:
        self.answers += 1
        self.watch(self.number, site, self.answers, len(self.chosen))

    def record(self, seconds: float, traffic: Mapping[str, int]) -> RoundRecord:
        """The round's line; ``traffic`` is in bytes."""
        return RoundRecord(
            round=self.number,
            seconds=seconds,
            training_seconds=self.seconds,
            accepted=tuple(sorted(self.accepted)),
            refused=tuple(self.refused),
            loss=dict(sorted(self.loss.items())),
            weights=dict(sorted(self.weights.items())),
            bytes=traffic,
            notes=self.remarks,
            mean_loss=self.mean_loss,
            secure=self.secure,
            void=self.void,
            heads=dict(sorted(self.heads.items())),
        )
