"""The primitives against public vectors and against what must be refused.

Vectors: RFC 5869, RFC 7748, RFC 8032, NIST SP 800-38A, GCM.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import SecureSumError
from common.secagg import primitives, shamir
from common.secagg.primitives import Keystream

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
NIST_GCM = "ciphers/AES/GCM/gcmEncryptExtIV256.rsp"
SEED = bytes(range(32))


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["cases"]


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


X = vectors("x25519")
COMPOSITE = vectors("composite")


def aes(key: bytes, blocks: bytes) -> bytes:
    return Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update(blocks)


def stream(seed: bytes, length: int, offset: int = 0) -> bytes:
    out = bytearray(length)
    Keystream(seed, offset).into(out)
    return bytes(out)


def counted(key: bytes, start: int, length: int) -> bytes:
    """Counter mode written out: AES of one counter after the other."""
    counters = b"".join(((start + i) % 2**128).to_bytes(16, "big") for i in range(-(-length // 16)))
    return aes(key, counters)[:length]


@pytest.mark.parametrize("case", X["single"], ids=lambda c: c["scalar"][:8])
def test_x25519_single(case: dict[str, str]) -> None:
    assert primitives.x25519(raw(case["scalar"]), raw(case["u"])).hex() == case["output"]


@pytest.mark.parametrize("case", X["iterated"], ids=lambda c: str(c["times"]))
def test_x25519_iterated(case: dict[str, Any]) -> None:
    scalar = point = (9).to_bytes(32, "little")
    for _ in range(case["times"]):
        scalar, point = primitives.x25519(scalar, point), scalar
    assert scalar.hex() == case["output"]


def test_x25519_agreement() -> None:
    both = {name: raw(text) for name, text in X["agreement"].items()}
    for one, other in (("alice", "bob"), ("bob", "alice")):
        assert primitives.x25519_public(both[f"{one}_private"]) == both[f"{one}_public"]
        assert primitives.x25519(both[f"{one}_private"], both[f"{other}_public"]) == both["shared"]


@pytest.mark.parametrize("point", X["low_order"])
def test_a_secret_of_zero_is_refused(point: str) -> None:
    with pytest.raises(SecureSumError, match="zero"):
        primitives.x25519(SEED, raw(point))


@pytest.mark.parametrize("case", vectors("ed25519"), ids=lambda c: c["seed"][:8])
def test_ed25519(case: dict[str, str]) -> None:
    seed, public, message, signature = (
        raw(case[k]) for k in ("seed", "public", "message", "signature")
    )
    assert primitives.ed25519_public(seed) == public
    assert primitives.sign(seed, message) == signature
    assert primitives.verify(public, signature, message)
    assert not primitives.verify(public, signature, message + b"\0")
    assert not primitives.verify(public, signature[:-1] + bytes([signature[-1] ^ 1]), message)
    assert not primitives.verify(primitives.ed25519_public(SEED), signature, message)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_is_not_good(length: int) -> None:
    assert not primitives.verify(primitives.ed25519_public(SEED), bytes(length), b"")


@pytest.mark.parametrize("case", vectors("hkdf"), ids=lambda c: str(c["length"]))
def test_hkdf(case: dict[str, Any]) -> None:
    assert (
        primitives.hkdf(
            raw(case["secret"]), raw(case["salt"]), raw(case["info"]), case["length"]
        ).hex()
        == case["key"]
    )


@pytest.mark.parametrize("length", [-1, 0, 255 * 32 + 1])
def test_hkdf_of_a_length_that_it_does_not_give(length: int) -> None:
    with pytest.raises(SecureSumError, match="HKDF"):
        primitives.hkdf(SEED, b"", b"", length)


@pytest.mark.parametrize("case", vectors("aes256_gcm"), ids=lambda c: str(len(c["plain"])))
def test_gcm_of_a_zero_nonce(case: dict[str, str]) -> None:
    assert primitives.seal(bytes(32), raw(case["plain"]), b"").hex() == case["sealed"]
    assert primitives.open_sealed(bytes(32), raw(case["sealed"]), b"") == raw(case["plain"])


def gcm(key: bytes, nonce: bytes, plain: bytes, associated: bytes) -> bytes:
    """AES-256-GCM in whole numbers (NIST SP 800-38D sections 6 and 7), for a nonce of 12 bytes."""

    def times(x: int, y: int) -> int:
        product = 0
        for bit in range(127, -1, -1):
            product ^= y if x >> bit & 1 else 0
            y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
        return product

    first = int.from_bytes(nonce + b"\0\0\0\1")
    pad = counted(key, first + 1, len(plain))
    text = bytes(a ^ b for a, b in zip(plain, pad, strict=True))
    whole = b"".join(part + bytes(-len(part) % 16) for part in (associated, text))
    whole += (8 * len(associated)).to_bytes(8) + (8 * len(text)).to_bytes(8)
    subkey = int.from_bytes(aes(key, bytes(16)))
    tag = 0
    for start in range(0, len(whole), 16):
        tag = times(tag ^ int.from_bytes(whole[start : start + 16]), subkey)
    return text + (tag ^ int.from_bytes(counted(key, first, 16))).to_bytes(16)


def nist() -> Iterator[dict[str, str]]:
    """Every 10th of NIST's AES-256-GCM cases with a nonce of 96 bits and a tag of 128."""
    number = 0
    size = {}
    case = dict[str, str]()
    for line in (files("cryptography_vectors") / NIST_GCM).read_text("ascii").splitlines():
        name, _, value = line.strip("[]").partition(" =")
        if line.startswith("["):
            size[name] = value.strip()
        elif name == "Tag" and (size["IVlen"], size["Taglen"]) == ("96", "128"):
            number += 1
            if number % 10 == 0:
                yield {**case, "Tag": value.strip()}
        elif not line.startswith("#"):
            case[name] = value.strip()


