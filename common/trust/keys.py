"""The keys of the consortium, as PEM outside and as objects inside.

ECDSA P-256 for TLS, ECDSA P-384 for a Flower node, Ed25519 for signatures.
"""

from __future__ import annotations

from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from common.errors import CertificateError

Kind = Literal["tls", "node", "identity"]
PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | Ed25519PublicKey
UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion)
"""What the cryptography package raises for a damaged document."""
_CURVES: dict[Kind, type[ec.EllipticCurve]] = {"tls": ec.SECP256R1, "node": ec.SECP384R1}


def private_key(kind: Kind) -> bytes:
    """A new key as PEM PKCS8: "tls" P-256, "node" P-384, "identity" Ed25519."""
    return private_pem(
        Ed25519PrivateKey.generate()
        if kind == "identity"
        else ec.generate_private_key(_CURVES[kind]())
    )


def public_bytes(key_pem: bytes) -> bytes:
    """The public part of a private key as PEM SubjectPublicKeyInfo."""
    return public_pem(load_key(key_pem).public_key())


def load_key(key_pem: bytes) -> PrivateKey:
    """The key object of a PEM PKCS8 file.

    Raises:
        CertificateError: it is damaged, encrypted or of another kind.
    """
    try:
        key = pem.load_pem_private_key(key_pem, None)
    except UNREADABLE:
        raise CertificateError(
            "A private key is damaged, encrypted or not PEM; restore it from a backup."
        ) from None
    if not isinstance(key, PrivateKey):
        raise CertificateError(
            f"A private key is of kind {type(key).__name__}; ECDSA and Ed25519 keys are used here."
        )
    return key


def public(key: object) -> PublicKey:
    """``key`` if it is of a kind used here.

    Raises:
        CertificateError: it is not.
    """
    if isinstance(key, PublicKey):
        return key
    raise CertificateError(
        f"A public key is of kind {type(key).__name__}; ECDSA and Ed25519 keys are used here."
    )


def kind_of(key: PublicKey) -> Kind | None:
    """What a public key can be used for here."""
    if isinstance(key, Ed25519PublicKey):
        return "identity"
    return next((kind for kind, curve in _CURVES.items() if isinstance(key.curve, curve)), None)


def public_pem(key: PublicKey) -> bytes:
    """PEM SubjectPublicKeyInfo."""
    return key.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: PrivateKey) -> bytes:
    """PEM PKCS8, unencrypted."""
    return key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
