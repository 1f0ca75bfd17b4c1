"""What is written into each of the consortium's certificates, and what each is good for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from common.trust import certificates, keys, x509_documents, x509_profile

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = certificates.authority("chest-4", NOW, 3650)
CLIENT = certificates.grant(
    CA, certificates.request("north", certificates.private_key("tls")), "north", "client", NOW, 365
)
KEY = keys.load_key(keys.private_key("identity"))


def issued(usage: str) -> x509.Certificate:
    issuer = x509_documents.certificate(CA.certificate)
    builder = x509_profile.leaf("north", KEY.public_key(), usage, NOW, issuer)
    return builder.not_valid_after(NOW + timedelta(days=1)).sign(KEY, None)


def test_the_profile_is_that_of_rfc_5280() -> None:
    root = x509.load_pem_x509_certificate(CA.certificate)
    basic = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical and basic.value.ca and basic.value.path_length == 0
    leaf = x509.load_pem_x509_certificate(CLIENT)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        x509.ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    with pytest.raises(x509.ExtensionNotFound):
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_leaf_signs_and_does_nothing_else() -> None:
    """No leaf signs certificates or revocations, and the authority's key signs nothing else."""
    for usage in ("client", "server", "identity"):
        allowed = issued(usage).extensions.get_extension_for_class(x509.KeyUsage)
        assert allowed.critical and allowed.value.digital_signature
        assert not (allowed.value.key_cert_sign or allowed.value.crl_sign)
    root = x509_documents.certificate(CA.certificate)
    allowed = root.extensions.get_extension_for_class(x509.KeyUsage)
    assert allowed.critical and allowed.value.key_cert_sign
    assert not allowed.value.digital_signature


def test_each_usage_is_good_for_one_purpose_and_an_identity_never_for_tls() -> None:
    """RFC 5280, 4.2.1.12: where the extension is critical, no other use is allowed."""
    purposes = {
        usage: issued(usage).extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        for usage in ("client", "server", "identity")
    }
    assert {usage: [p.dotted_string for p in e.value] for usage, e in purposes.items()} == {
        "client": ["1.3.6.1.5.5.7.3.2"],
        "server": ["1.3.6.1.5.5.7.3.1"],
        "identity": ["1.3.6.1.5.5.7.3.36"],
    }
    assert purposes["identity"].critical


def test_a_slow_clock_accepts_a_new_certificate() -> None:
    made = issued("client")
    assert made.not_valid_before_utc == NOW - timedelta(hours=1)
    assert issued("client").serial_number != made.serial_number


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("10.0.0.7", x509.IPAddress),
        ("::1", x509.IPAddress),
        ("fl.example.org", x509.DNSName),
        ("10.0.0.7.example.org", x509.DNSName),
        ("10.0.0.256", x509.DNSName),
    ],
)
def test_an_address_is_named_by_what_it_is(name: str, kind: type[x509.GeneralName]) -> None:
    """TLS looks for an IP address among the IP addresses only."""
    alternative = x509_profile.alternative(name)
    assert isinstance(alternative, kind) and str(alternative.value) == name
