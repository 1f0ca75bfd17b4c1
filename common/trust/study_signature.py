"""What the coordinator signs when a study is submitted, and how a hospital checks it: Ed25519 (RFC 8032) over canonical JSON."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from common.errors import CertificateError, SignatureError
from common.protocol.sentences import say
from common.study.config import shown
from common.trust import certificates

_DOMAIN = b"consilium study v1\0"
"""Set before what is signed, so that a signature for another purpose never fits."""
_LONGEST = 256
_SLOW_CLOCKS = timedelta(minutes=5)


@dataclass(frozen=True)
class Statement:
    """That a study may run: ``study`` is its digest, ``issued`` and ``expires`` are ISO 8601 in UTC."""

    consortium: str
    run: str
    study: str
    issued: str
    expires: str

    def signed(self) -> bytes:
        """The bytes that are signed."""
        return _DOMAIN + json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()


def sign(statement: Statement, key_pem: bytes) -> dict[str, Any]:
    """``{"statement": {...}, "signature": base64}`` with the coordinator's key.

    Raises:
        CertificateError: the key is damaged or not Ed25519.
    """
    key = certificates.load_key(key_pem)
    if not isinstance(key, Ed25519PrivateKey):
        raise CertificateError("Studies are signed with an Ed25519 key; give the coordinator's.")
    return {
        "statement": asdict(statement),
        "signature": base64.b64encode(key.sign(statement.signed())).decode(),
    }


def verify(
    sealed: Mapping[str, Any],
    certificate_pem: bytes,
    ca_pem: bytes,
    consortium: str,
    study_digest: str,
    now: datetime,
) -> Statement:
    """What the coordinator stated, if it did, about this very study, here and now.

    Raises:
        SignatureError: it did not; the sentence says what is wrong.
    """
    try:
        certificates.check(certificate_pem, ca_pem, certificates.COORDINATOR, now)
    except CertificateError as error:
        raise SignatureError(
            f"The coordinator's certificate is refused: {error}", say("signature.certificate")
        ) from None
    statement, signature = _opened(sealed)
    key = load_pem_public_key(certificates.key_in(certificate_pem))
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError(
            "The coordinator's certificate has no Ed25519 key; ask the coordinator for a new kit."
        )
    try:
        key.verify(signature, statement.signed())
    except InvalidSignature:
        raise SignatureError(say("signature.key")) from None
    _check(statement, consortium, study_digest, now)
    return statement


def _opened(sealed: Any) -> tuple[Statement, bytes]:
    if not isinstance(sealed, Mapping) or set(sealed) != {"statement", "signature"}:
        raise SignatureError(say("signature.unsigned"))
    inner, names = sealed["statement"], {f.name for f in fields(Statement)}
    if (
        not isinstance(inner, Mapping)
        or set(inner) != names
        or not all(_is_text(v) for v in (*inner.values(), sealed["signature"]))
    ):
        raise SignatureError(
            f"The signed statement must hold {', '.join(sorted(names))}, each a text of at most {_LONGEST} characters."
        )
    try:
        return Statement(**inner), base64.b64decode(sealed["signature"], validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("The study's signature is not base64.") from None


def _check(statement: Statement, consortium: str, study_digest: str, now: datetime) -> None:
    if statement.consortium != consortium:
        text = f"The study is signed for consortium {shown(statement.consortium)}; this hospital belongs to {shown(consortium)}."
        raise SignatureError(text, say("signature.consortium"))
    if statement.study != study_digest:
        raise SignatureError(say("signature.another_study"))
    if now + _SLOW_CLOCKS < _time(statement.issued):
        text = f"The study was signed in the future ({statement.issued}); check the clocks of this machine and of the coordinator."
        raise SignatureError(text, say("signature.future"))
    if now > _time(statement.expires):
        text = f"The study's signature expired on {statement.expires}; the coordinator must submit it again."
        raise SignatureError(text, say("signature.expired"))


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SignatureError(
            f"The signed statement has the time {shown(text)}; ISO 8601 in UTC is expected."
        ) from None
    if time.tzinfo is None:
        raise SignatureError(
            f"The signed statement has the time {shown(text)} without a time zone; UTC is expected."
        )
    return time


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST
