"""The consortium's certificates: one authority and what it certifies, as PEM bytes.

Time is passed in (UTC). TLS keys are ECDSA P-256, keys that sign studies or speak for a hospital
Ed25519; what a certificate says beyond its key stands in ``common/trust/x509_profile.py``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import CertificateError
from common.study.config import shown
from common.trust import x509_documents, x509_profile
from common.trust.keys import (
    UNREADABLE,
    Kind,
    PublicKey,
    kind_of,
    load_key,
    private_key,
    private_pem,
    public,
    public_bytes,
    public_pem,
)

__all__ = [
    "Credential",
    "Details",
    "Kind",
    "authority",
    "check",
    "check_authority",
    "check_key",
    "details",
    "grant",
    "key_in",
    "load_key",
    "private_key",
    "public_bytes",
    "request",
    "server",
    "signer",
]

Usage = Literal["client", "identity"]

COORDINATOR = "coordinator"
SERVER = "server"
ROSTER = "roster"
RESERVED = (COORDINATOR, SERVER, ROSTER)
"""Names that no hospital may have: certificates carry them."""
_NEEDED: dict[Usage, Kind] = {"client": "tls", "identity": "identity"}


@dataclass(frozen=True)
class Credential:
    """A certificate and its unencrypted PKCS8 key, both PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Credential(certificate=..., key=...)"


class Details(TypedDict):
    """What a certificate says; ``serial`` and ``sha256`` (of the DER form) in lower-case hex."""

    name: str
    not_before: datetime
    not_after: datetime
    serial: str
    sha256: str


def authority(name: str, now: datetime, days: int) -> Credential:
    """A new consortium's own authority; it certifies holders of keys, never another authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509_profile.root(name, key.public_key(), now, days)
    return Credential(x509_documents.pem_form(builder.sign(key, hashes.SHA256())), private_pem(key))


def server(ca: Credential, address: str, now: datetime, days: int) -> Credential:
    """TLS certificate of the coordinator's public address, also valid on its own loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = dict.fromkeys((address.lower(), "localhost", "127.0.0.1"))
    alternatives = x509.SubjectAlternativeName([x509_profile.alternative(name) for name in names])
    return Credential(
        _issue(
            ca,
            name=SERVER,
            public=key.public_key(),
            usage="server",
            now=now,
            days=days,
            names=alternatives,
        ),
        private_pem(key),
    )


def signer(ca: Credential, name: str, now: datetime, days: int) -> Credential:
    """A new Ed25519 key that signs studies, and its certificate."""
    key = Ed25519PrivateKey.generate()
    certificate = _issue(
        ca, name=name, public=key.public_key(), usage="identity", now=now, days=days
    )
    return Credential(certificate, private_pem(key))


def request(name: str, key_pem: bytes) -> bytes:
    """A certificate request (PKCS #10, PEM).

    It holds the name asked for and the public key; its signature proves the private one.
    """
    key = load_key(key_pem)
    # Ed25519 hashes by itself and takes no hash function (RFC 8410).
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509_profile.subject(name))
    return builder.sign(
        key, None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256()
    ).public_bytes(pem.Encoding.PEM)


def grant(ca: Credential, csr: bytes, name: str, usage: Usage, now: datetime, days: int) -> bytes:
    """A certificate (PEM) for a request; nothing of the request but its key is taken over.

    Raises:
        CertificateError: the request is damaged, asks for another name or has the wrong kind of
            key; the authority has expired.
    """
    if name.lower() in RESERVED:
        raise CertificateError(
            f"A hospital cannot be called {shown(name)}; the coordinator's own certificates have "
            "that name."
        )
    signing_request = x509_documents.request(csr)
    if not signing_request.is_signature_valid:
        raise CertificateError(
            "The certificate request is not signed by its own key; make a new one."
        )
    asked = x509_documents.common_name(signing_request.subject)
    if asked != name:
        raise CertificateError(
            f"The certificate request asks for {shown(asked)}; only "
            f"{shown(name)} may be asked for here."
        )
    key = public(signing_request.public_key())
    if kind_of(key) != _NEEDED[usage]:
        raise CertificateError(
            f"The certificate request has a key of the wrong kind for {usage}; make a new one "
            "with this version of Consilium."
        )
    return _issue(ca, name=name, public=key, usage=usage, now=now, days=days)