def test_the_plain_gcm_is_that_of_nist() -> None:
    """Vectors have nonces of their own, our function has none.

    A second implementation stands between.
    """
    cases = list(nist())
    assert len(cases) == 37
    for case in cases:
        assert (
            gcm(*(raw(case[k]) for k in ("Key", "IV", "PT", "AAD"))).hex()
            == case["CT"] + case["Tag"]
        )


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=70), st.binary(max_size=40))
def test_what_is_sealed_is_what_the_plain_gcm_makes(
    key: bytes, plain: bytes, associated: bytes
) -> None:
    sealed = primitives.seal(key, plain, associated)
    assert sealed == gcm(key, bytes(12), plain, associated)
    assert primitives.open_sealed(key, sealed, associated) == plain


def test_every_changed_bit_is_noticed_and_not_told_apart() -> None:
    sealed = primitives.seal(SEED, b"shares", b"from a to b")
    sentences = set()
    wrong = [
        (SEED, sealed[:i] + bytes([sealed[i] ^ 1 << b]) + sealed[i + 1 :], b"from a to b")
        for i in range(len(sealed))
        for b in range(8)
    ]
    wrong += [(SEED, sealed[:cut], b"from a to b") for cut in range(len(sealed))]
    wrong += [
        (SEED, sealed, b"from b to a"),
        (bytes(32), sealed, b"from a to b"),
        (SEED, sealed + b"\0", b"from a to b"),
    ]
    for key, text, associated in wrong:
        with pytest.raises(SecureSumError) as caught:
            primitives.open_sealed(key, text, associated)
        sentences.add(str(caught.value))
    assert len(sentences) == 1


@pytest.mark.parametrize("case", vectors("aes256_ctr"), ids=lambda c: c["key"][:8])
def test_the_keystream_is_nists_counter_mode(case: dict[str, str]) -> None:
    plain = raw(case["plain"])
    made = stream(raw(case["key"]), len(plain), 16 * int(case["counter"], 16))
    assert bytes(a ^ b for a, b in zip(made, plain, strict=True)).hex() == case["cipher"]


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 5000, (1 << 18) + 33])
def test_the_keystream_begins_at_counter_zero(length: int) -> None:
    assert stream(SEED, length) == counted(SEED, 0, length)


@given(st.lists(st.integers(0, 100), max_size=20))
def test_the_keystream_goes_on_where_it_stopped(lengths: list[int]) -> None:
    keystream = Keystream(SEED)
    made = b""
    for length in lengths:
        out = bytearray(b"\xff" * length)
        keystream.into(out)
        made += out
    assert made == counted(SEED, 0, sum(lengths))


@pytest.mark.parametrize("offset", [16, 1 << 12, 1 << 36, 16 << 64])
def test_the_keystream_begins_where_it_is_told(offset: int) -> None:
    assert stream(SEED, 40, offset) == counted(SEED, offset // 16, 40)


@pytest.mark.parametrize("offset", [-16, 1, 8, 17, 16 << 128])
def test_no_other_place_to_begin(offset: int) -> None:
    with pytest.raises(SecureSumError, match="multiple of 16"):
        Keystream(SEED, offset)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_keys_of_another_length_are_refused(length: int) -> None:
    wrong = bytes(length)
    for refused in (
        lambda: primitives.x25519_public(wrong),
        lambda: primitives.x25519(wrong, X25519_KEY),
        lambda: primitives.x25519(SEED, wrong),
        lambda: primitives.ed25519_public(wrong),
        lambda: primitives.sign(wrong, b""),
        lambda: primitives.verify(wrong, bytes(64), b""),
        lambda: primitives.seal(wrong, b"", b""),
        lambda: primitives.open_sealed(wrong, bytes(16), b""),
        lambda: Keystream(wrong),
    ):
        with pytest.raises(SecureSumError, match=f"{length} bytes; 32"):
            refused()


X25519_KEY = primitives.x25519_public(SEED)


def test_the_chain_from_key_to_words_and_shares() -> None:
    case = COMPOSITE
    secret = primitives.x25519(raw(case["scalar"]), raw(case["u"]))
    assert secret.hex() == case["secret"]
    seed = primitives.hkdf(secret, raw(case["salt"]), case["info"].encode())
    assert seed.hex() == case["seed"]
    assert np.frombuffer(stream(seed, 32), "<u4").tolist() == case["words32"]
    assert np.frombuffer(stream(seed, 16), "<u8").tolist() == case["words64"]
    drawn = b"".join(c.to_bytes(shamir.COEFFICIENT) for c in case["coefficients"])
    shares = shamir.split(seed, 3, 5, drawn)
    assert [share.hex()[-4:] for share in shares] == case["share_ends"]
    assert shamir.combine({2: shares[1], 4: shares[3], 5: shares[4]}) == seed
