"""The X.509 profile of the consortium: what is written into each of its certificates (RFC 5280).

Keys that sign documents get the extended key usage of RFC 9336 and are therefore useless for TLS.
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from common.trust.keys import PublicKey

# id-kp-documentSigning, RFC 9336 section 3; the library has no name for it.
_DOCUMENTS = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
_PURPOSE = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
    "identity": _DOCUMENTS,
}
_SLOW_CLOCKS = timedelta(hours=1)
"""A certificate is valid from an hour before it is made: clocks differ."""


def root(name: str, key: PublicKey, now: datetime, days: int) -> x509.CertificateBuilder:
    """The authority's own certificate, unsigned; path length 0: it certifies no other authority."""
    return (
        _builder(name, key, now)
        .issuer_name(subject(name))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
    )


def leaf(
    name: str, key: PublicKey, usage: str, now: datetime, issuer: x509.Certificate
) -> x509.CertificateBuilder:
    """The certificate of a holder of a key, unsigned and still without an end of validity."""
    return (
        _builder(name, key, now)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_PURPOSE[usage]]), critical=usage == "identity")
    )


def _builder(name: str, public: PublicKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject(name))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLOW_CLOCKS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    unused = (
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
        **dict.fromkeys(unused, False),
    )


def alternative(name: str) -> x509.GeneralName:
    """An address as a subject alternative name: by its IP address or its host name."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def subject(name: str) -> x509.Name:
    """A distinguished name of the common name alone."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
