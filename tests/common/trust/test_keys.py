"""Keys: three kinds that are told apart, and no other is taken."""

from __future__ import annotations

import typing

import pytest
from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from common.errors import CertificateError
from common.trust import keys

KINDS: tuple[keys.Kind, ...] = typing.get_args(keys.Kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_key_is_of_its_kind_and_survives_its_file(kind: keys.Kind) -> None:
    document = keys.private_key(kind)
    key = keys.load_key(document)
    assert keys.kind_of(key.public_key()) == kind
    assert keys.private_pem(key) == document
    assert keys.public_bytes(document) == keys.public_pem(key.public_key())
    assert keys.public(pem.load_pem_public_key(keys.public_bytes(document))) == key.public_key()
    assert keys.private_key(kind) != document


@pytest.mark.parametrize("kind", KINDS)
def test_a_public_key_is_not_taken_for_a_private_one(kind: keys.Kind) -> None:
    document = keys.public_bytes(keys.private_key(kind))
    assert b"PRIVATE" not in document
    with pytest.raises(CertificateError, match="A private key is damaged"):
        keys.load_key(document)


@pytest.mark.parametrize("kind", KINDS)
def test_an_encrypted_key_is_refused(kind: keys.Kind) -> None:
    """A process that starts by itself has nobody to ask for a password."""
    encrypted = keys.load_key(keys.private_key(kind)).private_bytes(
        pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"password")
    )
    with pytest.raises(CertificateError, match="encrypted"):
        keys.load_key(encrypted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_cut_short_is_refused(kind: keys.Kind) -> None:
    document = keys.private_key(kind)
    for end in range(0, len(document) - len("-----\n"), 7):
        with pytest.raises(CertificateError, match="damaged"):
            keys.load_key(document[:end])


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 2048), x25519.X25519PrivateKey.generate()],
    ids=["RSA", "X25519"],
)
def test_keys_of_other_families_are_refused(
    key: rsa.RSAPrivateKey | x25519.X25519PrivateKey,
) -> None:
    document = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
    with pytest.raises(CertificateError, match="A private key is of kind"):
        keys.load_key(document)
    with pytest.raises(CertificateError, match="A public key is of kind"):
        keys.public(key.public_key())


def test_another_curve_has_no_use_here() -> None:
    assert keys.kind_of(ec.generate_private_key(ec.SECP521R1()).public_key()) is None
