"""Where a hospital stands in one secure sum: who it is, its secrets, what it heard and said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from common.errors import SecureSumError
from common.secagg.messages import Advert, Confirm, Reveal, Terms
from common.secagg.terms import Limits
from common.sentences.table import say

STEPS: Mapping[str, tuple[str, ...]] = {
    "share": ("advertised",),
    "arm": ("shared",),
    "mask": ("armed",),
    "confirm": ("masked", "confirmed"),
    "reveal": ("confirmed", "revealed"),
    "close": ("revealed",),
}
"""The states in which each step is legal.

A second confirmation or revelation is only ever the first one again.
"""


@dataclass(frozen=True)
class Fresh:
    """The secrets of one sum, 32 random bytes each.

    Attributes:
        mask_key, channel_key: X25519 keys for masks and for parcels.
        seed: of the own mask.
        polynomials: seed of the polynomials that share the two secrets.
    """

    mask_key: bytes = field(repr=False)
    channel_key: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    polynomials: bytes = field(repr=False)

    def __post_init__(self) -> None:
        secrets = (self.mask_key, self.channel_key, self.seed, self.polynomials)
        if any(len(secret) != 32 for secret in secrets) or len(set(secrets)) != 4:
            raise SecureSumError(
                "The secrets of a secure sum are four different values of 32 bytes."
            )


@dataclass(frozen=True)
class Me:
    """Who a hospital is in its sums.

    Attributes:
        site: its name.
        key: its Ed25519 key (32-byte seed).
        limits: what its policy asks.
    """

    site: str
    key: bytes = field(repr=False)
    limits: Limits = field(default_factory=Limits)

    def check_enough(self, count: int, terms: Terms, action: str) -> None:
        """Whether as many hospitals go on in a sum as this one's policy asks.

        Args:
            count: how many go on.
            terms: of the sum.
            action: what they have done, for the sentence.

        Raises:
            SecureSumError: they are too few.
        """
        least = self.limits.least(terms)
        if count < least:
            raise SecureSumError(say("sum.left", hospitals=count, what=action, least=least))


@dataclass(frozen=True)
class ParticipantState:
    """Where a hospital stands in one sum; the secrets are gone from the moment of revelation."""

    step: str
    terms: Terms
    identities: Mapping[str, bytes]
    fresh: Fresh | None = field(repr=False)
    adverts: Mapping[str, Advert]
    shares: Mapping[str, tuple[bytes, bytes]] = field(default_factory=dict, repr=False)
    context: bytes = b""
    canary_pads: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    survivors: tuple[str, ...] = ()
    confirmed: Confirm | None = None
    revealed: Reveal | None = field(default=None, repr=False)

    def needs(self, step: str) -> None:
        """Whether a step is legal now.

        Raises:
            SecureSumError: it is not.
        """
        if self.step not in STEPS[step]:
            raise SecureSumError(
                f"A secure sum that is {self.step} cannot {step}; allowed when "
                f"{' or '.join(STEPS[step])}."
            )

    def check_ours(self, terms: bytes) -> None:
        """Whether a message that names these terms belongs to this sum.

        Raises:
            SecureSumError: it does not.
        """
        if terms != self.terms.digest:
            raise SecureSumError("A message belongs to another secure sum.")

    @property
    def secrets(self) -> Fresh:
        """The secrets, while they are there.

        Raises:
            SecureSumError: they are erased.
        """
        if self.fresh is None:
            raise SecureSumError("The secrets of this secure sum are erased.")
        return self.fresh
