"""Secure sums of a federation, from the server's side: three exchanges a sum in steady state.

    1. the question itself (train, evaluate, tally) with each hospital's parcels -> masked vectors, added up as they arrive
    2. who survived, and the terms of the next sum                               -> signatures, fresh keys
    3. the signatures, and everybody's fresh keys                                -> the shares that open this sum, parcels for the next

The first sum, and one after a failure, needs two exchanges before: terms -> keys, keys -> parcels. If too few are left before anything was
revealed, a new sum with fresh keys is tried; after that the sum is void, and hospitals refuse a second one about the same thing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from common.errors import RoundError, SecureSumError
from common.protocol.envelopes import Question, Reply
from common.secagg import blame
from common.secagg import coordinator as steps
from common.secagg.coordinator_state import CheatError, CoordinatorState, TooFewError
from common.secagg.encoding import Message, tag_of
from common.secagg.messages import (
    Advert,
    Bundle,
    Confirm,
    Masked,
    Parcel,
    Reveal,
    Signed,
    SumResult,
    SumSpec,
)
from common.sentences import table as sentences
from server.aggregation.cohort import Cohort
from server.aggregation.masked_sum import MaskedSum

S = TypeVar("S", bound=Signed)
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
        added: the vectors' sum, without masks.
        lanes: the lanes' sums by name.
        cohort: how many hospitals its terms name.
        survivors: hospitals whose vectors are in it.
        dropped: who was asked and is not in it, with the reason.
        late: whose vectors are in it and who then failed in the short exchanges, with the reason.
        values: what the survivors' answers said in clear.
        attempts, exchanges: how often it was begun, and how many exchanges it took.
    """

    added: MaskedSum
    lanes: Mapping[str, float]
    cohort: int
    survivors: tuple[str, ...]
    dropped: Mapping[str, str]
    late: Mapping[str, str]
    values: Mapping[str, Mapping[str, Any]]
    attempts: int
    exchanges: int


@dataclass
class _Attempt:
    """One try at a sum."""

    state: CoordinatorState
    dropped: dict[str, str] = field(default_factory=dict)
    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    accused: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> str:
        """Who failed and why."""
        return "; ".join(f"{site}: {why}" for site, why in sorted(self.dropped.items()))


