"""What the consortium's authority certifies, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from common.errors import CertificateError, InputError
from common.trust import certificates
from common.trust.certificates import Credential

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = certificates.authority("chest-4", NOW, 3650)
TLS = certificates.private_key("tls")
IDENTITY = certificates.private_key("identity")


def client(name: str = "north", ca: Credential = CA, days: int = 365) -> bytes:
    return certificates.grant(ca, certificates.request(name, TLS), name, "client", NOW, days)


def test_what_is_granted_passes_the_check() -> None:
    certificate = client()
    certificates.check(certificate, CA.certificate, "north", NOW)
    certificates.check(certificate, CA.certificate, "NORTH", NOW)
    certificates.check(certificate, CA.certificate, None, NOW)
    assert certificates.details(certificate)["name"] == "north"
    assert certificates.details(certificate)["not_after"] == NOW + timedelta(days=365)
    assert certificates.key_in(certificate) == certificates.public_bytes(TLS)


def test_the_servers_certificate_serves_its_address_and_loopback() -> None:
    made = certificates.server(CA, "FL.example.org", NOW, 30)
    for name in ("fl.example.org", "localhost", "127.0.0.1"):
        certificates.check(made.certificate, CA.certificate, name, NOW)
    with pytest.raises(
        CertificateError, match=r"made for \"server\"; \"other.example.org\" is needed"
    ):
        certificates.check(made.certificate, CA.certificate, "other.example.org", NOW)
    names = x509.load_pem_x509_certificate(certificates.server(CA, "10.0.0.7", NOW, 30).certificate)
    assert [
        str(n.value)
        for n in names.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ] == [
        "10.0.0.7",
        "localhost",
        "127.0.0.1",
    ]


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (366, "expired on 2027-03-01 12:00 UTC; ask"),
        (-1, "not valid before 2026-03-01 11:00 UTC; check this machine's clock"),
    ],
)
def test_out_of_time(days: int, words: str) -> None:
    with pytest.raises(CertificateError, match=words):
        certificates.check(client(), CA.certificate, "north", NOW + timedelta(days=days))


def test_no_certificate_outlives_the_authority() -> None:
    short = certificates.authority("chest-4", NOW, 10)
    certificate = client(ca=short)
    assert certificates.details(certificate)["not_after"] == NOW + timedelta(days=10)
    with pytest.raises(CertificateError, match=r"the consortium's authority expired on 2026-03-11"):
        certificates.grant(
            short,
            certificates.request("north", TLS),
            "north",
            "client",
            NOW + timedelta(days=11),
            5,
        )


def test_a_foreign_certificate_is_refused_even_from_an_authority_of_the_same_name() -> None:
    other = certificates.authority("chest-4", NOW, 3650)
    with pytest.raises(CertificateError, match=r"\"north\" was not issued by this consortium"):
        certificates.check(client(ca=other), CA.certificate, "north", NOW)


def test_an_authoritys_certificate_is_nobodys() -> None:
    with pytest.raises(CertificateError, match=r"is an authority's"):
        certificates.check(CA.certificate, CA.certificate, None, NOW)
    with pytest.raises(CertificateError, match="not signed by itself"):
        certificates.check_authority(client(), NOW)
    certificates.check_authority(CA.certificate, NOW)


def test_a_changed_certificate_is_refused() -> None:
    der = bytearray(
        x509.load_pem_x509_certificate(client()).public_bytes(serialization.Encoding.DER)
    )
    der[-1] ^= 1
    changed = x509.load_der_x509_certificate(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertificateError, match="not issued by this consortium"):
        certificates.check(changed, CA.certificate, None, NOW)


def test_requests_that_are_refused() -> None:
    def ask(csr: bytes, name: str = "north", usage: certificates.Usage = "client") -> None:
        certificates.grant(CA, csr, name, usage, NOW, 365)

    with pytest.raises(CertificateError, match=r"asks for \"south\"; only \"north\""):
        ask(certificates.request("south", TLS))
    with pytest.raises(CertificateError, match="wrong kind for client"):
        ask(certificates.request("north", IDENTITY))
    with pytest.raises(CertificateError, match="wrong kind for identity"):
        ask(certificates.request("north", TLS), usage="identity")
    with pytest.raises(CertificateError, match="wrong kind for client"):
        ask(certificates.request("north", certificates.private_key("node")))
    with pytest.raises(CertificateError, match='cannot be called "Coordinator"'):
        ask(certificates.request("Coordinator", TLS), "Coordinator")
    with pytest.raises(CertificateError, match='cannot be called "roster"'):
        ask(certificates.request("roster", TLS), "roster")
    with pytest.raises(CertificateError, match="damaged or not PEM"):
        ask(b"nonsense")


def test_a_request_must_be_signed_by_its_own_key() -> None:
    der = bytearray(
        x509.load_pem_x509_csr(certificates.request("north", IDENTITY)).public_bytes(
            serialization.Encoding.DER
        )
    )
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertificateError, match="not signed by its own key"):
        certificates.grant(CA, forged, "north", "identity", NOW, 365)


def test_kinds_of_keys() -> None:
    for kind in ("tls", "node", "identity"):
        public = certificates.public_bytes(certificates.private_key(kind))
        certificates.check_key(public, kind)
        assert certificates.key_in(public) == public
        with pytest.raises(CertificateError, match="wrong kind"):
            certificates.check_key(public, "node" if kind != "node" else "tls")


@pytest.mark.parametrize(
    "call", [certificates.public_bytes, certificates.key_in, certificates.details]
)
def test_damaged_documents(call: object) -> None:
    for document in (
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"\xff\x00",
    ):
        with pytest.raises(CertificateError, match="damaged"):
            call(document)  # type: ignore[operator]


def test_a_fault_of_a_certificate_is_a_fault_of_the_input() -> None:
    assert issubclass(CertificateError, InputError)
    assert b"PRIVATE" not in repr(CA).encode()
