"""The hospital's side of one secure sum while it is opened: who survived, shares, the result.

Pure steps that go on where those of ``common/secagg/participant.py`` end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from common.errors import SecureSumError
from common.secagg.messages import CANARIES, Confirm, Reveal, SumResult, Survivors
from common.secagg.participant_state import Me, ParticipantState
from common.sentences.table import say


def confirm(
    me: Me, state: ParticipantState, survivors: Survivors
) -> tuple[ParticipantState, Confirm]:
    """Sign whose vectors the server says it has; once.

    Raises:
        SecureSumError: this hospital is not among them, they are strangers or too few, or others
            were confirmed before.
    """
    state.needs("confirm")
    state.check_ours(survivors.terms)
    # The first confirmation binds: a second list would let the server gather both kinds of shares.
    if state.confirmed is not None:
        if survivors.sites != state.survivors:
            raise SecureSumError(
                "The server names other survivors than those that this hospital has confirmed.",
                leaves=say("sum.survivors"),
            )
        return state, state.confirmed
    if tuple(sorted(set(survivors.sites))) != survivors.sites:
        raise SecureSumError("The survivors of a secure sum are not in order or stand twice.")
    if me.site not in survivors.sites:
        raise SecureSumError(
            "The server counts this hospital, which sent its vector, among the dropped.",
            leaves=say("sum.survivors"),
        )
    if not set(survivors.sites) <= set(state.shares):
        raise SecureSumError(
            "The server counts a hospital among the survivors that dealt no shares.",
            leaves=say("sum.survivors"),
        )
    me.check_enough(len(survivors.sites), state.terms, "sent vectors")
    confirmation = Confirm(
        terms=state.terms.digest,
        site=me.site,
        signature=bytes(64),
        context=state.context,
        survivors=survivors.sites,
    ).signed(me.key)
    return dataclasses.replace(
        state, step="confirmed", survivors=survivors.sites, confirmed=confirmation
    ), confirmation


def reveal(
    me: Me, state: ParticipantState, confirms: Sequence[Confirm]
) -> tuple[ParticipantState, Reveal]:
    """Give the shares that open this very sum, after t hospitals signed the same survivors.

    For a survivor that is the share of its own mask's seed, for a dropped hospital that of its
    mask key, never both. Then every secret is forgotten.

    Raises:
        SecureSumError: fewer than t valid signatures under the same survivors.
    """
    state.needs("reveal")
    for confirmation in confirms:
        state.check_ours(confirmation.terms)
        if confirmation.context != state.context or confirmation.survivors != state.survivors:
            raise SecureSumError(say("sum.confirmed", hospital=confirmation.site))
        if confirmation.site not in state.survivors:
            raise SecureSumError(f"A confirmation is of {confirmation.site!r}, who is no survivor.")
        confirmation.check_signature(state.identities.get(confirmation.site))
    # Distinct hospitals are counted: one signature shown twice is still one.
    count = len({confirmation.site for confirmation in confirms})
    if count < state.terms.threshold:
        raise SecureSumError(
            say(
                "sum.left",
                hospitals=count,
                what="confirm the survivors",
                least=state.terms.threshold,
            )
        )
    if state.revealed is not None:
        return state, state.revealed
    dropped = sorted(set(state.shares) - set(state.survivors))
    revelation = Reveal(
        terms=state.terms.digest,
        site=me.site,
        signature=bytes(64),
        seed_shares=tuple((name, state.shares[name][0]) for name in state.survivors),
        key_shares=tuple((name, state.shares[name][1]) for name in dropped),
        canaries=tuple(sorted(state.canary_pads.items())),
    ).signed(me.key)
    return dataclasses.replace(
        state, step="revealed", fresh=None, shares={}, canary_pads={}, revealed=revelation
    ), revelation


def close(state: ParticipantState, result: SumResult) -> ParticipantState:
    """Take note of what came out.

    Raises:
        SecureSumError: the canaries' sums are not the number of survivors, so some mask was wrong.
    """
    state.needs("close")
    state.check_ours(result.terms)
    if result.canaries != (len(state.survivors),) * CANARIES:
        raise SecureSumError(say("sum.canaries"))
    return dataclasses.replace(state, step="closed", revealed=None)
