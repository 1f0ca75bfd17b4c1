"""The consortium's certificates: one authority and what it certifies, as PEM bytes.

Time is passed in (UTC).

Profile: X.509 v3, RFC 5280. TLS keys are ECDSA P-256, node keys ECDSA P-384, keys that sign studies
or speak for a hospital Ed25519. These last are certified for signing documents (RFC 9336) and
therefore useless for TLS.
"""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypedDict

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from common.errors import CertificateError
from common.study.config import shown
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

COORDINATOR, SERVER, ROSTER = "coordinator", "server", "roster"
RESERVED = (COORDINATOR, SERVER, ROSTER)
"""Names that no hospital may have: certificates carry them."""
_NEEDED: dict[Usage, Kind] = {"client": "tls", "identity": "identity"}
_DOCUMENTS = ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # id-kp-documentSigning, RFC 9336 section 3
_PURPOSE = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "identity": _DOCUMENTS,
}
_SLOW_CLOCKS = timedelta(hours=1)
"""A certificate is valid from an hour before it is made: clocks differ."""


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
    builder = (
        _builder(name, key.public_key(), now)
        .issuer_name(_subject(name))
        .not_valid_after(now + timedelta(days=days))
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    return Credential(_pem(builder.sign(key, hashes.SHA256())), private_pem(key))


def server(ca: Credential, address: str, now: datetime, days: int) -> Credential:
    """TLS certificate of the coordinator's public address, also valid on its own loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = dict.fromkeys((address.lower(), "localhost", "127.0.0.1"))
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    return Credential(
        _issue(ca, SERVER, key.public_key(), "server", now, days, alternatives), private_pem(key)
    )


def signer(ca: Credential, name: str, now: datetime, days: int) -> Credential:
    """A new Ed25519 key that signs studies, and its certificate."""
    key = Ed25519PrivateKey.generate()
    return Credential(_issue(ca, name, key.public_key(), "identity", now, days), private_pem(key))


def request(name: str, key_pem: bytes) -> bytes:
    """A certificate request (PKCS #10, PEM).

    The name asked for, the public key, and a signature that proves the private one.
    """
    key = load_key(key_pem)
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(name))
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
    found = _request(csr)
    if not found.is_signature_valid:
        raise CertificateError(
            "The certificate request is not signed by its own key; make a new one."
        )
    if _common_name(found.subject) != name:
        raise CertificateError(
            f"The certificate request asks for {shown(_common_name(found.subject))}; only "
            f"{shown(name)} may be asked for here."
        )
    key = public(found.public_key())
    if kind_of(key) != _NEEDED[usage]:
        raise CertificateError(
            f"The certificate request has a key of the wrong kind for {usage}; make a new one "
            "with this version of Consilium."
        )
    return _issue(ca, name, key, usage, now, days)


def check(certificate: bytes, ca: bytes, name: str | None, now: datetime) -> None:
    """Whether a certificate is the consortium's, for ``name`` (any, if None), and valid now.

    Raises:
        CertificateError: it is not, with the reason.
    """
    leaf, root = _certificate(certificate), _certificate(ca)
    whose = shown(_common_name(leaf.subject))
    try:
        leaf.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError(
            f"The certificate of {whose} was not issued by this consortium; use the one that came "
            "with its kit."
        ) from None
    if _is_authority(leaf):
        raise CertificateError(
            f"The certificate of {whose} is an authority's; give that of a hospital or of the "
            "coordinator."
        )
    _in_force(root, "the consortium's authority", now)
    _in_force(leaf, whose, now)
    if name is not None and name.lower() not in (n.lower() for n in _names(leaf)):
        raise CertificateError(
            f"The certificate was made for {whose}; {shown(name)} is needed here."
        )


def check_authority(ca: bytes, now: datetime) -> None:
    """Whether this is an authority's own certificate, valid now.

    Raises:
        CertificateError: it is not, with the reason.
    """
    root = _certificate(ca)
    try:
        root.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        raise CertificateError(
            "The consortium's certificate is not signed by itself; ask the coordinator for a new "
            "kit."
        ) from None
    if not _is_authority(root):
        raise CertificateError(
            "The consortium's certificate is not an authority's; ask the coordinator for a new kit."
        )
    _in_force(root, "the consortium's authority", now)


def details(certificate: bytes) -> Details:
    """What a certificate says about itself; check it first."""
    found = _certificate(certificate)
    return {
        "name": _common_name(found.subject),
        "not_before": found.not_valid_before_utc,
        "not_after": found.not_valid_after_utc,
        "serial": f"{found.serial_number:x}",
        "sha256": hashlib.sha256(found.public_bytes(pem.Encoding.DER)).hexdigest(),
    }


def key_in(document: bytes) -> bytes:
    """The public key of a certificate, a request or a key file, always in the same PEM form.

    Raises:
        CertificateError: it is none of these.
    """
    if b"CERTIFICATE REQUEST" in document:
        return public_pem(public(_request(document).public_key()))
    if b"BEGIN CERTIFICATE" in document:
        return public_pem(public(_certificate(document).public_key()))
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
    root, key = _certificate(ca.certificate), load_key(ca.key)
    _in_force(root, "the consortium's authority", now)
    until = min(now + timedelta(days=days), root.not_valid_after_utc)
    builder = _builder(name, public, now).issuer_name(root.subject).not_valid_after(until)
    builder = builder.add_extension(
        x509.BasicConstraints(ca=False, path_length=None), critical=True
    )
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(
        x509.ExtendedKeyUsage([_PURPOSE[usage]]), critical=usage == "identity"
    )
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(load_key(ca.key).public_key()),
        critical=False,
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return _pem(builder.sign(key, hashes.SHA256()))


def _builder(name: str, public: PublicKey, now: datetime) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_subject(name))
        .public_key(public)
        .serial_number(x509.random_serial_number())
    )
    builder = builder.add_extension(
        x509.SubjectKeyIdentifier.from_public_key(public), critical=False
    )
    return builder.not_valid_before(now - _SLOW_CLOCKS)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    others = (
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        **dict.fromkeys(others, False),
    )


def _in_force(certificate: x509.Certificate, whose: str, now: datetime) -> None:
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
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


def _certificate(document: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(document)
    except UNREADABLE:
        raise CertificateError(
            "A certificate is damaged or not PEM; take it from the kit again."
        ) from None


def _request(document: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(document)
    except UNREADABLE:
        raise CertificateError(
            "A certificate request is damaged or not PEM; make a new one."
        ) from None


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [_common_name(certificate.subject)]
    return [_common_name(certificate.subject), *(str(name.value) for name in found)]


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _common_name(subject: x509.Name) -> str:
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(pem.Encoding.PEM)
