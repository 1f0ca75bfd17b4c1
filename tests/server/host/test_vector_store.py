"""Vectors beside messages.

Whole, checked, in bounded memory, and nowhere else than in their run's folders.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from common.errors import WireError
from common.protocol.flower_objects import Reference
from common.update import Vector
from server.host.vector_store import VectorStore

NAME = "ab" * 32
OTHER = "cd" * 32


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


def came(home: Path, content: bytes, name: str = NAME) -> Path:
    """A vector as the intake leaves it."""
    path = home / "freight" / "updates" / "7" / name
    path.write_bytes(content)
    return path


def test_a_vector_is_taken_once(tmp_path: Path) -> None:
    store, update = VectorStore(tmp_path, 7), vector()
    path = came(tmp_path, update.tobytes())
    assert store.take(NAME, reference(update)).tobytes() == update.tobytes()
    assert not path.exists()
    with pytest.raises(WireError, match="did not come"):
        store.take(NAME, reference(update))


@pytest.mark.parametrize("change", ["shorter", "longer", "other"])
def test_another_vector_than_announced_is_refused_and_thrown_away(
    tmp_path: Path, change: str
) -> None:
    store, update = VectorStore(tmp_path, 7), vector(1000)
    content = {
        "shorter": update[:-1],
        "longer": np.append(update, np.float32(0)),
        "other": -update,
    }[change]
    path = came(tmp_path, content.tobytes())
    with pytest.raises(WireError, match="not the one announced"):
        store.take(NAME, reference(update))
    assert not path.exists()


def asked(home: Path) -> dict[str, str]:
    """What each hospital was asked last."""
    return {
        file.name: json.loads(file.read_text())["message"]
        for file in (home / "freight" / "asked" / "7").iterdir()
    }


def test_each_hospital_s_newest_question_is_awaited(tmp_path: Path) -> None:
    store = VectorStore(tmp_path, 7)
    store.expect("north", NAME, None)
    store.expect("valley", OTHER, Reference(1000, NAME))
    assert asked(tmp_path) == {"north": NAME, "valley": OTHER}
    late = came(tmp_path, b"late")
    store.expect("north", OTHER, None)
    assert asked(tmp_path) == {"north": OTHER, "valley": OTHER}
    assert not late.exists(), "what came for a question that is over takes no room"
    store.close(OTHER)
    assert asked(tmp_path) == {}


@pytest.mark.parametrize(
    ("site", "message"),
    [("../north", NAME), ("", NAME), ("a/b", NAME), ("north", "../x"), ("north", "AB" * 32)],
)
def test_nothing_from_outside_becomes_a_path_unchecked(
    tmp_path: Path, site: str, message: str
) -> None:
    store = VectorStore(tmp_path, 7)
    with pytest.raises(WireError, match="no file"):
        store.expect(site, message, None)
    with pytest.raises(WireError, match="names no question"):
        store.take("../asked", reference(vector(1)))
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_run_clears_only_its_own(tmp_path: Path) -> None:
    first, second = VectorStore(tmp_path, 7), VectorStore(tmp_path, 8)
    first.keep(vector(3))
    second.keep(vector(4))
    first.clear()
    assert [file.parent.name for file in tmp_path.rglob("*") if file.is_file()] == ["8"]
