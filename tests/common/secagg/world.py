"""A whole secure sum in memory.

N hospitals and a server, stage by stage, with secrets that come from a seed so that every run is
the same.

Stages: ``keys -> shares -> vectors -> confirmations -> revelations -> opened``. Each takes those
who are still there, hands what they said to the server, closes its stage and lets the same
hospitals make their next answers. A :class:`Moment` is a frozen value: one may go on from it twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from common.privacy import pipeline
from common.privacy.stage import Sending
from common.secagg import (
    blame,
    coordinator,
    derive,
    fixed_point,
    participant,
    participant_opening,
    primitives,
)
from common.secagg.coordinator_state import CoordinatorState, Opening
from common.secagg.mask_streams import Pad
from common.secagg.messages import (
    CANARIES,
    Advert,
    Confirm,
    Masked,
    Parcel,
    Reveal,
    SumResult,
    SumSpec,
    Survivors,
    Terms,
)
from common.secagg.participant_state import Fresh, Me, ParticipantState
from common.secagg.terms import Limits, threshold

LANES = ("weight", "loss")
Bytes = npt.NDArray[np.uint8]


def secret(*what: object) -> bytes:
    """32 bytes that depend on ``what`` alone; for tests only."""
    return hashlib.sha256(repr(what).encode()).digest()


def names(count: int) -> tuple[str, ...]:
    """Names of so many hospitals, in order."""
    return tuple(f"h{i:02d}" for i in range(1, count + 1))


@dataclass(frozen=True)
class Moment:
    """Between two stages.

    Attributes:
        server: the server's state.
        sites: the states of the hospitals that are still there.
        answers: what each of them answers next, if it stays.
        vectors: masked vectors, once they are made.
        signed: the confirmations that the server handed out.
    """

    server: CoordinatorState
    sites: Mapping[str, ParticipantState]
    answers: Mapping[str, Any]
    vectors: Mapping[str, Bytes] = field(default_factory=dict)
    signed: tuple[Confirm, ...] = ()


@dataclass(frozen=True)
class Opened:
    """A sum: body words, tail words, weighted mean, lanes, survivors."""

    body: npt.NDArray[Any]
    tail: list[int]
    mean: npt.NDArray[np.float32]
    lanes: dict[str, float]
    survivors: tuple[str, ...]


Arm = Callable[[Me, ParticipantState, Any, SumSpec], tuple[ParticipantState, Pad]]


class World:
    """n hospitals, a server and what they hold.

    Args:
        count: number of hospitals.
        size: values of a vector.
        ring_bits: 32 or 64.
        limit: largest absolute value.
        limits: every hospital's policy.
        number: number of the sum; other numbers have other secrets.
        least_threshold: the terms' threshold, if it is not the policy's.
    """

    def __init__(
        self,
        count: int,
        *,
        size: int = 5,
        ring_bits: int = 32,
        limit: float = 32.0,
        limits: Limits | None = None,
        number: int = 1,
        least_threshold: int = 0,
    ) -> None:
        self.names = names(count)
        self.limits = limits or Limits()
        self.me = {name: Me(name, secret("identity", name), self.limits) for name in self.names}
        self.identities = {name: primitives.ed25519_public(me.key) for name, me in self.me.items()}
        t = least_threshold or threshold(count, self.limits.colluders)
        self.terms = Terms("consortium", "run", number, self.names, t, secret("roster"))
        self.fresh = {
            name: Fresh(
                *(secret(what, name, number) for what in ("mask", "channel", "seed", "poly"))
            )
            for name in self.names
        }
        rng = np.random.default_rng((count, number))
        self.weights = {
            name: int(w) for name, w in zip(self.names, rng.integers(1, 5001, count), strict=True)
        }
        self.values = {name: rng.normal(0, 0.05, size).astype(np.float32) for name in self.names}
        self.losses = {
            name: float(v) for name, v in zip(self.names, rng.uniform(0, 3, count), strict=True)
        }
        bits = fixed_point.fraction_bits(limit, count, ring_bits)
        total = sum(self.weights.values())
        self.spec = SumSpec(
            "train", 1, "", secret("model"), "layout", size, ring_bits, bits, limit, LANES, total
        )

    @property
    def least(self) -> int:
        """Survivors without whom nothing is opened, by hand."""
        return max(self.limits.min_cohort, self.terms.threshold)

    def keys(self) -> Moment:
        """All hospitals are asked for keys."""
        made = {
            name: participant.advertise(me, self.terms, self.identities, self.fresh[name])
            for name, me in self.me.items()
        }
        return Moment(
            coordinator.begin(self.terms, self.identities, self.limits.min_cohort),
            _states(made),
            _answers(made),
        )

    def shares(self, now: Moment, who: Iterable[str] | None = None) -> Moment:
        """Keys of ``who`` arrive; these deal shares."""
        state = now.server
        there = self._there(now, who)
        for name in there:
            state = coordinator.advert(state, Advert.decode(now.answers[name].encode()))
        state, bundle = coordinator.adverts(state)
        made = {
            name: participant.share(self.me[name], now.sites[name], bundle.opened(Advert))
            for name in there
        }
        return Moment(state, _states(made), _answers(made))

    def vectors(
        self, now: Moment, who: Iterable[str] | None = None, arm: Arm = participant.arm
    ) -> Moment:
        """Shares of ``who`` arrive; these mask their vectors.

        ``arm`` may be a hospital's that does it wrongly.
        """
        state = now.server
        there = self._there(now, who)
        for name in there:
            state = coordinator.parcels(state, name, now.answers[name])
        state, held = coordinator.start(coordinator.ready(state), self.spec)
        made = {}
        vectors = {}
        for name in there:
            armed, pad = arm(self.me[name], now.sites[name], held[name].opened(Parcel), self.spec)
            vectors[name] = self.seal(name, pad)
            made[name] = participant.mask(
                self.me[name], armed, derive.vector_digest(vectors[name].data)
            )
        return Moment(state, _states(made), _answers(made), vectors)

    def confirmations(self, now: Moment, who: Iterable[str] | None = None) -> Moment:
        """Vectors of ``who`` arrive; these confirm."""
        state = now.server
        there = self._there(now, who)
        for name in there:
            vector = now.vectors[name]
            tail = [int(word) for word in self.views(vector)[1]]
            state = coordinator.masked(
                state,
                Masked.decode(now.answers[name].encode()),
                derive.vector_digest(vector.data),
                tail,
            )
        state, named = coordinator.survivors(state)
        made = {
            name: participant_opening.confirm(
                self.me[name], now.sites[name], Survivors.decode(named.encode())
            )
            for name in there
        }
        return replace(now, server=state, sites=_states(made), answers=_answers(made))

    def revelations(self, now: Moment, who: Iterable[str] | None = None) -> Moment:
        """Confirmations of ``who`` arrive; these reveal."""
        state = now.server
        there = self._there(now, who)
        for name in there:
            state = coordinator.confirm(state, Confirm.decode(now.answers[name].encode()))
        state, bundle = coordinator.confirms(state)
        signed = bundle.opened(Confirm)
        made = {
            name: participant_opening.reveal(self.me[name], now.sites[name], signed)
            for name in there
        }
        return replace(
            now, server=state, sites=_states(made), answers=_answers(made), signed=signed
        )

    def gathered(self, now: Moment, who: Iterable[str] | None = None) -> CoordinatorState:
        """Revelations of ``who`` arrive."""
        state = now.server
        for name in self._there(now, who):
            state = coordinator.reveal(state, Reveal.decode(now.answers[name].encode()))
        return state

    def opened(self, now: Moment, who: Iterable[str] | None = None) -> Opened:
        """Revelations of ``who`` arrive; the sum is opened and its canaries are looked at."""
        state, opening = coordinator.open_sum(self.gathered(now, who))
        return self.unmasked(now, state, opening)

    def unmasked(self, now: Moment, state: CoordinatorState, opening: Opening) -> Opened:
        """The survivors' vectors, added up and freed of the masks."""
        total = np.zeros(self.spec.body_bytes + 8 * self.spec.tail_words, np.uint8)
        body, tail = self.views(total)
        for name in state.survivors:
            for part, vector in zip((body, tail), self.views(now.vectors[name]), strict=True):
                np.add(part, vector, out=part)
        pad = Pad(opening.pads)
        pad.add(body)
        pad.add(tail)
        words = [int(word) for word in tail]
        blame.check_canaries(state, words[:CANARIES], opening)
        lanes = {
            lane: fixed_point.decode_lane(word, lane == "weight")
            for lane, word in zip(LANES, words[CANARIES:], strict=True)
        }
        mean = np.empty(self.spec.size, np.float32)
        fixed_point.decode(
            body, self.spec.total / lanes["weight"] / 2.0**self.spec.fraction_bits, mean
        )
        return Opened(body, words, mean, lanes, state.survivors)

    def run(self, until: str = "opened") -> Any:
        """All stay: the moment after a stage, or the opened sum."""
        now: Any = self.keys()
        for stage in (
            ("shares", "vectors", "confirmations", "revelations", "opened")
            if until != "keys"
            else ()
        ):
            now = getattr(self, stage)(now)
            if stage == until:
                break
        return now

    def result(self, opened: Opened) -> SumResult:
        """What the server says at the end."""
        return SumResult(self.terms.digest, tuple(opened.tail[:CANARIES]), bytes(32))

    def seal(self, name: str, pad: Pad) -> Bytes:
        """A hospital's vector under its masks."""
        spec = self.spec
        buffer = np.zeros(spec.body_bytes + 8 * spec.tail_words, np.uint8)
        body, tail = self.views(buffer)
        share = self.weights[name] / spec.total
        pipeline.seal(self.values[name], Sending(spec, share, pad), body)
        tail[:] = [1] * CANARIES + [
            fixed_point.encode_lane(self.weights[name], exact=True),
            fixed_point.encode_lane(self.losses[name], exact=False),
        ]
        pad.add(tail)
        return buffer

    def views(self, vector: Bytes) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint64]]:
        """Body and tail of a vector."""
        length = self.spec.body_bytes
        return vector[:length].view(np.uint32 if self.spec.ring_bits == 32 else np.uint64), vector[
            length:
        ].view(np.uint64)

    def plain_mean(self, who: Iterable[str]) -> npt.NDArray[np.float64]:
        """The weighted mean in float64, without any of the above."""
        chosen = list(who)
        weights = [self.weights[name] for name in chosen]
        return np.average(
            [self.values[name].astype(np.float64) for name in chosen], axis=0, weights=weights
        )

    def check(self, opened: Opened, who: Iterable[str]) -> None:
        """Whether an opened sum is that of exactly these hospitals.

        Counts to the last one, values to half a unit each.
        """
        chosen = sorted(who)
        weight = sum(self.weights[name] for name in chosen)
        assert list(opened.survivors) == chosen
        assert opened.tail[:CANARIES] == [len(chosen)] * CANARIES
        assert opened.lanes["weight"] == weight
        assert (
            abs(opened.lanes["loss"] - sum(self.losses[name] for name in chosen))
            <= len(chosen) * 2.0**-fixed_point.LANE_BITS
        )
        room = len(chosen) / 2 * self.spec.total / weight / 2.0**self.spec.fraction_bits + 1e-8
        assert float(np.abs(opened.mean - self.plain_mean(chosen)).max(initial=0.0)) <= room

    def _there(self, now: Moment, who: Iterable[str] | None) -> list[str]:
        return sorted(now.sites if who is None else who)


def _states(
    made: Mapping[str, tuple[ParticipantState, Any]],
) -> dict[str, ParticipantState]:
    return {name: state for name, (state, _) in made.items()}


def _answers(made: Mapping[str, tuple[ParticipantState, Any]]) -> dict[str, Any]:
    return {name: answer for name, (_, answer) in made.items()}
