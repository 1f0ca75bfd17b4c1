"""One message of every kind, and some at the edges of what a message may hold."""

from __future__ import annotations

import pytest

from common.secagg.encoding import Message
from common.secagg.messages import (
    Advert,
    Bundle,
    Confirm,
    Masked,
    Parcel,
    Reveal,
    SumResult,
    SumSpec,
    Survivors,
    Terms,
)
from tests.common.secagg.world import secret

KEY = secret("key")
T = secret("terms")
EVERY: list[Message] = [
    Terms("consortium", "run", 7, ("a", "b", "ü"), 2, secret("roster")),
    SumSpec("train", 3, "", secret("model"), "layout", 5, 32, 24, 32.0, ("weight", "loss"), 100),
    Advert(T, "a", bytes(64), secret(1), secret(2), secret(3)).signed(KEY),
    Parcel(T, "a", bytes(64), "b", b"sealed" * 9, secret(4), secret(5)).signed(KEY),
    Masked(T, "a", bytes(64), secret(6), secret(7)).signed(KEY),
    Survivors(T, ("a", "b", "c")),
    Confirm(T, "a", bytes(64), secret(8), ("a", "b", "c")).signed(KEY),
    Reveal(T, "a", bytes(64), (("a", b"1"), ("b", b"")), (("c", b"33"),), (("b", b"4"),)).signed(
        KEY
    ),
    SumResult(T, (3, 3, 3, 3), secret(9)),
    Bundle(T, (b"one", b"", b"three")),
]
EDGES: list[Message] = [
    Terms("", "", 0, (), 0, bytes(32)),
    Terms("", "", 2**64 - 1, ("",), 2**64 - 1, bytes(32)),
    SumSpec("", 0, "", bytes(32), "", 0, 64, 0, -0.0, (), 0),
    Survivors(T, ("x",) * 1000),
    SumResult(T, (), bytes(32)),
    Bundle(T, ()),
]
KINDS = [type(message) for message in EVERY]
every = pytest.mark.parametrize("message", EVERY, ids=[kind.__name__ for kind in KINDS])
