"""The hash tree.

The public example of eight entries, both kinds of proofs against an independent reading of RFC
6962, and wrong proofs.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.trust import merkle
from common.trust.merkle import Frontier

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "rfc6962.json").read_text()
)
ENTRIES = [bytes.fromhex(entry) for entry in VECTORS["entries"]]
LEAVES = [merkle.leaf(entry) for entry in ENTRIES]


def mth(entries: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word by word."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\1" + mth(entries[:k]) + mth(entries[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_of_the_public_example(size: int) -> None:
    assert merkle.root(LEAVES[:size]).hex() == VECTORS["roots"][size] == mth(ENTRIES[:size]).hex()


@pytest.mark.parametrize("case", VECTORS["inclusion"], ids=str)
def test_paths_of_the_public_example(case: dict[str, Any]) -> None:
    path = merkle.inclusion(LEAVES[: case["size"]], case["index"])
    assert [p.hex() for p in path] == case["path"]
    root = bytes.fromhex(VECTORS["roots"][case["size"]])
    assert merkle.is_included(LEAVES[case["index"]], case["index"], case["size"], path, root)


@pytest.mark.parametrize("case", VECTORS["consistency"], ids=str)
def test_consistency_of_the_public_example(case: dict[str, Any]) -> None:
    path = merkle.consistency(LEAVES[: case["new"]], case["old"])
    assert [p.hex() for p in path] == case["path"]
    old, new = (bytes.fromhex(VECTORS["roots"][case[key]]) for key in ("old", "new"))
    assert merkle.is_grown(case["old"], case["new"], old, new, path)


@given(st.integers(1, 70), st.data())
@settings(max_examples=150, deadline=None)
def test_every_entry_is_included_and_nothing_else_passes(size: int, data: st.DataObject) -> None:
    entries = [bytes([n]) for n in range(size)]
    leaves, root = [merkle.leaf(e) for e in entries], mth(entries)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion(leaves, index)
    assert merkle.is_included(leaves[index], index, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index)) if size > 1 else None
    if other is not None:
        assert not merkle.is_included(leaves[other], index, size, path, root)
        assert not merkle.is_included(leaves[index], other, size, path, root)
    assert not merkle.is_included(leaves[index], index, size, [*path, bytes(32)], root)
    if path:
        assert not merkle.is_included(leaves[index], index, size, path[:-1], root)
        broken = data.draw(st.integers(0, len(path) - 1))
        assert not merkle.is_included(
            leaves[index], index, size, [*path[:broken], bytes(32), *path[broken + 1 :]], root
        )
    assert not merkle.is_included(leaves[index], index, size, path, bytes(32))


@given(st.integers(1, 60), st.integers(0, 60), st.data())
@settings(max_examples=150, deadline=None)
def test_a_tree_grows_and_a_changed_past_does_not_pass(
    old: int, more: int, data: st.DataObject
) -> None:
    entries = [bytes([n]) for n in range(old + more)]
    leaves = [merkle.leaf(e) for e in entries]
    path, before, after = merkle.consistency(leaves, old), mth(entries[:old]), mth(entries)
    assert merkle.is_grown(old, old + more, before, after, path)
    changed = list(entries)
    changed[data.draw(st.integers(0, old - 1))] = b"changed"
    assert not merkle.is_grown(old, old + more, mth(changed[:old]), after, path)
    assert not merkle.is_grown(
        old,
        old + more,
        before,
        mth(changed),
        merkle.consistency([merkle.leaf(e) for e in changed], old),
    )
    assert not merkle.is_grown(old, old + more, before, after, [*path, bytes(32)])
    if path:
        assert not merkle.is_grown(old, old + more, before, after, path[:-1])


def test_the_frontier_grows_like_the_tree() -> None:
    tree = Frontier()
    for size in range(130):
        assert tree.root == mth([bytes([n]) for n in range(size)]) and tree.size == size
        tree.append(merkle.leaf(bytes([size])))


@pytest.mark.parametrize(("size", "index"), [(0, 0), (3, 3), (3, -1)])
def test_there_is_no_path_to_what_is_not_there(size: int, index: int) -> None:
    with pytest.raises(IndexError):
        merkle.inclusion(LEAVES[:size], index)
    assert not merkle.is_included(LEAVES[0], index, size, [], merkle.EMPTY)


@pytest.mark.parametrize("old", [0, 9, -1])
def test_there_is_no_tree_before_the_first_or_after_the_last(old: int) -> None:
    with pytest.raises(IndexError):
        merkle.consistency(LEAVES, old)
    assert not merkle.is_grown(old, 8, merkle.EMPTY, merkle.root(LEAVES), [])
