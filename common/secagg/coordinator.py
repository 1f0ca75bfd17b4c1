"""The server's side of one secure sum: pure bookkeeping, ``(state, message) -> state``.

The vectors themselves are added up in ``server/aggregation/masked_sum.py``.

    keys -> shares -> order -> vectors -> confirmations -> revelations -> opened

A message that is wrong raises an error that the caller blames on its sender, and changes nothing.
Each stage is closed by the caller, when all have answered or the time is up; with too few left it
raises :class:`TooFewError`, and a new sum with fresh keys may be tried.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from common.errors import SecureSumError
from common.secagg import derive, primitives, shamir
from common.secagg.coordinator_state import (
    CheatError,
    CoordinatorState,
    Opening,
    TooFewError,
)
from common.secagg.messages import (
    CANARIES,
    Advert,
    Bundle,
    Confirm,
    Masked,
    Parcel,
    Reveal,
    SumSpec,
    Survivors,
    Terms,
)

S = TypeVar("S", Advert, Masked, Confirm, Reveal)
_WORD = 8


def begin(terms: Terms, identities: Mapping[str, bytes], min_cohort: int) -> CoordinatorState:
    """A new sum.

    Args:
        terms: what will be sent to the cohort.
        identities: Ed25519 public keys from the signed roster.
        min_cohort: survivors without whom nothing is opened.
    """
    least = max(min_cohort, terms.threshold)
    return CoordinatorState("keys", terms, dict(identities), least)


def advert(state: CoordinatorState, message: Advert) -> CoordinatorState:
    """Take a hospital's keys."""
    state.needs("keys")
    _check(state, message, state.terms.cohort)
    others = (other for other in state.adverts.values() if other.site != message.site)
    keys = [key for other in (*others, message) for key in _keys(other)]
    # A key that comes a second time is copied from somebody else, or meant for two uses.
    if len(set(keys)) != len(keys):
        raise SecureSumError(f"{message.site!r} sent a key that stands there already.")
    for key in _keys(message):
        primitives.check_public(key)
    return dataclasses.replace(state, adverts=_added(state.adverts, message))


def _keys(message: Advert) -> tuple[bytes, bytes]:
    return message.mask_key, message.channel_key


def adverts(state: CoordinatorState) -> tuple[CoordinatorState, Bundle]:
    """Close the stage: everybody's keys, for everybody."""
    state.needs("keys")
    _enough(state.adverts, state.least, "sent keys")
    messages = [state.adverts[site] for site in sorted(state.adverts)]
    return dataclasses.replace(state, step="shares"), Bundle.of(state.terms.digest, messages)


def parcels(state: CoordinatorState, site: str, messages: Sequence[Parcel]) -> CoordinatorState:
    """Take the shares that a hospital deals: one parcel for each hospital with keys."""
    state.needs("shares")
    dealt = {message.to: message for message in messages}
    if len(dealt) != len(messages) or set(dealt) != set(state.adverts) or site in state.parcels:
        raise SecureSumError(f"{site!r} did not deal one parcel to each hospital.")
    for message in messages:
        if message.site != site or message.terms != state.terms.digest:
            raise SecureSumError(f"{site!r} sent a parcel of {message.site!r} or of another sum.")
        message.check_signature(state.identities.get(site))
    return dataclasses.replace(state, parcels={**state.parcels, site: dealt})


def ready(state: CoordinatorState) -> CoordinatorState:
    """Close the stage: those who dealt shares can be asked for vectors."""
    state.needs("shares")
    _enough(state.parcels, state.least, "dealt shares")
    return dataclasses.replace(state, step="order")


def start(state: CoordinatorState, spec: SumSpec) -> tuple[CoordinatorState, dict[str, Bundle]]:
    """Bind the sum's specification; for each hospital the parcels that are for it."""
    state.needs("order")
    context = derive.context(state.terms, [state.adverts[site] for site in state.parcels], spec)
    deliveries = {
        site: Bundle.of(
            state.terms.digest, [state.parcels[dealer][site] for dealer in sorted(state.parcels)]
        )
        for site in state.parcels
    }
    return dataclasses.replace(state, step="vectors", spec=spec, context=context), deliveries


def masked(
    state: CoordinatorState, message: Masked, vector: bytes, tail: Sequence[int]
) -> CoordinatorState:
    """Take note of a vector that is about to be added up.

    Args:
        state: where the sum stands.
        message: what the hospital vouches for.
        vector: SHA-256 of the bytes that came.
        tail: the vector's first 64-bit words after the body, as masked.
    """
    state.needs("vectors")
    _check(state, message, state.parcels)
    if message.context != state.context:
        raise SecureSumError(f"{message.site!r} masked its vector for other keys or another order.")
    if message.vector != vector:
        raise SecureSumError(f"The vector of {message.site!r} is not the one that it vouches for.")
    canaries = {**state.canaries, message.site: tuple(tail[:CANARIES])}
    return dataclasses.replace(state, masked=_added(state.masked, message), canaries=canaries)


def survivors(state: CoordinatorState) -> tuple[CoordinatorState, Survivors]:
    """Close the stage: whose vectors are in the sum."""
    state.needs("vectors")
    _enough(state.masked, state.least, "sent vectors")
    names = tuple(sorted(state.masked))
    return dataclasses.replace(state, step="confirmations", survivors=names), Survivors(
        state.terms.digest, names
    )


