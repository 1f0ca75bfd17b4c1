"""Signed heads of hospitals' records: each is so long and has this root (RFC 6962, 3.5).

Heads travel through the server to all hospitals of a run. Two heads of one hospital that cannot
both be true are evidence against it; a server that changes one breaks its signature.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.errors import SignatureError
from common.trust import statements

_CONTEXT = b"consilium head of a hospital's record 1\n"
_ROOT = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("site", "consortium", "run", "root", "at")
MOST = 200
"""Most hospitals whose heads travel together."""


@dataclass(frozen=True)
class Head:
    """The state of a hospital's record.

    Attributes:
        site, consortium: whose it is.
        run, round: at what occasion it was signed.
        size: number of entries.
        root: of the tree over them, hexadecimal.
        at: when (ISO 8601, with zone).
    """

    site: str
    consortium: str
    run: str
    round: int
    size: int
    root: str
    at: str

    def signed_bytes(self) -> bytes:
        """What is signed."""
        return statements.signed(_CONTEXT, vars(self))


def sign(head: Head, key: bytes) -> dict[str, Any]:
    """A head as it travels; ``key`` is the hospital's raw Ed25519 key (RFC 8032), 32 bytes."""
    return {**vars(head), "signature": statements.sign(head.signed_bytes(), key)}


def read(value: Any) -> Head:
    """A head from what travelled; its form is checked, its signature is not.

    Raises:
        SignatureError: it is no head.
    """
    if not isinstance(value, Mapping) or set(value) != {*_TEXTS, "round", "size", "signature"}:
        raise SignatureError("The head of a hospital's record is not a table of its fields.")
    texts = all(
        isinstance(value[key], str) and len(value[key]) <= 200 and value[key].isprintable()
        for key in (*_TEXTS, "signature")
    )
    numbers = all(
        type(value[key]) is int and 0 <= value[key] < 1 << 53 for key in ("round", "size")
    )
    if not texts or not numbers or not _ROOT.fullmatch(value["root"]) or not _is_time(value["at"]):
        raise SignatureError("The head of a hospital's record has a field of the wrong form.")
    return Head(**{key: value[key] for key in (*_TEXTS, "round", "size")})


def verify(value: Any, key: bytes, consortium: str) -> Head:
    """A head whose hospital has signed it.

    Args:
        value: as it travelled.
        key: the hospital's raw public key, from the signed roster.
        consortium: the own one.

    Raises:
        SignatureError: it is no head, of another consortium, or its signature is wrong.
    """
    head = read(value)
    if head.consortium != consortium:
        raise SignatureError("The head of a hospital's record is of another consortium.")
    if not statements.holds(head.signed_bytes(), value["signature"], key):
        raise SignatureError(f"The head of {head.site!r}'s record is not signed by it.")
    return head


def contradict(one: Head, two: Head) -> str:
    """Why two signed heads of one hospital cannot both be true; empty if they can.

    Only a consistency proof shows that they are.
    """
    if one.size == two.size and one.root != two.root:
        return f"two different records of {one.size} entries"
    older, newer = sorted((one, two), key=lambda head: datetime.fromisoformat(head.at))
    if newer.size < older.size and newer.at != older.at:
        return f"a record of {older.size} entries became one of {newer.size}"
    return ""


def _is_time(text: str) -> bool:
    try:
        return 2000 <= statements.moment(text, "head").year < 9000
    except SignatureError:
        return False
