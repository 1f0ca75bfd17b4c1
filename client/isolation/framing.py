"""An envelope cut into frames and put together again, for the socket between the two processes.

    H  text, UTF-8                                  first, exactly once
    N  bytes of the vector, 8 bytes little-endian   after H, at most once
    V  the vector's next bytes, at most FRAME       after N, until the announced length is reached

The first byte of a frame is the one above. No frame is understood beyond that: the gateway carries
texts that it cannot read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from common.errors import WireError

Memory: TypeAlias = bytes | bytearray | memoryview | NDArray[Any]
"""What a vector may be sent from: contiguous memory of any type."""
LARGEST_TEXT = 32 << 20
"""Most bytes of an envelope's text."""
LARGEST_VECTOR = 8 << 30
"""Most bytes of an envelope's vector."""
FRAME = 1 << 20
"""Bytes of a vector in one frame.

With less, gRPC's cost for each message shows; with more, nothing is gained.
"""


def cut(text: str, vector: Memory | None) -> Iterator[bytes]:
    """The frames of an envelope; each is made when it is asked for, so one at a time is copied.

    Raises:
        WireError: text or vector is too long; raised at once, before the first frame.
    """
    head = text.encode("utf-8")
    body = None if vector is None else _flat(vector)
    _check("text", len(head), LARGEST_TEXT)
    _check("vector", len(body or b""), LARGEST_VECTOR)
    return _frames(head, body)


def join(frames: Iterable[bytes]) -> tuple[str, memoryview | None]:
    """An envelope from its frames; the vector is writable memory of its own, filled once.

    Raises:
        WireError: a frame is unknown or out of order, or the lengths do not agree.
    """
    text: str | None = None
    vector: memoryview | None = None
    filled = 0
    for frame in frames:
        kind = frame[:1]
        body = memoryview(frame)[1:]
        if kind == b"H" and text is None:
            text = _text(body)
        elif kind == b"N" and text is not None and vector is None:
            vector = _space(body)
        elif kind == b"V" and vector is not None:
            filled = _fill(vector, filled, body)
        else:
            raise WireError(
                f"An envelope has a frame {kind!r} where none is allowed; "
                "install the same release on both sides."
            )
    if text is None:
        raise WireError("An envelope has no text.")
    if vector is not None and filled != len(vector):
        raise WireError(
            f"An envelope's vector ends after {filled} bytes; {len(vector)} were announced."
        )
    return text, vector


def _frames(head: bytes, body: memoryview | None) -> Iterator[bytes]:
    yield b"H" + head
    if body is not None:
        yield b"N" + len(body).to_bytes(8, "little")
        for at in range(0, len(body), FRAME):
            yield b"".join((b"V", body[at : at + FRAME]))


def _flat(vector: Memory) -> memoryview:
    view = vector.data if isinstance(vector, np.ndarray) else memoryview(vector)
    # A view with a zero in its shape cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def _text(body: memoryview) -> str:
    _check("text", len(body), LARGEST_TEXT)
    try:
        return str(body, "utf-8")
    except UnicodeDecodeError:
        raise WireError("An envelope's text is not valid UTF-8.") from None


def _space(body: memoryview) -> memoryview:
    if len(body) != 8:
        raise WireError(
            f"An envelope announces its vector's length in {len(body)} bytes; 8 are allowed."
        )
    length = int.from_bytes(body, "little")
    _check("vector", length, LARGEST_VECTOR)
    try:
        # Not bytearray: it would write zeros into every page first.
        return np.empty(length, np.uint8).data
    except MemoryError:
        raise WireError(
            f"An envelope's vector has {length} bytes; this process has no memory for it."
        ) from None


def _fill(vector: memoryview, at: int, body: memoryview) -> int:
    end = at + len(body)
    if not at < end <= len(vector):
        raise WireError(
            f"An envelope's vector has a frame of {len(body)} bytes after {at}; "
            f"{len(vector)} in all were announced."
        )
    vector[at:end] = body
    return end


def _check(part: str, size: int, allowed: int) -> None:
    if size > allowed:
        raise WireError(f"An envelope's {part} has {size} bytes; at most {allowed} are allowed.")
