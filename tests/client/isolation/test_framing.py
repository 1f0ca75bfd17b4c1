"""An envelope survives being cut, and nothing but a whole envelope is put together."""

from __future__ import annotations

import numpy as np
import pytest

from client.isolation import framing
from common.errors import WireError


@pytest.mark.parametrize(
    "size", [1, 4, framing.FRAME - 1, framing.FRAME, framing.FRAME + 1, 3 * framing.FRAME + 5]
)
def test_a_vector_of_any_size_arrives_as_it_was(size: int) -> None:
    sent = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    text, received = framing.join(framing.cut("ärztlich", sent))
    assert (
        text == "ärztlich" and received is not None and np.array_equal(np.asarray(received), sent)
    )


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_memory_may_be_sent(kind: type) -> None:
    assert bytes(framing.join(framing.cut("", kind(b"abcd")))[1] or b"") == b"abcd"


def test_float_arrays_go_as_their_bytes_and_come_back_writable() -> None:
    sent = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
    _, received = framing.join(framing.cut("x", sent))
    back = np.frombuffer(received, "<f4") if received is not None else np.empty(0)
    assert np.array_equal(back, sent.ravel()) and back.flags.writeable


def test_no_vector_is_not_an_empty_one() -> None:
    assert framing.join(framing.cut("x", None))[1] is None
    for empty in (b"", np.empty(0, np.float32), np.empty((0, 3), np.float32)):
        received = framing.join(framing.cut("x", empty))[1]
        assert received is not None and len(received) == 0


def test_no_frame_is_longer_than_allowed() -> None:
    assert max(map(len, framing.cut("x", bytes(2 * framing.FRAME)))) == framing.FRAME + 1


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ([], "has no text"),
        ([b""], "where none is allowed"),
        ([b"X"], "b'X'"),
        ([b"Hx", b"Hy"], "b'H'"),
        ([b"N" + bytes(8)], "b'N'"),
        ([b"Hx", b"Vabcd"], "b'V'"),
        ([b"Hx", b"N" + bytes(8), b"N" + bytes(8)], "b'N'"),
        ([b"Hx", b"N" + bytes(7)], "in 7 bytes"),
        ([b"Hx", b"N\4" + bytes(7), b"Vabc"], "ends after 3 bytes; 4 were announced"),
        ([b"Hx", b"N\4" + bytes(7), b"Vabcde"], "a frame of 5 bytes after 0; 4 in all"),
        ([b"Hx", b"N\4" + bytes(7), b"Vabcd", b"Ve"], "a frame of 1 bytes after 4"),
        ([b"Hx", b"N\4" + bytes(7), b"V", b"Vabcd"], "a frame of 0 bytes"),
        (
            [b"Hx", b"N" + (framing.LARGEST_VECTOR + 1).to_bytes(8, "little")],
            "8589934593 bytes; at most 8589934592",
        ),
        ([b"Hx", b"N" + b"\xff" * 8], "at most"),
        ([b"H\xff"], "not valid UTF-8"),
        ([b"H" + bytes(framing.LARGEST_TEXT + 1)], "33554433 bytes; at most 33554432"),
    ],
)
def test_a_broken_envelope_is_refused(broken: list[bytes], words: str) -> None:
    with pytest.raises(WireError, match=words):
        framing.join(broken)


def test_a_text_that_is_too_long_is_refused_before_anything_is_sent() -> None:
    framing.cut("x" * framing.LARGEST_TEXT, None)
    with pytest.raises(WireError, match="text has 33554433 bytes"):
        framing.cut("x" * (framing.LARGEST_TEXT + 1), None)
    with pytest.raises(WireError, match="text has"):
        framing.cut("ä" * (framing.LARGEST_TEXT // 2 + 1), None)  # bytes count, not characters
