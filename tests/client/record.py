"""A hospital's record for tests: a consortium of two, and entries as the desk writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from client.audit import log as audit_log
from client.identity import Identity, Trust, raw_key
from client.site import Site
from common.storage import files
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.certificates import Credential
from common.trust.roster import Roster

CONSORTIUM, NOW = "trial", datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Keys:
    """A consortium's keys."""

    authority: Credential
    roster: Credential
    sites: dict[str, Credential]


@lru_cache(maxsize=1)
def keys() -> Keys:
    """One consortium for all tests."""
    authority = certificates.authority(CONSORTIUM, NOW, 3650)
    signers = {name: certificates.signer(authority, name, NOW, 365) for name in ("north", "south")}
    return Keys(authority, certificates.signer(authority, certificates.ROSTER, NOW, 365), signers)


def signed_roster() -> dict[str, Any]:
    """The consortium's roster."""
    listed = {name: pair.certificate.decode() for name, pair in keys().sites.items()}
    return rosters.sign(Roster(CONSORTIUM, 1, NOW.isoformat(), listed), keys().roster.key)


def site(folder: Path, name: str = "north") -> Site:
    """A hospital that has accepted the roster."""
    made = keys()
    identity = Identity(
        CONSORTIUM,
        raw_key(made.sites[name].key),
        made.authority.certificate,
        made.roster.certificate,
    )
    state = folder / name
    state.mkdir(mode=0o700, parents=True)
    files.replace(state / "roster.json", rosters.dumps(signed_roster()))
    trust = Trust(CONSORTIUM, b"", made.authority.certificate)
    return Site(name, (), state, "cpu", identity=identity, trust=trust)


def public(name: str = "north") -> bytes:
    """A hospital's raw public key."""
    return rosters.public_key(
        keys().sites[name].certificate, keys().authority.certificate, name, NOW
    )


def fill(state: Path, entries: int) -> None:
    """Questions and answers, as many as asked for."""
    for number in range(entries):
        audit_log.note(
            state,
            kind="train",
            round=number + 1,
            run="run-1",
            study="lungs",
            left=["vector", "Masked"],
            bytes=1000,
            seconds=1.5,
        )


def lines(state: Path) -> list[dict[str, Any]]:
    """The record."""
    return [json.loads(line) for line in (state / audit_log.NAME).read_text().splitlines()]