class Sums:
    """The secure sums of one run.

    Args:
        cohort: who may take part, and the way to them.
        patience: seconds to wait for vectors where the caller gives no deadline.
    """

    def __init__(self, cohort: Cohort, patience: float) -> None:
        self._cohort, self._patience = cohort, patience
        self._next: _Attempt | None = None
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
            plan: the question; every hospital gets it with its own parcels.
            order: what the sum is about, given the number of hospitals in its terms.
            cohort: the hospitals to ask.
            say: told after each vector.
            deadline: seconds to wait for vectors; 0: as for the short exchanges.

        Raises:
            RoundError: too few hospitals took part in every attempt.
            VoidError: the sum could not be opened once hospitals had begun to reveal.
        """
        before, reason = self._cohort.exchanges, ""
        for attempt in range(1, _ATTEMPTS + 1):
            now: _Attempt | None = None
            try:
                now = self._take(cohort)
                self._prepare(now)
                added = self._vectors(
                    now,
                    question,
                    spec(len(now.state.terms.cohort)),
                    say,
                    deadline or self._patience,
                )
                self._confirmed(now, cohort)
            except TooFewError as error:
                reason = f"{error} {now.failures if now else ''}".strip()
                self._next = None
                continue
            return self._sum(now, added, attempt, self._cohort.exchanges - before)
        raise RoundError(f"Too few hospitals for a secure sum, in {_ATTEMPTS} attempts. {reason}")

    def _sum(self, now: _Attempt, added: MaskedSum, attempts: int, exchanges: int) -> Sum:
        """The opened sum, with who is in it and who is not."""
        lanes = self._opened(now, added)
        survivors = now.state.survivors
        return Sum(
            added=added,
            lanes=lanes,
            cohort=len(now.state.terms.cohort),
            survivors=survivors,
            dropped={site: why for site, why in now.dropped.items() if site not in survivors},
            late={site: why for site, why in now.dropped.items() if site in survivors},
            values=now.values,
            attempts=attempts,
            exchanges=exchanges,
        )

    def _take(self, cohort: Sequence[str]) -> _Attempt:
        """A sum whose keys and shares are dealt with the last one, or a new one."""
        ready, self._next = self._next, None
        return (
            ready
            if ready is not None and self._cohort.fits(ready.state, cohort)
            else _Attempt(self._cohort.terms(cohort))
        )

    def _prepare(self, now: _Attempt) -> None:
        """Two exchanges for a new sum: terms for keys, keys for parcels."""
        if now.state.step == "order":
            return
        for site, reply in self._cohort.exchange(
            dict.fromkeys(now.state.terms.cohort, (now.state.terms,))
        ):
            self._take_advert(now, site, reply)
        now.state, keys = steps.adverts(now.state)
        for site, reply in self._cohort.exchange(dict.fromkeys(now.state.adverts, (keys,))):
            self._take_parcels(now, site, reply)
        now.state = steps.ready(now.state)

    def _vectors(
        self, now: _Attempt, question: Question, spec: SumSpec, say: Say | None, deadline: float
    ) -> MaskedSum:
        """First exchange: ask, and add what comes."""
        now.state, parcels = steps.start(now.state, spec)
        before = () if self._result is None else (replace(self._result, model=spec.model).encode(),)
        self._result = None
        questions = {
            site: replace(question, secure=(*before, spec.encode(), parcel.encode()))
            for site, parcel in parcels.items()
        }
        added = MaskedSum(spec)
        for site, reply in self._cohort.ask(questions, deadline):
            try:
                vector = added.check(reply.delta)
                now.state = steps.masked(
                    now.state,
                    _only(site, reply, Masked),
                    added.digest(vector),
                    added.tail_of(vector),
                )
            except SecureSumError as error:
                now.dropped[site] = reply.refusal or str(error)
                now.accused.update([str(reply.values.get("accused", ""))])
            else:
                added.add(vector)
                now.values[site] = reply.values
                del vector
            if say is not None:
                say(site, reply)
            del reply
        self._judge(now)
        return added

    def _judge(self, now: _Attempt) -> None:
        """Leave out a dealer whose parcels most of the others could not open."""
        for dealer, count in now.accused.items():
            if dealer in now.state.parcels and 2 * count >= len(now.state.parcels):
                self._cohort.catch([dealer], "Most hospitals could not open what it dealt.")

    def _confirmed(self, now: _Attempt, cohort: Sequence[str]) -> None:
        """Second exchange: survivors are signed.

        All who are there, also those who dropped, get the terms of the next sum.
        """
        now.state, named = steps.survivors(now.state)
        offered = self._offer(cohort)
        messages: dict[str, tuple[Message, ...]] = dict.fromkeys(now.state.survivors, (named,))
        for site in offered.state.terms.cohort if offered else ():
            messages[site] = (*messages.get(site, ()), offered.state.terms) if offered else ()
        for site, reply in self._cohort.exchange(messages):
            self._take_answer(now, site, reply, Confirm, steps.confirm, site in now.state.survivors)
            if offered:
                self._take_advert(offered, site, reply)
        now.state, signed = steps.confirms(now.state)
        self._reveal(now, signed, offered)

    def _offer(self, cohort: Sequence[str]) -> _Attempt | None:
        try:
            return _Attempt(self._cohort.terms(cohort))
        except TooFewError:
            return None

    def _reveal(self, now: _Attempt, signed: Bundle, offered: _Attempt | None) -> None:
        """Third exchange: shares that open this sum, parcels for the next."""
        messages: dict[str, tuple[Message, ...]] = dict.fromkeys(now.state.confirms, (signed,))
        keys = self._keys(offered)
        for site in offered.state.adverts if offered and keys else ():
            messages[site] = (*messages.get(site, ()), *keys)
        for site, reply in self._cohort.exchange(messages):
            self._take_answer(now, site, reply, Reveal, steps.reveal, site in now.state.confirms)
            if offered and keys:
                self._take_parcels(offered, site, reply)
        if offered and keys:
            try:
                offered.state = steps.ready(offered.state)
                self._next = offered
            except TooFewError:
                self._next = None

    @staticmethod
    def _keys(offered: _Attempt | None) -> tuple[Bundle, ...]:
        if offered is None:
            return ()
        try:
            offered.state, keys = steps.adverts(offered.state)
        except TooFewError:
            return ()
        return (keys,)

    def _opened(self, now: _Attempt, added: MaskedSum) -> dict[str, float]:
        """Take the masks off and look at the canaries."""
        try:
            now.state, opening = steps.open_sum(now.state)
            added.unmask(opening)
            blame.check_canaries(now.state, added.canaries, opening)
        except CheatError as error:
            self._cohort.catch(error.sites, str(error))
            raise VoidError(str(error)) from None
        except TooFewError as error:
            raise VoidError(f"The sum cannot be opened: {error} {now.failures}".strip()) from None
        self._result = SumResult(now.state.terms.digest, added.canaries, bytes(32))
        return added.lanes()

    def _take_answer(
        self,
        now: _Attempt,
        site: str,
        reply: Reply,
        kind: type[S],
        take: Callable[[CoordinatorState, S], CoordinatorState],
        is_due: bool,
    ) -> None:
        if not is_due:
            return
        try:
            now.state = take(now.state, _only(site, reply, kind))
        except SecureSumError as error:
            now.dropped[site] = _why(reply, error)
            if isinstance(error, CheatError):
                self._cohort.catch(error.sites, str(error))

    @staticmethod
    def _take_advert(offered: _Attempt, site: str, reply: Reply) -> None:
        try:
            offered.state = steps.advert(offered.state, _only(site, reply, Advert))
        except SecureSumError as error:
            offered.dropped[site] = _why(reply, error)

    @staticmethod
    def _take_parcels(offered: _Attempt, site: str, reply: Reply) -> None:
        if site not in offered.state.adverts:
            return
        try:
            bundles = [Bundle.decode(blob) for blob in reply.secure if tag_of(blob) == Bundle.TAG]
            if len(bundles) != 1:
                raise SecureSumError(
                    f"The answer has {len(bundles)} bundles of parcels; 1 is expected."
                )
            offered.state = steps.parcels(offered.state, site, bundles[0].opened(Parcel))
        except SecureSumError as error:
            offered.dropped[site] = _why(reply, error)


def _why(reply: Reply, error: SecureSumError) -> str:
    """The hospital's own reason, if it gave one."""
    refused = reply.values.get("refused")
    return reply.refusal or " ".join(sentences.rendered(refused, 3)) or str(error)


def is_finite(value: object) -> bool:
    """Whether a value that a hospital sent in clear is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _only(site: str, reply: Reply, kind: type[S]) -> S:
    matches = [blob for blob in reply.secure if tag_of(blob) == kind.TAG]
    if len(matches) != 1:
        raise SecureSumError(
            f"The answer has {len(matches)} messages of kind {kind.__name__}; 1 is expected."
        )
    message = kind.decode(matches[0])
    if message.site != site:
        raise SecureSumError(f"{site!r} sent a message of {message.site!r}.")
    return message
