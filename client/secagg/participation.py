"""This hospital in the secure sums of one run: what it answers step by step, and what it refuses.

Secrets are drawn here, live in this process's memory (or, where a simulation spreads one hospital
over several processes, in that simulation's own folder: ``sums_in_progress.py``) and are dropped
when a sum is opened. What was opened is written to disk before it is answered
(``revealed_sums.py``), so that not even a restart makes this hospital open two sums about the same
thing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from client.secagg.revealed_sums import RevealedSums
from client.secagg.sums_in_progress import SumsInProgress
from common.errors import SecureSumError
from common.privacy import pipeline
from common.privacy.stage import Sending
from common.protocol import sum_specs
from common.secagg import derive, fixed_point
from common.secagg import participant as steps
from common.secagg import participant_opening as opening
from common.secagg.encoding import Message, tag_of
from common.secagg.mask_streams import Pad
from common.secagg.messages import (
    Advert,
    Bundle,
    Confirm,
    Parcel,
    SumResult,
    SumSpec,
    Survivors,
    Terms,
)
from common.secagg.participant_state import Fresh, Me
from common.sentences.table import Sentence, say
from common.update import Vector

M = TypeVar("M", SumSpec, Bundle)


@dataclass(frozen=True)
class Roll:
    """The hospitals of the signed roster: its digest and their Ed25519 public keys."""

    digest: bytes
    keys: Mapping[str, bytes]


@dataclass
class Sealing:
    """A sum that waits for this hospital's vector."""

    terms: bytes
    spec: SumSpec
    pad: Pad = field(repr=False)


