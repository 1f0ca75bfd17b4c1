"""Signed statements: Ed25519 (RFC 8032) over canonical JSON, each kind under words of its own.

A kind says what is signed and by whom; the bytes, the chain and time of the certificate that the
consortium gave to the key, and the signature are checked here, once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from common.errors import CertificateError, SignatureError
from common.secagg import primitives
from common.sentences.table import Sentence
from common.study.config import shown
from common.trust import certificates

_LONGEST_SIGNATURE = 256


@dataclass(frozen=True)
class StatementKind:
    """One kind of statement.

    Attributes:
        context: set before what is signed, so that a signature for another purpose never fits.
        noun: what is signed, as people call it.
        field: under which name the statement travels beside its signature.
        certified: the name in the certificate of who signs.
        holder: whose certificate that is.
        key: the key, as people call it.
        unsigned, foreign, refused: what may leave a hospital of a statement without a signature, of
            one that another key signed, and of a signer whose certificate is refused.
    """

    context: bytes
    noun: str
    field: str
    certified: str
    holder: str
    key: str
    unsigned: Sentence
    foreign: Sentence
    refused: Sentence

    def seal(self, fields: Mapping[str, Any], key_pem: bytes) -> dict[str, Any]:
        """``{field: {...}, "signature": base64}`` with the private key of who signs.

        Raises:
            CertificateError: the key is damaged or not Ed25519.
        """
        key = seed(key_pem, f"The {self.noun} is signed with an Ed25519 key; give the {self.key}.")
        return {self.field: dict(fields), "signature": sign(signed(self.context, fields), key)}

    def opened(self, sealed: Any, names: Collection[str]) -> tuple[Mapping[str, Any], bytes]:
        """The statement's fields and its signature; names of fields are checked, values are not.

        Raises:
            SignatureError: it has another form.
        """
        if not isinstance(sealed, Mapping) or set(sealed) != {self.field, "signature"}:
            raise SignatureError(
                f"The {self.noun} is not signed: a {self.field} and a signature are expected.",
                self.unsigned,
            )
        inner = sealed[self.field]
        signature = sealed["signature"]
        if not isinstance(inner, Mapping) or set(inner) != set(names):
            raise SignatureError(
                f"The {self.noun} is malformed: it must hold {', '.join(sorted(names))}."
            )
        return inner, _decoded(
            signature, f"The {self.noun} is malformed: its signature is not base64."
        )

    def signer(self, certificate_pem: bytes, ca_pem: bytes, now: datetime) -> bytes:
        """The public key of who signs, from a certificate of the consortium that is valid now.

        Raises:
            SignatureError: the certificate is another's, not valid, or its key cannot sign.
        """
        try:
            certificates.check(certificate_pem, ca_pem, self.certified, now)
        except CertificateError as error:
            raise SignatureError(
                f"The {self.holder}'s certificate is refused: {error}", self.refused
            ) from None
        try:
            return public_key(certificate_pem)
        except CertificateError:
            raise SignatureError(
                f"The {self.holder}'s certificate has no Ed25519 key; ask the coordinator for a "
                "new kit."
            ) from None

    def check(self, fields: Mapping[str, Any], signature: bytes, key: bytes) -> None:
        """Whether this key signed these fields.

        Raises:
            SignatureError: it did not.
        """
        if not primitives.verify(key, signature, signed(self.context, fields)):
            raise SignatureError(
                f"The {self.noun} is not signed by the {self.key}; it was changed on the way or "
                "comes from somebody else.",
                self.foreign,
            )


def signed(context: bytes, fields: Mapping[str, Any]) -> bytes:
    """The bytes that are signed."""
    # Sorted keys and no spaces: both sides must write the same bytes for the same fields.
    return context + json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


def sign(content: bytes, key: bytes) -> str:
    """The signature as it travels; ``key`` is a raw private key, 32 bytes."""
    return base64.b64encode(primitives.sign(key, content)).decode()


def holds(content: bytes, signature: object, key: bytes) -> bool:
    """Whether a signature that travelled is that of this raw public key over these bytes."""
    try:
        return len(key) == 32 and primitives.verify(key, _decoded(signature, ""), content)
    except SignatureError:
        return False


def seed(key_pem: bytes, otherwise: str) -> bytes:
    """The raw private key in a PEM file, 32 bytes.

    Raises:
        CertificateError: it is damaged, or not Ed25519, which ``otherwise`` explains.
    """
    key = certificates.load_key(key_pem)
    if not isinstance(key, Ed25519PrivateKey):
        raise CertificateError(otherwise)
    return key.private_bytes_raw()


def public_key(document: bytes) -> bytes:
    """The raw public key, 32 bytes, of a certificate, a request or a key in PEM.

    Raises:
        CertificateError: it is none of these, or not an Ed25519 key.
    """
    key = load_pem_public_key(certificates.key_in(document))
    if not isinstance(key, Ed25519PublicKey):
        raise CertificateError(
            "An identity is not an Ed25519 key; make the keys again with this version of Consilium."
        )
    return key.public_bytes_raw()


def moment(text: str, noun: str) -> datetime:
    """A time that a statement gives.

    Raises:
        SignatureError: it is no time, or has no time zone.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SignatureError(
            f"The {noun} has the time {shown(text)}; ISO 8601 in UTC is expected."
        ) from None
    if time.tzinfo is None:
        raise SignatureError(
            f"The {noun} has the time {shown(text)} without a time zone; UTC is expected."
        )
    return time


def is_text(value: object, longest: int) -> bool:
    """Whether a value is a text of at most so many characters."""
    return isinstance(value, str) and len(value) <= longest


def _decoded(signature: object, otherwise: str) -> bytes:
    if not isinstance(signature, str) or not 0 < len(signature) <= _LONGEST_SIGNATURE:
        raise SignatureError(otherwise)
    try:
        return base64.b64decode(signature, validate=True)
    except ValueError:
        raise SignatureError(otherwise) from None
