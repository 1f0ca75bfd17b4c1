"""What the server has of one secure sum, stage by stage, and what it cannot go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from common.errors import SecureSumError
from common.secagg import derive
from common.secagg.messages import Advert, Confirm, Masked, Parcel, Reveal, SumSpec, Terms

STEPS = ("keys", "shares", "order", "vectors", "confirmations", "revelations", "opened")


class TooFewError(SecureSumError):
    """Too few hospitals are left for this sum; nothing can be opened."""


class CheatError(SecureSumError):
    """What hospitals sent does not fit together.

    Args:
        sites: whose keys, shares or masks are wrong.
    """

    def __init__(self, sentence: str, sites: Sequence[str]) -> None:
        super().__init__(sentence)
        self.sites = tuple(sites)


@dataclass(frozen=True)
class CoordinatorState:
    """What has come in so far."""

    step: str
    terms: Terms
    identities: Mapping[str, bytes]
    least: int
    adverts: Mapping[str, Advert] = field(default_factory=dict)
    parcels: Mapping[str, Mapping[str, Parcel]] = field(default_factory=dict)
    spec: SumSpec | None = None
    context: bytes = b""
    masked: Mapping[str, Masked] = field(default_factory=dict)
    canaries: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    survivors: tuple[str, ...] = ()
    confirms: Mapping[str, Confirm] = field(default_factory=dict)
    reveals: Mapping[str, Reveal] = field(default_factory=dict)

    def needs(self, step: str) -> None:
        """Whether messages of this step are due.

        Raises:
            SecureSumError: they are not.
        """
        if self.step != step:
            raise SecureSumError(f"A secure sum that waits for {self.step} cannot take {step}.")


@dataclass(frozen=True)
class Opening:
    """What takes the masks off the sum.

    Attributes:
        own: the seed of each survivor's own mask.
        pairs: the seed that a survivor shared with a dropped hospital, by ``(survivor, dropped)``.
    """

    own: Mapping[str, bytes] = field(repr=False)
    pairs: Mapping[tuple[str, str], bytes] = field(repr=False)

    @property
    def pads(self) -> tuple[tuple[bytes, int], ...]:
        """``(seed, sign)``: the keystreams that are to be added to the sum."""
        own = ((seed, -1) for seed in self.own.values())
        return (*own, *((seed, -derive.sign_of(*pair)) for pair, seed in self.pairs.items()))