class Participation:
    """One hospital in one run.

    Args:
        me: its name, key and limits.
        consortium, run: what terms must name; an empty run fits any (a simulation has one only).
        roll: gives the signed roster's hospitals whose certificates are good now; it is asked anew
            for every sum.
        sums_in_progress: the sums that the hospital is in the middle of.
        revealed_sums: those that it has helped to open.

    Attributes:
        refused: why steps of the last question were refused, where others were answered.
    """

    def __init__(
        self,
        me: Me,
        consortium: str,
        run: str,
        roll: Callable[[], Roll],
        sums_in_progress: SumsInProgress,
        revealed_sums: RevealedSums,
    ) -> None:
        self._me = me
        self._consortium = consortium
        self._run = run
        self._roll = roll
        self._sums_in_progress = sums_in_progress
        self._revealed_sums = revealed_sums
        self.refused: tuple[Sentence, ...] = ()

    def agree(self, messages: Sequence[bytes]) -> tuple[bytes, ...]:
        """Answer the short steps of secure sums, each on its own.

        What is wrong with the next sum does not keep the present one shut.

        Raises:
            SecureSumError: every step is refused; nothing was revealed.
        """
        answers: list[bytes] = []
        refused: list[SecureSumError] = []
        for message in messages:
            try:
                answers += self._answer(message)
            except SecureSumError as error:
                refused.append(error)
        if refused and not answers:
            raise refused[0]
        self.refused = tuple(error.sentence for error in refused)
        return tuple(answers)

    def _answer(self, blob: bytes) -> tuple[bytes, ...]:
        kind = tag_of(blob)
        if kind == Terms.TAG:
            return (self._advertise(Terms.decode(blob)).encode(),)
        if kind == Survivors.TAG:
            return (self._confirm(Survivors.decode(blob)).encode(),)
        if kind == SumResult.TAG:
            self.close(SumResult.decode(blob))
            return ()
        bundle = Bundle.decode(blob)
        if {tag_of(item) for item in bundle.items} == {Advert.TAG}:
            return (self._share(bundle).encode(),)
        return (self._reveal(bundle).encode(),)

    def _advertise(self, terms: Terms) -> Message:
        if terms.consortium != self._consortium or (self._run and terms.run != self._run):
            raise SecureSumError(say("sum.run"))
        roll = self._roll()
        if terms.roster != roll.digest:
            raise SecureSumError(say("sum.roster"))
        if terms.number <= max(self._revealed_sums.last(terms.run), self._sums_in_progress.last):
            raise SecureSumError(say("sum.number", number=terms.number))
        fresh = Fresh(*(secrets.token_bytes(32) for _ in range(4)))
        state, advert = steps.advertise(self._me, terms, roll.keys, fresh)
        self._sums_in_progress.put(state)
        return advert

    def _share(self, bundle: Bundle) -> Message:
        before = self._sums_in_progress.get(bundle.terms)
        state, parcels = steps.share(self._me, before, bundle.opened(Advert))
        self._sums_in_progress.put(state)
        return Bundle.of(bundle.terms, parcels)

    def _confirm(self, survivors: Survivors) -> Message:
        state, confirm = opening.confirm(
            self._me, self._sums_in_progress.get(survivors.terms), survivors
        )
        self._sums_in_progress.put(state)
        return confirm

    def _reveal(self, bundle: Bundle) -> Message:
        before = self._sums_in_progress.get(bundle.terms)
        state, reveal = opening.reveal(self._me, before, bundle.opened(Confirm))
        # On disk before the answer exists; a repeated question gets the first answer once more.
        if before.revealed is None:
            self._revealed_sums.note(
                state.terms, self._sums_in_progress.spec(bundle.terms), state.survivors
            )
        self._sums_in_progress.put(state)
        return reveal

    def close(self, result: SumResult) -> None:
        """Take note of a sum's result."""
        self._sums_in_progress.put(opening.close(self._sums_in_progress.get(result.terms), result))

    def prepare(
        self, messages: Sequence[bytes], work_out: Callable[[int, int], SumSpec]
    ) -> Sealing:
        """Before any work: open the shares for this sum and bind its spec.

        Args:
            messages: results of earlier sums, the spec, the parcels.
            work_out: ``(hospitals in the terms, total weight) -> spec``, from the signed study and
                the model that came.

        Raises:
            SecureSumError: the spec is another, was carried out before, or the shares are not as
                they must be.
        """
        spec = _only(messages, SumSpec)
        bundle = _only(messages, Bundle)
        state = self._sums_in_progress.get(bundle.terms)
        expected = work_out(len(state.terms.cohort), spec.total)
        for blob in messages:
            if tag_of(blob) == SumResult.TAG:
                self._result(SumResult.decode(blob), expected)
        if spec != expected:
            raise SecureSumError(say("sum.order", fields=_differences(spec, expected)))
        self._revealed_sums.check(state.terms.run, spec)
        state, pad = steps.arm(self._me, state, bundle.opened(Parcel), spec)
        self._sums_in_progress.put(state, spec)
        return Sealing(bundle.terms, spec, pad)

    def _result(self, result: SumResult, expected: SumSpec) -> None:
        # The result of a sum that went on without this hospital is nothing to it.
        if not self._sums_in_progress.awaits(result.terms):
            return
        self.close(result)
        if any(result.model) and result.model != expected.model:
            raise SecureSumError(say("sum.model"))

    def seal(
        self, sealing: Sealing, values: Vector, scale: float, lanes: Mapping[str, float | int]
    ) -> tuple[Vector, tuple[bytes, ...]]:
        """Encode, mask and vouch for this hospital's vector.

        Args:
            sealing: from :meth:`prepare`.
            values: float32 ``[P]``; empty where there are only lanes.
            scale: this hospital's share of all weights.
            lanes: a value for each of the spec's lanes.

        Returns:
            the masked vector, as it travels, and the signed messages that go with it.

        Raises:
            SecureSumError: a value is not finite or too large; nothing was made of it.
        """
        spec = sealing.spec
        buffer, body, tail = sum_specs.words(spec)
        pipeline.seal(values, Sending(spec, scale, sealing.pad), body)
        tail[:] = [1] * (spec.tail_words - len(spec.lanes)) + [
            fixed_point.encode_lane(lanes[lane], sum_specs.is_exact(lane)) for lane in spec.lanes
        ]
        # After the body, whose words have used the pad's stream up to here.
        sealing.pad.add(tail)
        state, masked = steps.mask(
            self._me, self._sums_in_progress.get(sealing.terms), derive.vector_digest(buffer.data)
        )
        self._sums_in_progress.put(state)
        return buffer.view(np.float32), (masked.encode(),)


def _only(messages: Sequence[bytes], kind: type[M]) -> M:
    decoded = [kind.decode(blob) for blob in messages if tag_of(blob) == kind.TAG]
    if len(decoded) != 1:
        raise SecureSumError(say("sum.messages", messages=len(decoded), kind=kind.__name__))
    return decoded[0]


def _differences(spec: SumSpec, expected: SumSpec) -> list[str]:
    return [
        name for name in spec.__dataclass_fields__ if getattr(spec, name) != getattr(expected, name)
    ]
