"""Who this hospital is towards the others, and who they are: its certified key, and the roster that the consortium signed off-line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import CertificateError, SignatureError
from common.protocol.sentences import say
from common.storage import files
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.roster import Roster

_KEPT = "roster.json"


@dataclass(frozen=True)
class Identity:
    """What a hospital speaks with.

    Attributes:
        consortium: name of the consortium.
        key: Ed25519 private key, 32-byte seed.
        authority: the consortium's certificate authority (PEM).
        roster_key: certificate (PEM) of the key that signs rosters, pinned since this hospital enrolled.
    """

    consortium: str
    key: bytes = field(repr=False)
    authority: bytes
    roster_key: bytes

    def accept(self, signed: Mapping[str, Any], state: Path, now: datetime) -> None:
        """Keep a roster that came from the server: signed with the pinned key, not older than the one that is kept.

        Raises:
            SignatureError: it is not.
        """
        before = self.roster(state, now)
        roster = rosters.verify(
            signed,
            self.roster_key,
            self.authority,
            self.consortium,
            now,
            before.version if before else 0,
        )
        if (
            before is not None
            and roster.version == before.version
            and roster.digest != before.digest
        ):
            raise SignatureError(say("roster.two", version=roster.version))
        if before is None or roster.version > before.version:
            state.mkdir(parents=True, exist_ok=True, mode=0o700)
            files.replace(state / _KEPT, rosters.dumps(signed))

    def roster(self, state: Path, now: datetime) -> Roster | None:
        """The roster that this hospital has accepted last; None if it has none yet.

        Raises:
            SignatureError: it is damaged.
        """
        try:
            content = (state / _KEPT).read_bytes()
        except FileNotFoundError:
            return None
        return _verified(
            content,
            self.roster_key,
            self.authority,
            self.consortium,
            now.replace(second=0, microsecond=0),
        )

    def keys(self, roster: Roster, now: datetime) -> dict[str, bytes]:
        """Ed25519 public keys of the roster's hospitals whose certificates are good now, to the minute."""
        return dict(_good(roster, self.authority, now.replace(second=0, microsecond=0)))


@lru_cache(maxsize=64)
def _verified(
    content: bytes, roster_key: bytes, authority: bytes, consortium: str, now: datetime
) -> Roster:
    return rosters.verify(rosters.loads(content), roster_key, authority, consortium, now)


@lru_cache(maxsize=64)
def _good(roster: Roster, authority: bytes, now: datetime) -> Mapping[str, bytes]:
    return rosters.keys(roster, authority, now)


def raw_key(key_pem: bytes) -> bytes:
    """The 32-byte seed of an Ed25519 key in PEM.

    Raises:
        CertificateError: it is damaged or of another kind.
    """
    key = certificates.load_key(key_pem)
    if not isinstance(key, Ed25519PrivateKey):
        raise CertificateError(
            "A hospital speaks with an Ed25519 key; restore worker/identity.key from a backup."
        )
    return key.private_bytes_raw()
