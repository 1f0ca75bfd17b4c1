"""Who this hospital is (its key), who the others are (signed roster), whose studies it takes.

:class:`AnyIdentity` and :class:`AnyTrust` say what every hospital must be able to answer, so that
no caller asks whether there is one. The enrolled hospital's are here, those of a simulation's in
``client/virtual_site.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from common.errors import SignatureError
from common.protocol.envelopes import Question
from common.secagg.primitives import ed25519_public
from common.sentences.table import say
from common.storage import files
from common.study.study import Study
from common.trust import roster as rosters
from common.trust import statements, study_signature
from common.trust.roster import Roster
from common.trust.study_signature import Statement

_KEPT = "roster.json"


class AnyIdentity(Protocol):
    """What a hospital answers about itself and the others; one that cannot speak refuses."""

    @property
    def consortium(self) -> str:
        """Name of the consortium; refused where there is none."""

    @property
    def key(self) -> bytes:
        """Ed25519 private key, 32-byte seed; refused where there is none."""

    @property
    def public(self) -> bytes:
        """Ed25519 public key, 32 bytes; refused where there is none."""

    def accept(self, signed: Mapping[str, Any], state: Path, now: datetime) -> None:
        """Keep a roster that came from the server, or refuse it."""

    def roster(self, state: Path, now: datetime) -> Roster | None:
        """The roster that was accepted last; None if there is none yet."""

    def keys(self, roster: Roster, now: datetime) -> dict[str, bytes]:
        """Public keys of the roster's hospitals whose certificates are good now."""


class AnyTrust(Protocol):
    """Whose studies a hospital works on, and who must agree."""

    @property
    def asks_people(self) -> bool:
        """Whether a policy that asks for a person's approval has a person to ask."""

    def admit(self, question: Question, study: Study) -> Statement:
        """What was stated about a question's study, or a refusal."""

    def is_from(self, fingerprints: Collection[str]) -> bool:
        """Whether studies come with one of these keys."""


@dataclass(frozen=True)
class Identity:
    """What a hospital speaks with.

    Attributes:
        consortium: name of the consortium.
        key: Ed25519 private key, 32-byte seed.
        authority: the consortium's certificate authority (PEM).
        roster_key: certificate (PEM) of the key that signs rosters, pinned since this hospital
            enrolled.
    """

    consortium: str
    key: bytes = field(repr=False)
    authority: bytes
    roster_key: bytes

    @property
    def public(self) -> bytes:
        """Ed25519 public key, 32 bytes."""
        return ed25519_public(self.key)

    def accept(self, signed: Mapping[str, Any], state: Path, now: datetime) -> None:
        """Keep a roster that came from the server.

        It is signed with the pinned key and not older than the one that is kept.

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
        # Two rosters under one number: the coordinator would show hospitals different members.
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
        # Full minutes, so that the checked roster stays in the cache between questions.
        return _verified(
            content,
            self.roster_key,
            self.authority,
            self.consortium,
            now.replace(second=0, microsecond=0),
        )

    def keys(self, roster: Roster, now: datetime) -> dict[str, bytes]:
        """Public keys of the roster's hospitals whose certificates are good now, to the minute."""
        return dict(_good(roster, self.authority, now.replace(second=0, microsecond=0)))


@dataclass(frozen=True)
class Trust:
    """Whose studies an enrolled hospital takes: those that its own coordinator has signed.

    Attributes:
        consortium: name of the consortium.
        coordinator: certificate of the coordinator's key (PEM).
        authority: certificate of the authority that vouches for it (PEM).
    """

    consortium: str
    coordinator: bytes
    authority: bytes

    @property
    def asks_people(self) -> bool:
        """An enrolled hospital has people who decide."""
        return True

    def admit(self, question: Question, study: Study) -> Statement:
        """The coordinator's statement about a question's study.

        Raises:
            SignatureError: the coordinator has not signed this very study, or not for now.
        """
        return study_signature.verify(
            question.seal,
            self.coordinator,
            self.authority,
            self.consortium,
            study.digest,
            datetime.now(UTC),
        )

    def is_from(self, fingerprints: Collection[str]) -> bool:
        """Whether the coordinator's key is one of these."""
        return rosters.fingerprint(self.coordinator) in fingerprints


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
    return statements.seed(
        key_pem, "A hospital speaks with an Ed25519 key; restore worker/identity.key from a backup."
    )
