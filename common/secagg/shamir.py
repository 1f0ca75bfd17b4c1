"""Shamir's secret sharing (1979): a threshold of shares give the secret, fewer say nothing."""

from __future__ import annotations

from collections.abc import Mapping

from common.errors import SecureSumError

PRIME = 2**256 + 297
"""Size of the field: the smallest prime above 2^256, so that any 32 bytes are an element."""
COEFFICIENT = 48
"""Random bytes for a coefficient: modulo the prime they are even but for a bias below 2^-127."""
SHARE = 33
"""Bytes of a share, big-endian."""
_SECRET = 32
_LEAST_THRESHOLD = 2


def split(secret: bytes, threshold: int, count: int, coefficients: bytes) -> tuple[bytes, ...]:
    """Shares for x = 1 to ``count``.

    Args:
        secret: 32 bytes.
        threshold: so many shares give it back.
        count: number of shares.
        coefficients: ``(threshold - 1) * 48`` random bytes, drawn for this secret alone.

    Raises:
        SecureSumError: a length or number does not fit, or the threshold is 1, where every share is
            the secret.
    """
    if (
        len(secret) != _SECRET
        or not _LEAST_THRESHOLD <= threshold <= count
        or len(coefficients) != (threshold - 1) * COEFFICIENT
    ):
        raise SecureSumError(
            "A secret of 32 bytes is shared with 2 <= threshold <= count and 48 random bytes for "
            "each further coefficient."
        )
    drawn = [
        int.from_bytes(coefficients[i : i + COEFFICIENT]) % PRIME
        for i in range(0, len(coefficients), COEFFICIENT)
    ]
    polynomial = [*reversed(drawn), int.from_bytes(secret)]
    return tuple(_value(polynomial, x).to_bytes(SHARE) for x in range(1, count + 1))


def combine(shares: Mapping[int, bytes]) -> bytes:
    """The secret from shares by their x, by Lagrange's formula at 0.

    Raises:
        SecureSumError: there is none, one is no element of the field, or they are not shares of a
            32-byte secret.
    """
    if not shares or any(not 1 <= x < PRIME for x in shares):
        raise SecureSumError("A secret is put together from one share or more, with x from 1 on.")
    values = {x: int.from_bytes(share) for x, share in shares.items()}
    if any(len(share) != SHARE for share in shares.values()) or any(
        value >= PRIME for value in values.values()
    ):
        raise SecureSumError("A share is not an element of the field.")
    total = 0
    for x, value in values.items():
        above = below = 1
        for other in values:
            if other != x:
                above = above * other % PRIME
                below = below * (other - x) % PRIME
        total += value * above * pow(below, -1, PRIME)
    secret = total % PRIME
    # The field is a little larger than 2^256: a sum above is no secret that was ever shared.
    if secret >> 256:
        raise SecureSumError("The shares do not belong together.")
    return secret.to_bytes(_SECRET)


def _value(polynomial: list[int], x: int) -> int:
    value = 0
    # Horner's scheme, the highest power first.
    for coefficient in polynomial:
        value = (value * x + coefficient) % PRIME
    return value
