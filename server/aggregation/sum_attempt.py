"""One attempt at a secure sum: where it stands, and what each hospital's answer adds to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from common.errors import SecureSumError
from common.protocol.envelopes import Reply
from common.secagg import coordinator as steps
from common.secagg.coordinator_state import CheatError, CoordinatorState
from common.secagg.encoding import tag_of
from common.secagg.messages import Advert, Bundle, Masked, Parcel, Signed
from common.sentences import table as sentences
from server.aggregation.masked_sum import MaskedSum

S = TypeVar("S", bound=Signed)


@dataclass
class Attempt:
    """One try at a sum.

    Attributes:
        state: the protocol's.
        dropped: hospitals that failed, with the reason.
        values: what answers with a vector said in clear.
        accused: how many hospitals could not open what a dealer dealt, by dealer.
    """

    state: CoordinatorState
    dropped: dict[str, str] = field(default_factory=dict)
    values: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    accused: Counter[str] = field(default_factory=Counter)

    @property
    def failures(self) -> str:
        """Who failed and why."""
        return "; ".join(f"{site}: {why}" for site, why in sorted(self.dropped.items()))

    def take_advert(self, site: str, reply: Reply) -> None:
        """Take a hospital's fresh keys."""
        self.take(site, reply, Advert, steps.advert)

    def take_parcels(self, site: str, reply: Reply) -> None:
        """Take the parcels of a hospital that sent keys."""
        if site not in self.state.adverts:
            return
        try:
            bundles = [Bundle.decode(blob) for blob in reply.secure if tag_of(blob) == Bundle.TAG]
            if len(bundles) != 1:
                raise SecureSumError(
                    f"The answer has {len(bundles)} bundles of parcels; 1 is expected."
                )
            self.state = steps.parcels(self.state, site, bundles[0].opened(Parcel))
        except SecureSumError as error:
            self.dropped[site] = _why(reply, error)

    def take_vector(self, site: str, reply: Reply, total: MaskedSum) -> None:
        """Add a hospital's masked vector to the sum, if it vouches for it."""
        try:
            vector = total.check(reply.delta)
            self.state = steps.masked(
                self.state,
                _only(site, reply, Masked),
                total.digest(vector),
                total.tail_of(vector),
            )
        except SecureSumError as error:
            self.dropped[site] = reply.refusal or str(error)
            self.accused.update([str(reply.values.get("accused", ""))])
        else:
            total.add(vector)
            self.values[site] = reply.values

    def take(
        self,
        site: str,
        reply: Reply,
        kind: type[S],
        step: Callable[[CoordinatorState, S], CoordinatorState],
    ) -> None:
        """Take the one message of a kind from an answer; a hospital without it has dropped out.

        Raises:
            CheatError: the message proves that somebody cheated.
        """
        try:
            self.state = step(self.state, _only(site, reply, kind))
        except SecureSumError as error:
            self.dropped[site] = _why(reply, error)
            if isinstance(error, CheatError):
                raise


def _why(reply: Reply, error: SecureSumError) -> str:
    """The hospital's own reason, if it gave one."""
    refused = reply.values.get("refused")
    return reply.refusal or " ".join(sentences.rendered(refused, 3)) or str(error)


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
