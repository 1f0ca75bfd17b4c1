"""How this hospital stands in its consortium: the roster it has accepted, and its party in the secure sums of a run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from client.identity import Identity
from client.ledger import Ledger
from client.party import Party, Roll
from client.site import Site
from client.vault import SharedVault, Vault
from common.errors import SecureSumError, SignatureError
from common.secagg.site import Me
from common.secagg.terms import Limits


def accept(site: Site, signed: Any) -> None:
    """Take a signed roster that came with a question.

    Raises:
        SignatureError: it is not the consortium's, or older than one that was accepted.
    """
    identity = _identity(site)
    if not isinstance(signed, Mapping):
        raise SignatureError("A question comes with a roster that is not a table.")
    identity.accept(signed, site.state, datetime.now(UTC))


def party(site: Site, run: str, min_cohort: int) -> Party:
    """This hospital in the secure sums of a run.

    Args:
        site: the hospital.
        run: name of the run.
        min_cohort: what the signed study asks for; the hospital's own policy may ask for more.

    Raises:
        SecureSumError: it has no identity, or no roster yet.
    """
    identity = _identity(site)
    roster = identity.roster(site.state, datetime.now(UTC))
    if roster is None:
        raise SecureSumError("This hospital has no signed roster yet; the first question of a secure sum must bring it.")
    limits = Limits(max(site.policy.min_cohort, min_cohort), site.policy.colluders)
    me = Me(site.name, identity.key, limits)
    in_memory = site.trust is not None or site.resident
    vault = Vault() if in_memory else SharedVault(site.state)
    return Party(
        me, identity.consortium, run, lambda: Roll(roster.digest, identity.keys(roster, datetime.now(UTC))), vault, Ledger(site.state)
    )


def _identity(site: Site) -> Identity:
    if site.identity is None:
        raise SecureSumError("This hospital has no identity for secure sums; a simulation makes one where the study asks for them.")
    return site.identity
