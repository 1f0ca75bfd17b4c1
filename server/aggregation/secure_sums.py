"""Secure sums of a federation, from the server's side: three exchanges a sum in steady state.

1. Out go the question itself (train, evaluate, tally) and each hospital's parcels; back come
   masked vectors, added up as they arrive.
2. Out go who survived, and the terms of the next sum; back come signatures, and fresh keys.
3. Out go the signatures, and everybody's fresh keys; back come the shares that open this sum, and
   parcels for the next.

The first sum, and one after a failure, needs two exchanges before: terms for keys, keys for
parcels. If too few are left before anything was revealed, a new sum with fresh keys is tried; after
that the sum is void, and hospitals refuse a second one about the same thing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from common.errors import RoundError
from common.protocol.envelopes import Question, Reply
from common.secagg import blame
from common.secagg import coordinator as steps
from common.secagg.coordinator_state import CheatError, CoordinatorState, TooFewError
from common.secagg.encoding import Message
from common.secagg.messages import Bundle, Confirm, Reveal, SumResult, SumSpec
from server.aggregation.cohort import Cohort
from server.aggregation.masked_sum import MaskedSum
from server.aggregation.sum_attempt import Attempt, S

_ATTEMPTS = 3
Say = Callable[[str, Reply], None]
"""Told ``(site, answer)`` after each vector."""


class VoidError(RoundError):
    """A sum that hospitals have begun to open cannot be opened.

    Nothing came of it, and it cannot be repeated.
    """


@dataclass
class Sum:
    """An opened sum.

    Attributes:
        vectors: their sum, without masks.
        lanes: the lanes' sums by name.
        cohort: how many hospitals its terms name.
        survivors: hospitals whose vectors are in it.
        dropped: who was asked and is not in it, with the reason.
        late: whose vectors are in it and who then failed in the short exchanges, with the reason.
        values: what the survivors' answers said in clear.
        attempts, exchanges: how often it was begun, and how many exchanges it took.
    """

    vectors: MaskedSum
    lanes: Mapping[str, float]
    cohort: int
    survivors: tuple[str, ...]
    dropped: Mapping[str, str]
    late: Mapping[str, str]
    values: Mapping[str, Mapping[str, Any]]
    attempts: int
    exchanges: int


class Sums:
    """The secure sums of one run.

    Args:
        cohort: who may take part, and the way to them.
        patience: seconds to wait for vectors where the caller gives no deadline.
    """

    def __init__(self, cohort: Cohort, patience: float) -> None:
        self._cohort = cohort
        self._patience = patience
        self._next: Attempt | None = None
        self._result: SumResult | None = None

    @property
    def progress(self) -> dict[str, Any]:
        """Number of the last sum, and who was caught with the reason.

        What a run that goes on must know.
        """
        return self._cohort.progress

    def collect(
        self,
        question: Question,
        spec: Callable[[int], SumSpec],
        cohort: Sequence[str],
        say: Say | None = None,
        deadline: float = 0.0,
    ) -> Sum:
        """Have a question answered under masks.

        Args:
            question: every hospital gets it with its own parcels.
            spec: what the sum is about, given the number of hospitals in its terms.
            cohort: the hospitals to ask.
            say: told after each vector.
            deadline: seconds to wait for vectors; 0: as for the short exchanges.

        Raises:
            RoundError: too few hospitals took part in every attempt.
            VoidError: the sum could not be opened once hospitals had begun to reveal.
        """
        exchanges_before = self._cohort.exchanges
        reason = ""
        for number in range(1, _ATTEMPTS + 1):
            attempt: Attempt | None = None
            try:
                attempt = self._begin(cohort)
                self._prepare(attempt)
                total = self._ask_for_vectors(
                    attempt,
                    question,
                    spec(len(attempt.state.terms.cohort)),
                    say,
                    deadline or self._patience,
                )
                self._confirm(attempt, cohort)
            except TooFewError as error:
                reason = f"{error} {attempt.failures if attempt else ''}".strip()
                self._next = None
                continue
            return self._sum(attempt, total, number, self._cohort.exchanges - exchanges_before)
        raise RoundError(f"Too few hospitals for a secure sum, in {_ATTEMPTS} attempts. {reason}")

    def _sum(self, attempt: Attempt, total: MaskedSum, attempts: int, exchanges: int) -> Sum:
        """The opened sum, with who is in it and who is not."""
        lanes = self._open(attempt, total)
        survivors = attempt.state.survivors
        return Sum(
            vectors=total,
            lanes=lanes,
            cohort=len(attempt.state.terms.cohort),
            survivors=survivors,
            dropped={site: why for site, why in attempt.dropped.items() if site not in survivors},
            late={site: why for site, why in attempt.dropped.items() if site in survivors},
            values=attempt.values,
            attempts=attempts,
            exchanges=exchanges,
        )

    def _begin(self, cohort: Sequence[str]) -> Attempt:
        """A sum whose keys and shares are dealt with the last one, or a new one."""
        ready, self._next = self._next, None
        return (
            ready
            if ready is not None and self._cohort.fits(ready.state, cohort)
            else Attempt(self._cohort.terms(cohort))
        )

    def _prepare(self, attempt: Attempt) -> None:
        """Two exchanges for a new sum: terms for keys, keys for parcels."""
        if attempt.state.step == "order":
            return
        for site, reply in self._cohort.exchange(
            dict.fromkeys(attempt.state.terms.cohort, (attempt.state.terms,))
        ):
            attempt.take_advert(site, reply)
        attempt.state, keys = steps.adverts(attempt.state)
        for site, reply in self._cohort.exchange(dict.fromkeys(attempt.state.adverts, (keys,))):
            attempt.take_parcels(site, reply)
        attempt.state = steps.ready(attempt.state)

    def _ask_for_vectors(
        self, attempt: Attempt, question: Question, spec: SumSpec, say: Say | None, deadline: float
    ) -> MaskedSum:
        """First exchange: ask, and add what comes."""
        attempt.state, parcels = steps.start(attempt.state, spec)
        last_result = (
            () if self._result is None else (replace(self._result, model=spec.model).encode(),)
        )
        self._result = None
        questions = {
            site: replace(question, secure=(*last_result, spec.encode(), parcel.encode()))
            for site, parcel in parcels.items()
        }
        total = MaskedSum(spec)
        for site, reply in self._cohort.ask(questions, deadline):
            attempt.take_vector(site, reply, total)
            if say is not None:
                say(site, reply)
            # A vector is large: this one is let go before the next is waited for.
            del reply
        self._judge(attempt)
        return total

    def _judge(self, attempt: Attempt) -> None:
        """Leave out a dealer whose parcels most of the others could not open."""
        for dealer, count in attempt.accused.items():
            if dealer in attempt.state.parcels and 2 * count >= len(attempt.state.parcels):
                self._cohort.catch([dealer], "Most hospitals could not open what it dealt.")

    def _confirm(self, attempt: Attempt, cohort: Sequence[str]) -> None:
        """Second exchange: survivors are signed.

        All who are there, also those who dropped, get the terms of the next sum.
        """
        attempt.state, survivors = steps.survivors(attempt.state)
        upcoming = self._offer(cohort)
        messages: dict[str, tuple[Message, ...]] = dict.fromkeys(
            attempt.state.survivors, (survivors,)
        )
        for site in upcoming.state.terms.cohort if upcoming else ():
            messages[site] = (*messages.get(site, ()), upcoming.state.terms) if upcoming else ()
        for site, reply in self._cohort.exchange(messages):
            if site in attempt.state.survivors:
                self._take_answer(attempt, site, reply, Confirm, steps.confirm)
            if upcoming:
                upcoming.take_advert(site, reply)
        attempt.state, signed = steps.confirms(attempt.state)
        self._reveal(attempt, signed, upcoming)

    def _offer(self, cohort: Sequence[str]) -> Attempt | None:
        try:
            return Attempt(self._cohort.terms(cohort))
        except TooFewError:
            return None

    def _reveal(self, attempt: Attempt, signed: Bundle, upcoming: Attempt | None) -> None:
        """Third exchange: shares that open this sum, parcels for the next."""
        messages: dict[str, tuple[Message, ...]] = dict.fromkeys(attempt.state.confirms, (signed,))
        keys = self._keys(upcoming)
        for site in upcoming.state.adverts if upcoming and keys else ():
            messages[site] = (*messages.get(site, ()), *keys)
        for site, reply in self._cohort.exchange(messages):
            if site in attempt.state.confirms:
                self._take_answer(attempt, site, reply, Reveal, steps.reveal)
            if upcoming and keys:
                upcoming.take_parcels(site, reply)
        if upcoming and keys:
            try:
                upcoming.state = steps.ready(upcoming.state)
                self._next = upcoming
            except TooFewError:
                self._next = None

    @staticmethod
    def _keys(upcoming: Attempt | None) -> tuple[Bundle, ...]:
        if upcoming is None:
            return ()
        try:
            upcoming.state, keys = steps.adverts(upcoming.state)
        except TooFewError:
            return ()
        return (keys,)

    def _open(self, attempt: Attempt, total: MaskedSum) -> dict[str, float]:
        """Take the masks off and look at the canaries."""
        try:
            attempt.state, opening = steps.open_sum(attempt.state)
            total.unmask(opening)
            blame.check_canaries(attempt.state, total.canaries, opening)
        except CheatError as error:
            self._cohort.catch(error.sites, str(error))
            raise VoidError(str(error)) from None
        except TooFewError as error:
            raise VoidError(
                f"The sum cannot be opened: {error} {attempt.failures}".strip()
            ) from None
        self._result = SumResult(attempt.state.terms.digest, total.canaries, bytes(32))
        return total.lanes()

    def _take_answer(
        self,
        attempt: Attempt,
        site: str,
        reply: Reply,
        kind: type[S],
        step: Callable[[CoordinatorState, S], CoordinatorState],
    ) -> None:
        try:
            attempt.take(site, reply, kind, step)
        except CheatError as error:
            self._cohort.catch(error.sites, str(error))


def is_finite(value: object) -> bool:
    """Whether a value that a hospital sent in clear is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
