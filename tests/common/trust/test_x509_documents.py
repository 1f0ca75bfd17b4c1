"""Certificates and requests are read as what they are; what is damaged is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from common.errors import CertificateError
from common.trust import certificates, x509_documents

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = certificates.authority("chest-4", NOW, 3650)
SERVER = certificates.server(CA, "FL.example.org", NOW, 30).certificate
REQUEST = certificates.request("north", certificates.private_key("tls"))
CLIENT = certificates.grant(CA, REQUEST, "north", "client", NOW, 30)


def test_a_certificate_survives_its_file() -> None:
    for document in (CA.certificate, SERVER, CLIENT):
        assert x509_documents.pem_form(x509_documents.certificate(document)) == document


def test_who_is_an_authority() -> None:
    documents = (CA.certificate, SERVER, CLIENT)
    authorities = [
        x509_documents.is_authority(x509_documents.certificate(one)) for one in documents
    ]
    assert authorities == [True, False, False]


def test_every_name_of_a_certificate_counts() -> None:
    names = x509_documents.names(x509_documents.certificate(SERVER))
    assert [name.lower() for name in names] == [
        "server",
        "fl.example.org",
        "localhost",
        "127.0.0.1",
    ]
    assert x509_documents.names(x509_documents.certificate(CLIENT)) == ["north"]


def test_a_subject_with_two_names_is_nobody_s() -> None:
    """Whoever reads the first and whoever reads the last would take it for different holders."""
    one, other = (x509.NameAttribute(NameOID.COMMON_NAME, name) for name in ("north", "south"))
    country = x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")
    assert x509_documents.common_name(x509.Name([country, one])) == "north"
    assert x509_documents.common_name(x509.Name([one, other])) == ""
    assert x509_documents.common_name(x509.Name([country])) == ""


@pytest.mark.parametrize(
    ("read", "document", "words"),
    [
        (x509_documents.certificate, CLIENT, "A certificate is damaged or not PEM"),
        (x509_documents.request, REQUEST, "A certificate request is damaged or not PEM"),
    ],
    ids=["certificate", "request"],
)
def test_what_is_cut_short_or_of_the_other_kind_is_refused(
    read: Callable[[bytes], object], document: bytes, words: str
) -> None:
    read(document)
    cuts = [document[:end] for end in range(0, len(document) - len("-----\n"), 31)]
    for damaged in (*cuts, b"\xff\x00", REQUEST if document == CLIENT else CLIENT):
        with pytest.raises(CertificateError, match=words):
            read(damaged)
