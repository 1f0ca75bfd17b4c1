"""A hospital fetches models and sends vectors whole, over connections that break."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import httpx
import numpy as np
import pytest

from client.gateway import vector_client
from common.errors import WireError
from common.protocol.flower_objects import Reference
from common.update import Vector

BASE = "https://coordinator"
MODEL: Vector = np.random.default_rng(0).normal(size=700_000).astype(np.float32)
REFERENCE = Reference(MODEL.size, hashlib.sha256(MODEL.tobytes()).hexdigest())


def stubborn(call: Callable[[], None]) -> None:
    for _ in range(20):
        try:
            call()
        except httpx.HTTPError:
            continue
        return
    raise AssertionError("never succeeded")


class _Breaking(httpx.SyncByteStream):
    def __init__(self, content: bytes, after: int) -> None:
        self._content = content
        self._after = after

    def __iter__(self) -> object:  # type: ignore[override]
        yield self._content[: self._after]
        if self._after < len(self._content):
            raise httpx.ReadError("broken")


def coordinator(
    after: int = 1 << 40, content: bytes = MODEL.tobytes()
) -> tuple[httpx.Client, list[str]]:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        asked.append(f"{request.url.path} {start}")
        return httpx.Response(206 if start else 200, stream=_Breaking(content[start:], after))

    return httpx.Client(transport=httpx.MockTransport(handle)), asked


def test_a_model_is_fetched() -> None:
    http, asked = coordinator()
    assert vector_client.fetch(http, BASE, 7, REFERENCE, stubborn).tobytes() == MODEL.tobytes()
    assert asked == [f"/v1/models/7/{REFERENCE.sha256} 0"]


def test_a_broken_fetch_goes_on_where_it_broke() -> None:
    http, asked = coordinator(after=1_000_000)
    assert vector_client.fetch(http, BASE, 7, REFERENCE, stubborn).tobytes() == MODEL.tobytes()
    assert [int(one.split()[1]) for one in asked] == [0, 1_000_000, 2_000_000]


@pytest.mark.parametrize("content", [MODEL.tobytes() + b"1234", (-MODEL).tobytes()])
def test_another_model_is_refused(content: bytes) -> None:
    http, _ = coordinator(content=content)
    with pytest.raises(WireError, match=r"longer|SHA-256"):
        vector_client.fetch(http, BASE, 7, REFERENCE, stubborn)


def test_a_coordinator_that_starts_anew_in_the_middle_is_refused() -> None:
    http, _ = coordinator(after=1000)
    real = http._transport.handler  # type: ignore[attr-defined]
    http._transport.handler = (  # type: ignore[attr-defined]
        lambda request: httpx.Response(200, stream=real(request).stream)
    )
    with pytest.raises(WireError, match="answers 200"):
        vector_client.fetch(http, BASE, 7, REFERENCE, stubborn)


def test_a_vector_is_sent_again_from_the_start() -> None:
    bodies: list[bytes] = []

    def handle(request: httpx.Request) -> httpx.Response:
        bodies.append(request.read())
        return httpx.Response(201 if len(bodies) == 2 else 503)

    http = httpx.Client(transport=httpx.MockTransport(handle))
    assert vector_client.send(http, BASE, 7, "ab" * 32, MODEL, stubborn) == REFERENCE
    assert bodies == [MODEL.tobytes()] * 2


def test_an_empty_vector_travels_too() -> None:
    nothing = np.empty(0, np.float32)
    empty = Reference(0, hashlib.sha256(b"").hexdigest())
    http = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(201)))
    assert vector_client.send(http, BASE, 7, "ab" * 32, nothing, stubborn) == empty
    assert vector_client.fetch(http, BASE, 7, empty, stubborn).size == 0


@pytest.mark.parametrize("name", ["", "ab", "AB" * 32, "../" * 20, "ab" * 32 + "\n", "é" * 64])
def test_a_question_s_name_that_is_no_digest_becomes_no_address(name: str) -> None:
    vector_client.check_name("ab" * 32)
    with pytest.raises(WireError, match="no SHA-256"):
        vector_client.check_name(name)
