"""Attacks after the fact and in company.

Shares put together below the threshold, and recorded traffic with keys that were stolen later.
"""

from __future__ import annotations

import base64
import itertools
import secrets
import sys
from collections import Counter
from types import SimpleNamespace
from unittest import mock

from client.secagg import participation, sums_in_progress
from client.worker import worker as workers
from common.errors import SecureSumError
from common.secagg import derive, participant_opening, primitives, shamir
from tests.redteam.attack import Attack, changed, replaced
from tests.redteam.drive import Puppet, Sum, exact
from tests.redteam.stage import NAMES, VICTIM, Stage, keys, seed_of

LEAGUE: tuple[str, ...] = ("doum",)
"""Hospitals that work together with the server: with four hospitals the rule allows for one."""
_FIELD = 11
_THRESHOLD = 3
PLACES: tuple[int, ...] = (1, 4)
"""Shares that are put together where three are needed."""


def pooled(stage: Stage) -> bool:
    """A colluder gives the server everything that it holds, after an honest sum was opened."""
    held = (
        Sum(stage, puppets=[Puppet(name, seed_of(keys()[name])) for name in LEAGUE])
        .keys()
        .deal()
        .tally()
    )
    held.open(NAMES)
    try:
        return exact(held.read())
    except SecureSumError:
        return False


def told_apart(stage: Stage) -> bool:
    """Every polynomial over a tiny field.

    Whether shares below the threshold are spread otherwise for one secret than for another.
    """
    with mock.patch.object(shamir, "PRIME", _FIELD):
        spread = [Counter(_pooled(secret)) for secret in range(_FIELD)]
    return any(one != spread[0] for one in spread)


def _pooled(secret: int) -> list[tuple[int, ...]]:
    drawn = itertools.product(range(_FIELD), repeat=_THRESHOLD - 1)
    shares = (
        shamir.split(secret.to_bytes(32), _THRESHOLD, 5, b"".join(c.to_bytes(48) for c in chosen))
        for chosen in drawn
    )
    return [tuple(int.from_bytes(dealt[place - 1]) for place in PLACES) for dealt in shares]


def opened_later(stage: Stage) -> bool:
    """A sum was recorded.

    Afterwards identity keys, the workers' memory and every file of the hospitals come into wrong
    hands.
    """
    drawn: list[bytes] = []

    def token(length: int) -> bytes:
        drawn.append(secrets.token_bytes(length))
        return drawn[-1]

    with mock.patch.object(participation, "secrets", SimpleNamespace(token_bytes=token)):
        held = Sum(stage).keys().deal().tally()
        held.open(NAMES)
    stolen = _left(stage, held.id)
    leaked = [
        secret
        for secret in drawn
        if any(form in stolen for form in (secret, secret.hex().encode(), base64.b64encode(secret)))
    ]
    advert = held.adverts[VICTIM]
    tried = [*leaked, *(seed_of(keys()[name]) for name in NAMES)]
    seeds = [one for one in tried if derive.commitment(one, held.id) == advert.commitment]
    masks = [one for one in tried if primitives.x25519_public(one) == advert.mask_key]
    if not (seeds and masks):
        return bool(leaked) or any(_opens(held, one) for one in tried)
    held.given_secrets = {(VICTIM, "seed"): seeds[0], (VICTIM, "key"): masks[0]}
    return exact(held.read())


def _left(stage: Stage, terms: bytes) -> bytes:
    """All that is left at the hospitals: files, and what their workers keep of the sum."""
    kept = [
        str(sums_in_progress._table(worker._participation._sums_in_progress.get(terms))).encode()
        for worker in workers._workers.values()
    ]
    return b"".join(
        [*kept, *(path.read_bytes() for path in sorted(stage.folder.rglob("*")) if path.is_file())]
    )


def _opens(held: Sum, key: bytes) -> bool:
    """Whether a key opens a recorded parcel of the victim's."""
    for to, parcel in held.parcels[VICTIM].items():
        try:
            primitives.open_sealed(
                derive.channel(key, held.adverts[to].channel_key, held.id, VICTIM, to),
                parcel.sealed,
                held.id,
            )
        except SecureSumError:
            continue
        return True
    return False


_MODULE = sys.modules[__name__]
_KEPT = changed(participant_opening, "reveal", ("fresh=None, shares={}, canary_pads={}, ", ""))
_COMPANY = "server with c hospitals"

ATTACKS = (
    Attack(
        "a colluder's shares put to the server's",
        pooled,
        replaced(_MODULE, "LEAGUE", NAMES[1:]),
        _COMPANY,
        speaks=False,
    ),
    Attack(
        "shares below the threshold tell secrets apart",
        told_apart,
        replaced(_MODULE, "PLACES", (1, 2, 4)),
        _COMPANY,
        speaks=False,
    ),
    Attack(
        "recorded traffic with keys stolen later",
        opened_later,
        _KEPT,
        "thief after the sum",
        speaks=False,
    ),
)
