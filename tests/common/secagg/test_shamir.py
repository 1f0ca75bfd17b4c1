"""Any threshold of shares give the secret, fewer leave every secret possible.

What is no share is refused.
"""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg import shamir
from common.secagg.shamir import COEFFICIENT, PRIME, SHARE, combine, split

CASE = json.loads(
    (Path(__file__).resolve().parents[2] / "vectors" / "shamir.json").read_text("utf-8")
)["cases"]
SECRET = bytes(range(1, 33))


def coefficients(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(COEFFICIENT) for number in numbers)


def through(points: dict[int, int], x: int) -> int:
    """The value at x of the polynomial through points.

    By Lagrange's formula over the rationals, then modulo the prime.
    """
    total = Fraction(0)
    for a, value in points.items():
        term = Fraction(value)
        for b in points:
            term *= Fraction(x - b, a - b) if b != a else 1
        total += term
    return total.numerator * pow(total.denominator, -1, PRIME) % PRIME


def probably_prime(number: int) -> bool:
    """Miller and Rabin's test to 30 bases."""
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in range(2, 32):
        power = pow(base, odd, number)
        if power not in (1, number - 1) and all(
            (power := power * power % number) != number - 1 for _ in range(twos - 1)
        ):
            return False
    return True


def test_the_field_is_the_smallest_above_every_secret() -> None:
    assert probably_prime(PRIME)
    assert not any(probably_prime(number) for number in range(2**256 + 1, PRIME, 2))


def test_the_textbook_example() -> None:
    shares = split(CASE["secret"].to_bytes(32), 3, 6, coefficients(*CASE["coefficients"]))
    assert [int.from_bytes(share) for share in shares] == CASE["shares"]
    for chosen in combinations(range(6), 3):
        assert int.from_bytes(combine({i + 1: shares[i] for i in chosen})) == CASE["secret"]


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(2, 12), st.integers(0, 8), st.binary(min_size=32, max_size=32))
def test_any_threshold_of_shares_is_enough(
    data: st.DataObject, threshold: int, more: int, secret: bytes
) -> None:
    count, length = threshold + more, (threshold - 1) * COEFFICIENT
    shares = split(secret, threshold, count, data.draw(st.binary(min_size=length, max_size=length)))
    chosen = data.draw(st.permutations(range(1, count + 1)))[
        : data.draw(st.integers(threshold, count))
    ]
    assert {len(share) for share in shares} == {SHARE}
    assert combine({x: shares[x - 1] for x in chosen}) == secret


@given(st.integers(0, 2**256 - 1))
def test_one_share_too_few_leaves_every_secret_possible(other: int) -> None:
    """For any other secret a polynomial of that degree goes through the shares that are held."""
    shares = split(SECRET, 3, 4, coefficients(2**380 + 7, 2**383 + 11))
    held = {x: int.from_bytes(shares[x - 1]) for x in (2, 4)}
    points = {0: other, **held}
    forged = {x: through(points, x).to_bytes(SHARE) for x in (1, 3)}
    assert combine({1: forged[1], 2: shares[1], 4: shares[3]}) == other.to_bytes(32)
    assert combine({1: forged[1], 3: forged[3], 2: shares[1]}) == other.to_bytes(32)


def test_coefficients_are_reduced() -> None:
    assert split(SECRET, 2, 3, coefficients(5 + PRIME)) == split(SECRET, 2, 3, coefficients(5))
    assert (1 << 8 * COEFFICIENT) // PRIME >= 1 << 127


@pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32])
def test_extreme_secrets(secret: bytes) -> None:
    shares = split(secret, 2, 3, b"\xff" * COEFFICIENT)
    assert combine({1: shares[0], 3: shares[2]}) == secret


@pytest.mark.parametrize(
    ("secret", "threshold", "count", "drawn"),
    [
        (bytes(31), 2, 3, COEFFICIENT),
        (bytes(33), 2, 3, COEFFICIENT),
        (bytes(32), 1, 3, 0),
        (bytes(32), 0, 3, 0),
        (bytes(32), 4, 3, 3 * COEFFICIENT),
        (bytes(32), 2, 3, 0),
        (bytes(32), 2, 3, COEFFICIENT - 1),
        (bytes(32), 2, 3, COEFFICIENT + 1),
    ],
)
def test_what_cannot_be_shared(secret: bytes, threshold: int, count: int, drawn: int) -> None:
    with pytest.raises(SecureSumError, match="32 bytes"):
        split(secret, threshold, count, bytes(drawn))


SHARES = split(SECRET, 2, 3, coefficients(5))


@pytest.mark.parametrize(
    "shares",
    [
        {},
        {0: SHARES[0], 1: SHARES[0]},
        {-1: SHARES[0], 2: SHARES[1]},
        {1: SHARES[0], PRIME: SHARES[1]},
        {1: SHARES[0], PRIME + 1: SHARES[0]},
        {1: SHARES[0], 2: SHARES[1][1:]},
        {1: SHARES[0], 2: b"\0" + SHARES[1]},
        {1: SHARES[0], 2: b""},
        {1: SHARES[0], 2: PRIME.to_bytes(SHARE)},
        {1: SHARES[0], 2: b"\xff" * SHARE},
    ],
    ids=["none", "x 0", "x -1", "x prime", "x 1 twice", "short", "long", "empty", "prime", "above"],
)
def test_what_is_no_share(shares: dict[int, bytes]) -> None:
    with pytest.raises(SecureSumError):
        combine(shares)


def test_a_result_that_is_no_secret_is_refused() -> None:
    """The line through these two shares meets zero at 2^256, which no secret of 32 bytes is."""
    shares = {x: ((2**256 + x) % PRIME).to_bytes(SHARE) for x in (1, 2)}
    with pytest.raises(SecureSumError, match="belong together"):
        combine(shares)


def test_a_wrong_share_gives_another_secret() -> None:
    wrong = (int.from_bytes(SHARES[1]) + 1).to_bytes(SHARE)
    assert combine({1: SHARES[0], 2: wrong}) != SECRET


def test_shares_are_numbered_from_one() -> None:
    """x = 0 would be the secret itself."""
    assert [
        int.from_bytes(share) - int.from_bytes(SECRET)
        for share in split(SECRET, 2, 4, coefficients(1))
    ] == [1, 2, 3, 4]
    assert shamir.combine(dict(enumerate(SHARES, 1))) == SECRET
