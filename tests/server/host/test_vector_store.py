"""Vectors beside messages.

Whole, checked, in bounded memory, and nowhere else than in their run's folders.
"""

from __future__ import annotations

import hashlib
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.errors import WireError
from common.protocol.flower_objects import Reference
from common.update import Vector
from server.host import vector_store
from server.host.vector_store import VectorStore
from tests.patience import patient

NAME = "ab" * 32


def vector(size: int = 3_000_000) -> Vector:
    return np.random.default_rng(size).normal(size=size).astype(np.float32)


def reference(values: Vector) -> Reference:
    return Reference(values.size, hashlib.sha256(values.tobytes()).hexdigest())


def test_a_kept_model_is_a_file_with_the_same_values(tmp_path: Path) -> None:
    store, model = VectorStore(tmp_path, 7), vector()
    view = store.keep(model)
    assert view.tobytes() == model.tobytes() and not view.flags.writeable
    announced = store.reference(view)
    assert announced == reference(model)
    assert (
        tmp_path / "freight" / "models" / "7" / announced.sha256
    ).read_bytes() == model.tobytes()


def test_any_view_of_a_kept_model_is_known_and_not_written_again(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, 7)
    view = store.keep(vector())
    file = next((tmp_path / "freight" / "models" / "7").iterdir())
    before = file.stat().st_mtime_ns
    assert store.keep(view) is view
    assert store.reference(np.frombuffer(view.data, "<f4")) == reference(view)
    assert file.stat().st_mtime_ns == before


def test_another_model_is_not_taken_for_the_kept_one(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, 7)
    store.keep(vector(10))
    second = vector(11)
    assert store.reference(second) == reference(second)


def test_an_empty_vector_needs_no_file(tmp_path: Path) -> None:
    store, nothing = VectorStore(tmp_path, 7), np.empty(0, np.float32)
    assert store.keep(nothing) is nothing


def test_few_models_stay(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, 7)
    for size in range(1, 8):
        store.keep(vector(size))
    assert len(list((tmp_path / "freight" / "models" / "7").iterdir())) == 3


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Path]:
    short = (
        Path("/tmp")
        / f"freight-{tmp_path.name}-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]}.sock"
    )
    with vector_store.serve(tmp_path, short):
        yield short
    short.unlink(missing_ok=True)


def put(service: Path, path: str, body: bytes, length: str | None = None) -> int:
    connection = http.client.HTTPConnection("localhost", timeout=patient(10))
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(patient(10))
    connection.sock.connect(str(service))
    connection.putrequest("PUT", path)
    connection.putheader("Content-Length", str(len(body)) if length is None else length)
    connection.endheaders(body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_what_a_hospital_sends_is_taken_once(tmp_path: Path, service: Path) -> None:
    store, update = VectorStore(tmp_path, 7), vector()
    assert put(service, f"/v1/updates/7/{NAME}", update.tobytes()) == 201
    assert store.take(NAME, reference(update)).tobytes() == update.tobytes()
    with pytest.raises(WireError, match="did not come"):
        store.take(NAME, reference(update))


@pytest.mark.parametrize("change", ["shorter", "longer", "other"])
def test_another_vector_than_announced_is_refused_and_thrown_away(
    tmp_path: Path, service: Path, change: str
) -> None:
    store, update = VectorStore(tmp_path, 7), vector(1000)
    content = {
        "shorter": update[:-1],
        "longer": np.append(update, np.float32(0)),
        "other": -update,
    }[change]
    put(service, f"/v1/updates/7/{NAME}", content.tobytes())
    with pytest.raises(WireError, match="not the one announced"):
        store.take(NAME, reference(update))
    assert not list((tmp_path / "freight" / "updates" / "7").iterdir())


def test_the_first_vector_of_a_name_stays(tmp_path: Path, service: Path) -> None:
    store, update = VectorStore(tmp_path, 7), vector(1000)
    assert put(service, f"/v1/updates/7/{NAME}", update.tobytes()) == 201
    assert put(service, f"/v1/updates/7/{NAME}", (-update).tobytes()) == 200
    assert store.take(NAME, reference(update)).tobytes() == update.tobytes()


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        (f"/v1/updates/8/{NAME}", None, 404),
        (f"/v1/updates/7/../../{NAME}", None, 400),
        (f"/v1/updates/7/{NAME}/x", None, 400),
        (f"/v1/updates/7/{NAME.upper()}", None, 400),
        ("/v1/updates/7/", None, 400),
        (f"/v1/models/7/{NAME}", None, 400),
        (f"/v1/updates/7/{NAME}", "-1", 400),
        (f"/v1/updates/7/{NAME}", "1e3", 400),
        (f"/v1/updates/7/{NAME}", str(1 << 40), 400),
    ],
)
def test_other_requests_write_nothing(
    tmp_path: Path, service: Path, path: str, length: str | None, status: int
) -> None:
    VectorStore(tmp_path, 7)
    assert put(service, path, b"1234", length) == status
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_sender_that_hangs_up_leaves_nothing(tmp_path: Path, service: Path) -> None:
    VectorStore(tmp_path, 7)
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(service))
        one.sendall(
            f"PUT /v1/updates/7/{NAME} HTTP/1.1\r\nContent-Length: 1000\r\n\r\n".encode() + b"1234"
        )
        one.shutdown(socket.SHUT_WR)
        one.settimeout(patient(10))
        assert one.recv(100) == b""
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_run_clears_only_its_own(tmp_path: Path) -> None:
    first, second = VectorStore(tmp_path, 7), VectorStore(tmp_path, 8)
    first.keep(vector(3))
    second.keep(vector(4))
    first.clear()
    assert [file.parent.name for file in tmp_path.rglob("*") if file.is_file()] == ["8"]