def confirm(state: CoordinatorState, message: Confirm) -> CoordinatorState:
    """Take a signature under the survivors."""
    state.needs("confirmations")
    _check(state, message, state.survivors)
    if message.context != state.context or message.survivors != state.survivors:
        raise SecureSumError(f"{message.site!r} confirms other survivors than it was told.")
    return dataclasses.replace(state, confirms=_added(state.confirms, message))


def confirms(state: CoordinatorState) -> tuple[CoordinatorState, Bundle]:
    """Close the stage: the signatures, for all who gave one."""
    state.needs("confirmations")
    _enough(state.confirms, state.terms.threshold, "confirmed the survivors")
    messages = [state.confirms[site] for site in sorted(state.confirms)]
    return dataclasses.replace(state, step="revelations"), Bundle.of(state.terms.digest, messages)


def reveal(state: CoordinatorState, message: Reveal) -> CoordinatorState:
    """Take a hospital's shares; a share that its dealer did not vouch for is the sender's lie."""
    state.needs("revelations")
    _check(state, message, state.confirms)
    dropped = sorted(set(state.parcels) - set(state.survivors))
    dealers = (
        tuple(name for name, _ in message.seed_shares),
        tuple(name for name, _ in message.key_shares),
    )
    if dealers != (state.survivors, tuple(dropped)):
        raise CheatError(
            f"{message.site!r} revealed shares of other hospitals than it should.", [message.site]
        )
    for kind, shares in (("seed", message.seed_shares), ("key", message.key_shares)):
        for dealer, share in shares:
            parcel = state.parcels[dealer][message.site]
            vouched = parcel.seed_hash if kind == "seed" else parcel.key_hash
            if (
                derive.share_hash(
                    kind, terms=state.terms.digest, dealer=dealer, holder=message.site, share=share
                )
                != vouched
            ):
                raise CheatError(
                    f"{message.site!r} revealed a wrong share of {dealer!r}.", [message.site]
                )
    peers = sorted(set(state.parcels) - {message.site})
    if [name for name, _ in message.canaries] != peers or any(
        len(words) != _WORD * CANARIES for _, words in message.canaries
    ):
        raise CheatError(
            f"{message.site!r} revealed the canaries' masks of other hospitals than it should.",
            [message.site],
        )
    return dataclasses.replace(state, reveals=_added(state.reveals, message))


def open_sum(state: CoordinatorState) -> tuple[CoordinatorState, Opening]:
    """Close the last stage: rebuild what takes the masks off.

    These are the survivors' own seeds and the mask keys of the dropped, each checked against what
    its owner published.

    Raises:
        TooFewError: fewer than t revealed.
        CheatError: a hospital's shares do not make up what it published.
    """
    state.needs("revelations")
    _enough(state.reveals, state.terms.threshold, "revealed their shares")
    own = {
        site: derive.own_seed(_rebuilt(state, site, "seed"), state.context, site)
        for site in state.survivors
    }
    keys = {
        gone: _rebuilt(state, gone, "key")
        for gone in sorted(set(state.parcels) - set(state.survivors))
    }
    pairs = {
        (site, gone): derive.pair_seed(
            key, public=state.adverts[site].mask_key, context_=state.context, one=gone, other=site
        )
        for gone, key in keys.items()
        for site in state.survivors
    }
    return dataclasses.replace(state, step="opened"), Opening(own, pairs)


def _rebuilt(state: CoordinatorState, dealer: str, kind: str) -> bytes:
    position = {site: i for i, site in enumerate(sorted(state.adverts), 1)}
    shares = {
        position[r.site]: dict(r.seed_shares if kind == "seed" else r.key_shares)[dealer]
        for r in state.reveals.values()
    }
    used = dict(sorted(shares.items())[: state.terms.threshold])
    # Every share was vouched for by its dealer, so shares that do not combine are the dealer's lie.
    try:
        secret = shamir.combine(used)
    except SecureSumError:
        secret = b""
    published = state.adverts[dealer]
    if kind == "seed":
        fits = derive.commitment(secret, state.terms.digest) == published.commitment
    else:
        fits = len(secret) == 32 and primitives.x25519_public(secret) == published.mask_key
    if not fits:
        raise CheatError(f"The shares that {dealer!r} dealt do not make up its {kind}.", [dealer])
    return secret


def _check(state: CoordinatorState, message: S, allowed: Iterable[str]) -> None:
    if message.terms != state.terms.digest:
        raise SecureSumError(f"A message of {message.site!r} belongs to another secure sum.")
    if message.site not in allowed:
        raise SecureSumError(f"{message.site!r} is not asked in this step of the secure sum.")
    message.check_signature(state.identities.get(message.site))


def _added(messages: Mapping[str, S], message: S) -> dict[str, S]:
    if message.site in messages and messages[message.site] != message:
        raise SecureSumError(f"{message.site!r} sent two different messages where one is allowed.")
    return {**messages, message.site: message}


def _enough(answers: Mapping[str, object], least: int, action: str) -> None:
    if len(answers) < least:
        raise TooFewError(f"{len(answers)} hospitals {action}; {least} are needed.")
