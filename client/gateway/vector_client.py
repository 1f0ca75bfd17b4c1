"""Vectors between a hospital and the coordinator: files beside Flower's messages.

Each is fetched and sent in one stream. A fetch that breaks goes on where it broke. Both ends check
the SHA-256 that the message's text gives.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator

import httpx
import numpy as np

from common.errors import WireError
from common.protocol.flower_objects import Reference
from common.update import Vector

Retry = Callable[[Callable[[], None]], None]
"""Calls something until it succeeds or must not be tried again."""
_NAME = re.compile(r"[0-9a-f]{64}")
_BLOCK = 1 << 18
# HTTP statuses: the whole file, or the rest of one
_WHOLE = 200
_PART = 206


def check_name(message: str) -> None:
    """Whether a question has a name by which its answer's vector can be sent.

    Raises:
        WireError: it came from the coordinator and is no SHA-256; it would become an address.
    """
    if not _NAME.fullmatch(message):
        raise WireError("The coordinator's question has a name that is no SHA-256.")


def fetch(
    http: httpx.Client, base_url: str, run_id: int, reference: Reference, retry: Retry
) -> Vector:
    """The model that a question refers to.

    Raises:
        WireError: what came is not it.
    """
    url = f"{base_url}/v1/models/{run_id}/{reference.sha256}"
    vector = np.empty(reference.size, "<f4")
    buffer = vector.data.cast("B") if vector.size else memoryview(b"")
    digest = hashlib.sha256()
    filled = 0

    def go_on() -> None:
        nonlocal filled
        with http.stream(
            "GET", url, headers={"Range": f"bytes={filled}-"} if filled else {}
        ) as response:
            response.raise_for_status()
            if response.status_code != (_PART if filled else _WHOLE):
                raise WireError(
                    f"The coordinator answers {response.status_code} where a model is asked for."
                )
            for chunk in response.iter_raw():
                end = filled + len(chunk)
                if end > len(buffer):
                    raise WireError(
                        "The coordinator sends a longer model than its message announces."
                    )
                buffer[filled:end] = chunk
                digest.update(chunk)
                filled = end
        if filled < len(buffer):
            raise httpx.ReadError("the model came short")

    if vector.size:
        retry(go_on)
    if digest.hexdigest() != reference.sha256:
        raise WireError(
            "The coordinator's model is not the one that its message announces: "
            "the SHA-256 differs."
        )
    return vector


def send(
    http: httpx.Client, base_url: str, run_id: int, message: str, vector: Vector, retry: Retry
) -> Reference:
    """Send the vector of an answer, under the name of the question."""
    view = vector.data.cast("B") if vector.size else memoryview(b"")
    digest = hashlib.sha256()

    def blocks() -> Iterator[bytes]:
        for start in range(0, len(view), _BLOCK):
            block = bytes(view[start : start + _BLOCK])
            # Here and not beforehand: now the block is in the core's cache.
            digest.update(block)
            yield block

    # A send that broke begins anew, and so does its digest.
    def put() -> None:
        nonlocal digest
        digest = hashlib.sha256()
        headers = {"Content-Length": str(len(view)), "Content-Type": "application/octet-stream"}
        http.put(
            f"{base_url}/v1/updates/{run_id}/{message}", content=blocks(), headers=headers
        ).raise_for_status()

    retry(put)
    return Reference(vector.size, digest.hexdigest())
