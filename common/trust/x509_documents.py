"""What X.509 certificates and certificate requests say, read from PEM and written as PEM."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from common.errors import CertificateError
from common.trust.keys import UNREADABLE


def certificate(document: bytes) -> x509.Certificate:
    """The certificate in PEM.

    Raises:
        CertificateError: it is damaged or not PEM.
    """
    try:
        return x509.load_pem_x509_certificate(document)
    except UNREADABLE:
        raise CertificateError(
            "A certificate is damaged or not PEM; take it from the kit again."
        ) from None


def request(document: bytes) -> x509.CertificateSigningRequest:
    """The certificate request in PEM (PKCS #10).

    Raises:
        CertificateError: it is damaged or not PEM.
    """
    try:
        return x509.load_pem_x509_csr(document)
    except UNREADABLE:
        raise CertificateError(
            "A certificate request is damaged or not PEM; make a new one."
        ) from None


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether a certificate may certify others (RFC 5280, 4.2.1.9)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def names(certificate: x509.Certificate) -> list[str]:
    """Common name and alternative names (host names and addresses) of a certificate."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        ).value
    except x509.ExtensionNotFound:
        return [common_name(certificate.subject)]
    return [common_name(certificate.subject), *(str(name.value) for name in alternatives)]


def common_name(subject: x509.Name) -> str:
    """The one common name of a subject; empty if it has none or several."""
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def pem_form(certificate: x509.Certificate) -> bytes:
    """A certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM)
