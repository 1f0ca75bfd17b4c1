"""Attacks on the keys: the server's own in a hospital's place, swapped parcels, a changed entry."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace

from common.secagg import derive, parcels, participant, primitives
from common.secagg.messages import Parcel, Signed
from common.secagg.participant_state import ParticipantState
from tests.redteam.attack import Attack, both, changed, replaced
from tests.redteam.drive import Puppet, Sum, exact, forged
from tests.redteam.stage import OTHERS, VICTIM, Stage

UNSIGNED = replaced(Signed, "check_signature", lambda self, public: None)
"""Switch: nobody looks at signatures in a sum."""


def forged_keys(stage: Stage) -> bool:
    """All three peers are the server itself: it reads every parcel and knows every mask."""
    held = Sum(stage, puppets=[Puppet(name, secrets.token_bytes(32)) for name in OTHERS])
    return exact(held.keys().deal().tally(VICTIM).read())


def altered_entry(field: str) -> Callable[[Stage], bool]:
    """Its own entry in the list of keys comes back with something of the server's in it."""

    def play(stage: Stage) -> bool:
        held = Sum(stage).keys()
        mine = forged(
            held.adverts[VICTIM], secrets.token_bytes(32), **{field: secrets.token_bytes(32)}
        )
        held.deal(**{VICTIM: [mine, *(held.adverts[name] for name in OTHERS)]})
        return VICTIM in held.parcels

    return play


def missing_entry(stage: Stage) -> bool:
    """It is left out of the list of keys and asked to deal shares to the others."""
    held = Sum(stage).keys()
    held.deal(**{VICTIM: [held.adverts[name] for name in OTHERS]})
    return VICTIM in held.parcels


def swapped(bend: Callable[[Sum], Parcel]) -> Callable[[Stage], bool]:
    """A hospital masks its vector although a parcel is another than was dealt to it."""

    def play(stage: Stage) -> bool:
        held = Sum(stage).keys().deal()
        given = [
            bend(held) if parcel.site == "birch" else parcel for parcel in held.delivered(VICTIM)
        ]
        held.vector(VICTIM, held.tally_order(), given)
        return VICTIM in held.vectors

    return play


def _other_dealer(held: Sum) -> Parcel:
    return replace(held.parcels["cedar"][VICTIM], site="birch")


def _other_sum(held: Sum) -> Parcel:
    again = Sum(held.stage, number=2).keys().deal()
    return again.parcels["birch"][VICTIM]


def _any_share(
    parcel: Parcel, dealers: object, identities: object, holder: str, channel_key: bytes
) -> tuple[bytes, bytes]:
    return bytes(33), bytes(33)


_UNOPENED = replaced(parcels, "open_parcel", _any_share)
_NO_OWN = changed(
    participant, "share", ("if by_site.get(me.site) != state.adverts[me.site]:", "if False:")
)
_NO_OWN_NEEDED = changed(
    participant,
    "share",
    ("if by_site.get(me.site) != state.adverts[me.site]:", "if False:"),
    ("by_site[me.site]", "state.adverts[me.site]"),
)


def used_key_twice(stage: Stage) -> bool:
    """Parcels of two directions are compared.

    Under one key with one nonce they would give away the difference of their shares.
    """
    held = Sum(stage).keys().deal()
    there, back = held.parcels[VICTIM]["birch"], held.parcels["birch"][VICTIM]
    pads = [_stream(held, dealer, to) for dealer, to in ((VICTIM, "birch"), ("birch", VICTIM))]
    return there.sealed != back.sealed and pads[0] == pads[1]


def _stream(held: Sum, dealer: str, to: str) -> bytes:
    """The key that a parcel was sealed with, found where nobody but a test may look."""
    from client.worker import worker as workers

    states = {
        w._site.name: w._participation._sums_in_progress.get(held.id)
        for w in workers._workers.values()
    }
    return derive.channel(
        states[dealer].secrets.channel_key, held.adverts[to].channel_key, held.id, dealer, to
    )


def _no_names(private: bytes, public: bytes, terms: bytes, dealer: str, holder: str) -> bytes:
    return primitives.hkdf(primitives.x25519(private, public), terms, b"parcel")


ATTACKS = (
    Attack("forged keys: the server sits in the middle", forged_keys, UNSIGNED),
    Attack("own entry altered: mask key", altered_entry("mask_key"), both(UNSIGNED, _NO_OWN)),
    Attack("own entry altered: parcel key", altered_entry("channel_key"), both(UNSIGNED, _NO_OWN)),
    Attack("own entry altered: commitment", altered_entry("commitment"), both(UNSIGNED, _NO_OWN)),
    Attack("own entry missing", missing_entry, _NO_OWN_NEEDED),
    Attack(
        "parcel redirected: one that was sealed for another hospital",
        swapped(lambda held: held.parcels["birch"]["cedar"]),
        _UNOPENED,
    ),
    Attack("parcels swapped: one dealer's as another's", swapped(_other_dealer), _UNOPENED),
    Attack(
        "parcel replayed from another sum",
        swapped(_other_sum),
        both(_UNOPENED, replaced(ParticipantState, "check_ours", lambda *_: None)),
    ),
    Attack(
        "one key for both directions of a pair",
        used_key_twice,
        replaced(derive, "channel", _no_names),
        "curious server",
        speaks=False,
    ),
)