def check(certificate: bytes, ca: bytes, name: str | None, now: datetime) -> None:
    """Whether a certificate is the consortium's, for ``name`` (any, if None), and valid now.

    Raises:
        CertificateError: it is not, with the reason.
    """
    leaf = x509_documents.certificate(certificate)
    root = x509_documents.certificate(ca)
    whose = shown(x509_documents.common_name(leaf.subject))
    try:
        leaf.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError(
            f"The certificate of {whose} was not issued by this consortium; use the one that came "
            "with its kit."
        ) from None
    # An authority's own certificate passes the signature check too; it speaks for no hospital.
    if x509_documents.is_authority(leaf):
        raise CertificateError(
            f"The certificate of {whose} is an authority's; give that of a hospital or of the "
            "coordinator."
        )
    _in_force(root, "the consortium's authority", now)
    _in_force(leaf, whose, now)
    if name is not None and name.lower() not in (n.lower() for n in x509_documents.names(leaf)):
        raise CertificateError(
            f"The certificate was made for {whose}; {shown(name)} is needed here."
        )


def check_authority(ca: bytes, now: datetime) -> None:
    """Whether this is an authority's own certificate, valid now.

    Raises:
        CertificateError: it is not, with the reason.
    """
    root = x509_documents.certificate(ca)
    try:
        root.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError(
            "The consortium's certificate is not signed by itself; ask the coordinator for a new "
            "kit."
        ) from None
    if not x509_documents.is_authority(root):
        raise CertificateError(
            "The consortium's certificate is not an authority's; ask the coordinator for a new kit."
        )
    _in_force(root, "the consortium's authority", now)


def details(certificate: bytes) -> Details:
    """What a certificate says about itself; check it first."""
    parsed = x509_documents.certificate(certificate)
    return {
        "name": x509_documents.common_name(parsed.subject),
        "not_before": parsed.not_valid_before_utc,
        "not_after": parsed.not_valid_after_utc,
        "serial": f"{parsed.serial_number:x}",
        "sha256": hashlib.sha256(parsed.public_bytes(pem.Encoding.DER)).hexdigest(),
    }


def key_in(document: bytes) -> bytes:
    """The public key of a certificate, a request or a key file, always in the same PEM form.

    Raises:
        CertificateError: it is none of these.
    """
    if b"CERTIFICATE REQUEST" in document:
        return public_pem(public(x509_documents.request(document).public_key()))
    if b"BEGIN CERTIFICATE" in document:
        return public_pem(public(x509_documents.certificate(document).public_key()))
    try:
        return public_pem(public(pem.load_pem_public_key(document)))
    except UNREADABLE:
        raise CertificateError("A public key is damaged or not PEM; make the keys again.") from None


def check_key(document: bytes, kind: Kind) -> None:
    """Whether the public key in a certificate, request or public key file is of this kind.

    Raises:
        CertificateError: it is not.
    """
    if kind_of(public(pem.load_pem_public_key(key_in(document)))) != kind:
        raise CertificateError(
            f"A public key is of the wrong kind for {kind}; make the keys again with this version "
            "of Consilium."
        )


def _issue(
    ca: Credential,
    name: str,
    public: PublicKey,
    usage: str,
    now: datetime,
    days: int,
    names: x509.SubjectAlternativeName | None = None,
) -> bytes:
    root = x509_documents.certificate(ca.certificate)
    key = load_key(ca.key)
    _in_force(root, "the consortium's authority", now)
    # No certificate outlives its authority: it could not be checked then.
    until = min(now + timedelta(days=days), root.not_valid_after_utc)
    builder = x509_profile.leaf(
        name, key=public, usage=usage, now=now, issuer=root
    ).not_valid_after(until)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
        critical=False,
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return x509_documents.pem_form(builder.sign(key, hashes.SHA256()))


def _in_force(certificate: x509.Certificate, whose: str, now: datetime) -> None:
    first = certificate.not_valid_before_utc
    last = certificate.not_valid_after_utc
    if now > last:
        raise CertificateError(
            f"The certificate of {whose} expired on {last:%Y-%m-%d %H:%M} UTC; ask the "
            "coordinator for a new kit."
        )
    if now < first:
        raise CertificateError(
            f"The certificate of {whose} is not valid before {first:%Y-%m-%d %H:%M} UTC; check "
            "this machine's clock."
        )
