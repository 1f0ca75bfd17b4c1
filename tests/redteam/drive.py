"""The attacker's side of one secure sum.

Honest messages unless a script bends them, and the arithmetic that turns shares into a hospital's
numbers.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from common.errors import SecureSumError
from common.protocol import sum_specs
from common.secagg import derive, fixed_point, parcels, primitives, shamir
from common.secagg.mask_streams import Pad
from common.secagg.messages import (
    CANARIES,
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
from common.secagg.participant_state import Fresh
from common.secagg.terms import threshold
from common.trust import roster as rosters
from tests.redteam.stage import CONSORTIUM, NAMES, PATIENTS, RUN, VICTIM, Stage

Shares = dict[int, bytes]


@dataclass
class Puppet:
    """A hospital that the server plays.

    It has a signing key (a stolen one, its own, a colluder's) and fresh keys.
    """

    name: str
    key: bytes = field(repr=False)
    fresh: Fresh = field(
        default_factory=lambda: Fresh(*(secrets.token_bytes(32) for _ in range(4))), repr=False
    )

    def advert(self, terms: bytes) -> Advert:
        """Its keys."""
        mask = primitives.x25519_public(self.fresh.mask_key)
        channel = primitives.x25519_public(self.fresh.channel_key)
        return Advert(
            terms, self.name, bytes(64), mask, channel, derive.commitment(self.fresh.seed, terms)
        ).signed(self.key)


class Sum:
    """A sum that the server holds with hospitals, step by step.

    Args:
        stage: the hospitals.
        number: of the terms.
        cohort: names; all four if empty.
        puppets: hospitals of the cohort that the server plays.
        t: threshold; by the rule if 0.
        run: name of the run.
        signed: the roster that goes with it, the stage's if None.
    """

    def __init__(
        self,
        stage: Stage,
        number: int = 1,
        cohort: Sequence[str] = NAMES,
        puppets: Iterable[Puppet] = (),
        t: int = 0,
        run: str = RUN,
        signed: Mapping[str, Any] | None = None,
    ) -> None:
        self.stage = stage
        self.run = run
        self.signed = signed or stage.roster
        self.puppets = {puppet.name: puppet for puppet in puppets}
        self.real = [name for name in dict.fromkeys(cohort) if name not in self.puppets]
        digest = rosters._opened(self.signed)[0].digest
        self.terms = Terms(
            CONSORTIUM, run, number, tuple(cohort), t or threshold(len(cohort)), digest
        )
        self.id = self.terms.digest
        self.adverts: dict[str, Advert] = {}
        self.seen: dict[str, dict[str, Advert]] = {}
        self.parcels: dict[str, dict[str, Parcel]] = {}
        self.dealers: dict[str, list[str]] = {}
        self.specs: dict[str, SumSpec] = {}
        self.vectors: dict[str, npt.NDArray[np.uint8]] = {}
        self.shares: dict[tuple[str, str], Shares] = defaultdict(dict)
        self.given_secrets: dict[tuple[str, str], bytes] = {}

    def agree(self, site: str, *messages: bytes) -> tuple[bytes, ...]:
        """A short exchange with one hospital."""
        return self.stage.ask(
            site, "agree", *messages, run=self.run, settings={"roster": self.signed}
        ).secure

    def keys(self) -> Sum:
        """Everybody's fresh keys."""
        for site in self.real:
            self.adverts[site] = Advert.decode(self.agree(site, self.terms.encode())[0])
        self.adverts |= {name: puppet.advert(self.id) for name, puppet in self.puppets.items()}
        return self

    def deal(self, **lists: Sequence[Advert]) -> Sum:
        """Shares for each; ``lists`` gives a hospital other keys than everybody's."""
        everybody = [self.adverts[name] for name in sorted(self.adverts)]
        for site in self.real:
            given = lists.get(site, everybody)
            self.seen[site] = {advert.site: advert for advert in given}
            dealt = Bundle.decode(self.agree(site, Bundle.of(self.id, given).encode())[0]).opened(
                Parcel
            )
            self.parcels[site] = {parcel.to: parcel for parcel in dealt}
            self._seize(site)
        for name, puppet in self.puppets.items():
            self.seen[name], fresh = self.adverts, puppet.fresh
            dealt_ = parcels.deal(
                self.terms, fresh.seed, fresh.mask_key, fresh.polynomials, sorted(self.adverts)
            )
            self.parcels[name] = {
                to: parcels.seal(
                    self.id,
                    self.adverts[name],
                    fresh.channel_key,
                    self.adverts[to],
                    shares,
                    puppet.key,
                )
                for to, shares in dealt_.items()
            }
        return self

    def _seize(self, dealer: str) -> None:
        """Read the parcels that were sealed for puppets."""
        held = self.seen[dealer]
        for place, to in enumerate(sorted(held), 1):
            if to in self.puppets and held[to].channel_key == primitives.x25519_public(
                self.puppets[to].fresh.channel_key
            ):
                key = derive.channel(
                    self.puppets[to].fresh.channel_key,
                    self.adverts[dealer].channel_key,
                    self.id,
                    dealer,
                    to,
                )
                plain = primitives.open_sealed(key, self.parcels[dealer][to].sealed, self.id)
                self.shares[dealer, "seed"][place] = plain[: shamir.SHARE]
                self.shares[dealer, "key"][place] = plain[shamir.SHARE :]

    def delivered(self, site: str, dealers: Iterable[str] = ()) -> list[Parcel]:
        """The parcels that are for a hospital."""
        return [self.parcels[dealer][site] for dealer in sorted(dealers or self.parcels)]

    def tally_order(self) -> SumSpec:
        """The order that counts."""
        return sum_specs.specify(self.stage.study, "tally", len(self.terms.cohort))

    def vector(
        self, site: str, spec: SumSpec, given: Sequence[Parcel] | None = None, **question: Any
    ) -> Masked:
        """A hospital's masked vector."""
        held = self.delivered(site) if given is None else given
        self.dealers[site] = [parcel.site for parcel in held]
        self.specs[site] = spec
        parts = spec.encode(), Bundle.of(self.id, held).encode()
        reply = self.stage.ask(site, spec.kind, *parts, run=self.run, **question)
        assert reply.delta is not None
        self.vectors[site] = np.array(reply.delta).view(np.uint8)
        return Masked.decode(reply.secure[0])

    def tally(self, *sites: str, **dealers: Sequence[str]) -> Sum:
        """Counts, masked; ``dealers`` tells a hospital of other peers than everybody."""
        for site in sites or self.real:
            self.vector(site, self.tally_order(), self.delivered(site, dealers.get(site, ())))
        return self

    def context(self, site: str) -> bytes:
        """The context as a hospital has it."""
        return derive.context(
            self.terms, [self.seen[site][name] for name in self.dealers[site]], self.specs[site]
        )

    def confirm(self, site: str, names: Sequence[str]) -> Confirm:
        """A signature under survivors.

        A puppet signs whatever is wanted, in the context of the victim.
        """
        if site in self.puppets:
            signature = Confirm(self.id, site, bytes(64), self.context(self.real[0]), tuple(names))
            return signature.signed(self.puppets[site].key)
        return Confirm.decode(self.agree(site, Survivors(self.id, tuple(names)).encode())[0])

    def reveal(self, site: str, confirms: Sequence[Confirm]) -> Reveal:
        """A hospital's shares; they are kept for :meth:`read`."""
        shares = Reveal.decode(self.agree(site, Bundle.of(self.id, confirms).encode())[0])
        for kind, pairs in (("seed", shares.seed_shares), ("key", shares.key_shares)):
            for dealer, share in pairs:
                self.shares[dealer, kind][sorted(self.seen[dealer]).index(site) + 1] = share
        return shares

    def open(self, names: Sequence[str]) -> dict[str, float]:
        """Open the sum over these as the protocol has it; its lanes."""
        there = [name for name in names if name in self.real]
        confirms = [self.confirm(site, names) for site in names]
        for site in there:
            self.reveal(site, confirms)
        return self.opened(there)

    def opened(self, names: Sequence[str]) -> dict[str, float]:
        """What the shares that came in make of the sum of these vectors."""
        one = names[0]
        total = sum(
            (words for words in (self._words(name) for name in names[1:])),
            start=self._words(one).copy(),
        )
        pads = [(self.own(name), -1) for name in names]
        for peer in set(self.dealers[one]) - set(names):
            key = (
                self.puppets[peer].fresh.mask_key
                if peer in self.puppets
                else self.secret(peer, "key")
            )
            pads += [(self.pair(key, peer, name), -derive.sign_of(name, peer)) for name in names]
        return self._lanes(one, total, pads, len(names))

    def body(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """The body of an opened sum over real hospitals, in units of the sum.

        These are each change times its share of all weights.
        """
        spec = self.specs[names[0]]
        total = sum(
            (sum_specs.views(spec, self.vectors[name])[0] for name in names[1:]),
            start=sum_specs.views(spec, self.vectors[names[0]])[0].copy(),
        )
        pads = [(self.own(name), -1) for name in names]
        Pad(pads).add(total)
        signed = total.view(np.int32 if spec.ring_bits == 32 else np.int64).astype(np.float64)
        return np.asarray(signed / sum_specs.fraction(spec), np.float64)

    def read(self, site: str = VICTIM) -> dict[str, float]:
        """One hospital's own lanes, from both of its secrets."""
        key = self.secret(site, "key")
        peers = [
            (
                derive.pair_seed(
                    key, self.seen[site][peer].mask_key, self.context(site), site, peer
                ),
                peer,
            )
            for peer in self.dealers[site]
        ]
        pads = [
            (self.own(site), -1),
            *((seed, -derive.sign_of(site, peer)) for seed, peer in peers if peer != site),
        ]
        return self._lanes(site, self._words(site).copy(), pads, 1)

    def secret(self, site: str, kind: str) -> bytes:
        """A secret from its shares, checked against what was published.

        Raises:
            SecureSumError: they are too few, or do not fit.
        """
        if (site, kind) in self.given_secrets:
            return self.given_secrets[site, kind]
        value = shamir.combine(
            dict(sorted(self.shares[site, kind].items())[: self.terms.threshold])
        )
        advert = self.adverts[site]
        fits = (
            derive.commitment(value, self.id) == advert.commitment
            if kind == "seed"
            else primitives.x25519_public(value) == advert.mask_key
        )
        if not fits:
            raise SecureSumError("These shares do not make up the secret.")
        return value

    def own(self, site: str) -> bytes:
        """Seed of a hospital's own mask."""
        return derive.own_seed(self.secret(site, "seed"), self.context(site), site)

    def pair(self, key: bytes, owner: str, site: str) -> bytes:
        """Seed of the mask that the owner of a mask key shares with a hospital."""
        return derive.pair_seed(key, self.adverts[site].mask_key, self.context(site), owner, site)

    def _words(self, site: str) -> npt.NDArray[np.uint64]:
        return sum_specs.views(self.specs[site], self.vectors[site])[1]

    def _lanes(
        self,
        site: str,
        words: npt.NDArray[np.uint64],
        pads: Sequence[tuple[bytes, int]],
        count: int,
    ) -> dict[str, float]:
        spec = self.specs[site]
        skipped = spec.body_bytes % 16
        pad = Pad(pads, offset=spec.body_bytes - skipped)
        pad.add(np.zeros(skipped // 4, np.uint32))
        pad.add(words)
        if [int(word) for word in words[:CANARIES]] != [count] * CANARIES:
            raise SecureSumError("The canaries are wrong: the masks are not off.")
        return {
            lane: fixed_point.decode_lane(int(word), sum_specs.is_exact(lane))
            for lane, word in zip(spec.lanes, words[CANARIES:], strict=True)
        }


def exact(lanes: Mapping[str, float], site: str = VICTIM) -> bool:
    """Whether these are one hospital's own numbers."""
    return lanes["patients"] == PATIENTS[site]


def without(site: str = VICTIM) -> list[str]:
    """The other hospitals."""
    return [name for name in NAMES if name != site]


S = TypeVar("S", bound=Signed)


def forged(message: S, key: bytes, **fields: Any) -> S:
    """A message with other content under another signature."""
    return replace(message, **fields).signed(key)
