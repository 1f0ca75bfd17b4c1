"""The cryptography under secure sums, as functions of bytes; nothing of our own invention.

X25519, Ed25519, HKDF, AES-256-GCM and AES-256-CTR. Lengths are checked; whatever is wrong with what
came from outside is one :class:`~common.errors.SecureSumError`.
"""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from common.errors import SecureSumError

_KEY = 32
_NONCE = bytes(12)
_AES_BLOCK = 16
_LONGEST_DERIVED = 255 * 32
_LARGEST_OFFSET = 16 << 128
_ZEROS = memoryview(bytes(1 << 18))


def x25519_public(private: bytes) -> bytes:
    """The public key of a private one (RFC 7748 section 5)."""
    return (
        X25519PrivateKey.from_private_bytes(_sized(private, _KEY)).public_key().public_bytes_raw()
    )


def x25519(private: bytes, public: bytes) -> bytes:
    """The secret that two keys share (RFC 7748 section 6.1).

    Raises:
        SecureSumError: a key has another length, or the secret is zero: the public key lies in a
            small subgroup.
    """
    own = X25519PrivateKey.from_private_bytes(_sized(private, _KEY))
    peer = X25519PublicKey.from_public_bytes(_sized(public, _KEY))
    try:
        return own.exchange(peer)
    except ValueError:
        raise SecureSumError(
            "A public key in a secure sum shares a secret of zero with everybody; it is refused."
        ) from None


def check_public(public: bytes) -> None:
    """Whether an X25519 public key can be used.

    One of small order shares the secret zero with everybody (RFC 7748 section 6.1).

    Raises:
        SecureSumError: it cannot.
    """
    x25519(b"\x01" * 32, public)


def ed25519_public(seed: bytes) -> bytes:
    """The public key of a private one (RFC 8032 section 5.1.5)."""
    return Ed25519PrivateKey.from_private_bytes(_sized(seed, _KEY)).public_key().public_bytes_raw()


def sign(seed: bytes, message: bytes) -> bytes:
    """An Ed25519 signature, 64 bytes (RFC 8032 section 5.1.6)."""
    return Ed25519PrivateKey.from_private_bytes(_sized(seed, _KEY)).sign(message)


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature is good (RFC 8032 section 5.1.7).

    One of another length than 64 bytes is not.

    Raises:
        SecureSumError: the public key has another length than 32 bytes.
    """
    try:
        Ed25519PublicKey.from_public_bytes(_sized(public, _KEY)).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    """A key from a secret, with SHA-256 (RFC 5869).

    Raises:
        SecureSumError: the length is below 1 or above 255 hashes.
    """
    if not 1 <= length <= _LONGEST_DERIVED:
        raise SecureSumError(
            f"A key of {length} bytes is asked for; HKDF-SHA256 gives 1 to {_LONGEST_DERIVED}."
        )
    return HKDF(SHA256(), length, salt, info).derive(secret)


def seal(key: bytes, plain: bytes, associated: bytes) -> bytes:
    """AES-256-GCM (NIST SP 800-38D) under a key that seals this one message."""
    # The nonce may therefore be fixed; a second message under the key would break both.
    return AESGCM(_sized(key, _KEY)).encrypt(_NONCE, plain, associated)


def open_sealed(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    """What was sealed.

    Raises:
        SecureSumError: it was sealed with another key, for another purpose, or was changed; which
            of these is not told.
    """
    try:
        return AESGCM(_sized(key, _KEY)).decrypt(_NONCE, sealed, associated)
    except (InvalidTag, ValueError):
        raise SecureSumError("Sealed shares do not open.") from None


class Keystream:
    """AES-256 in counter mode from counter zero (NIST SP 800-38A section 6.5).

    A seed gives the same bytes whether they are read at once or in parts.

    Args:
        seed: 32 bytes that nothing else is made with.
        offset: byte of the stream to begin at, a multiple of 16 below 2^132, where the counter
            ends.

    Raises:
        SecureSumError: the seed or the offset is none.
    """

    def __init__(self, seed: bytes, offset: int = 0) -> None:
        if offset % _AES_BLOCK or not 0 <= offset < _LARGEST_OFFSET:
            raise SecureSumError(
                f"A keystream begins at a multiple of {_AES_BLOCK} bytes below 2^132; {offset} is "
                "asked for."
            )
        counter = (offset // _AES_BLOCK).to_bytes(_AES_BLOCK, "big")
        self._cipher = Cipher(algorithms.AES256(_sized(seed, _KEY)), modes.CTR(counter)).encryptor()

    def into(self, out: Any) -> None:
        """Overwrite ``out`` (writable bytes) with the stream's next bytes."""
        view = memoryview(out).cast("B")
        for start in range(0, len(view), len(_ZEROS)):
            part = view[start : start + len(_ZEROS)]
            self._cipher.update_into(_ZEROS[: len(part)], part)


def _sized(value: bytes, length: int) -> bytes:
    if len(value) != length:
        raise SecureSumError(
            f"A key in a secure sum has {len(value)} bytes; {length} are expected."
        )
    return value
