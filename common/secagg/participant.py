"""The hospital's side of one secure sum, up to its masked vector.

Pure steps, ``(state, message) -> (state, reply)``, after Bonawitz 2017, figure 4 (active variant).

    advertise -> advertised -- share -> shared -- arm -> armed -- mask -> masked -- confirm ->
        confirmed -- reveal -> revealed -- close -> closed

From ``confirm`` on, when the sum is opened, they are in ``common/secagg/participant_opening.py``.

A step that is not legal, or whose message is not as it must be, raises and changes nothing: the
state is a frozen value that the caller keeps or replaces. Whoever calls draws the secrets
(:class:`Fresh`) and keeps the state in memory only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from common.errors import SecureSumError
from common.secagg import derive, parcels, primitives
from common.secagg.mask_streams import Pad
from common.secagg.messages import Advert, Masked, Parcel, SumSpec, Terms
from common.secagg.participant_state import Fresh, Me, ParticipantState
from common.sentences.table import say


def advertise(
    me: Me, terms: Terms, identities: Mapping[str, bytes], fresh: Fresh
) -> tuple[ParticipantState, Advert]:
    """Begin a sum: check its terms, publish fresh keys.

    Args:
        me: this hospital.
        terms: as the server proposes them.
        identities: Ed25519 public keys by hospital, from the signed roster.
        fresh: secrets that nothing else was ever made with.

    Raises:
        SecureSumError: the terms ask for less care than this hospital's policy, or name hospitals
            that the roster does not.
    """
    me.limits.check(terms, me.site, identities)
    advert = Advert(
        terms=terms.digest,
        site=me.site,
        signature=bytes(64),
        mask_key=primitives.x25519_public(fresh.mask_key),
        channel_key=primitives.x25519_public(fresh.channel_key),
        commitment=derive.commitment(fresh.seed, terms.digest),
    ).signed(me.key)
    cohort_keys = {name: identities[name] for name in terms.cohort}
    return ParticipantState(
        step="advertised",
        terms=terms,
        identities=cohort_keys,
        fresh=fresh,
        adverts={me.site: advert},
    ), advert


def share(
    me: Me, state: ParticipantState, adverts: Sequence[Advert]
) -> tuple[ParticipantState, tuple[Parcel, ...]]:
    """Deal shares of the own secrets to everybody who advertised keys, oneself included.

    Raises:
        SecureSumError: a key is not signed by its hospital, stands twice, the own one was changed,
            or too few take part.
    """
    state.needs("share")
    by_site = {advert.site: advert for advert in adverts}
    if len(by_site) != len(adverts):
        raise SecureSumError("Two adverts in a secure sum are of one hospital.")
    if by_site.get(me.site) != state.adverts[me.site]:
        raise SecureSumError(
            "The server's list of keys lacks this hospital's own or changed it.",
            leaves=say("sum.lists"),
        )
    for advert in adverts:
        state.check_ours(advert.terms)
        advert.check_signature(state.identities.get(advert.site))
        for key in (advert.mask_key, advert.channel_key):
            primitives.check_public(key)
    # A key that stands twice is copied from somebody else, or meant for two uses.
    keys = [key for advert in adverts for key in (advert.mask_key, advert.channel_key)]
    if len(set(keys)) != len(keys):
        raise SecureSumError("Two keys in a secure sum are the same.")
    me.check_enough(len(by_site), state.terms, "sent keys")
    ordered = {name: by_site[name] for name in sorted(by_site)}
    fresh = state.secrets
    own = by_site[me.site]
    dealt = parcels.deal(
        state.terms,
        seed=fresh.seed,
        mask_key=fresh.mask_key,
        polynomials=fresh.polynomials,
        holders=list(ordered),
    )
    sealed = tuple(
        parcels.seal(
            state.terms.digest,
            dealer=own,
            channel_key=fresh.channel_key,
            holder=ordered[to],
            shares=shares,
            signing_key=me.key,
        )
        for to, shares in dealt.items()
    )
    return dataclasses.replace(state, step="shared", adverts=ordered), sealed


def arm(
    me: Me, state: ParticipantState, delivered: Sequence[Parcel], spec: SumSpec
) -> tuple[ParticipantState, Pad]:
    """Open this hospital's shares, bind the spec, and get the masks of all vectors of this sum.

    Returns:
        the next state, and the pad that masks the body and then the tail.

    Raises:
        SecureSumError: a parcel is not for this hospital, not its dealer's, does not open, or too
            few dealt.
    """
    state.needs("arm")
    shares = _opened_shares(me, state, delivered)
    context = derive.context(state.terms, [state.adverts[name] for name in shares], spec)
    seeds = {
        peer: derive.pair_seed(
            state.secrets.mask_key,
            public=state.adverts[peer].mask_key,
            context_=context,
            one=me.site,
            other=peer,
        )
        for peer in sorted(shares)
        if peer != me.site
    }
    canaries = {peer: derive.canary_words(seed, spec) for peer, seed in seeds.items()}
    own_seed = derive.own_seed(state.secrets.seed, context, me.site)
    pad = Pad(
        [(own_seed, 1), *((seed, derive.sign_of(me.site, peer)) for peer, seed in seeds.items())]
    )
    return dataclasses.replace(
        state, step="armed", shares=shares, context=context, canary_pads=canaries
    ), pad


def _opened_shares(
    me: Me, state: ParticipantState, delivered: Sequence[Parcel]
) -> dict[str, tuple[bytes, bytes]]:
    shares = {}
    for parcel in delivered:
        state.check_ours(parcel.terms)
        shares[parcel.site] = parcels.open_parcel(
            parcel,
            dealers=state.adverts,
            identities=state.identities,
            holder=me.site,
            channel_key=state.secrets.channel_key,
        )
    if len(shares) != len(delivered):
        raise SecureSumError("Two parcels in a secure sum are of one hospital.")
    if me.site not in shares:
        raise SecureSumError(
            "The server does not list this hospital among those that dealt shares.",
            leaves=say("sum.lists"),
        )
    me.check_enough(len(shares), state.terms, "dealt shares")
    return shares


def mask(me: Me, state: ParticipantState, vector: bytes) -> tuple[ParticipantState, Masked]:
    """Vouch for the masked vector, given its SHA-256.

    Raises:
        SecureSumError: there is one already.
    """
    state.needs("mask")
    message = Masked(
        terms=state.terms.digest,
        site=me.site,
        signature=bytes(64),
        context=state.context,
        vector=vector,
    ).signed(me.key)
    return dataclasses.replace(state, step="masked"), message
