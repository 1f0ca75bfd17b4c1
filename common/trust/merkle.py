"""The hash tree of an append-only log (RFC 6962, 2.1). Pure: hashes in, hashes out.

One short root stands for all entries; short proofs show that an entry is among them, or that one
tree grew out of another.

Leaves and inner nodes are hashed with different first bytes, so that neither passes for the other.
Proofs are checked by the algorithms of RFC 9162, 2.1.3.2 and 2.1.4.2.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without entries."""


def leaf(entry: bytes) -> bytes:
    """Hash of an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows: what is needed of it to append, about log2(n) hashes."""

    def __init__(self) -> None:
        self.size = 0
        self._full: list[bytes] = []

    def append(self, leaf_hash: bytes) -> None:
        """Add the hash of one entry."""
        top = leaf_hash
        size = self.size
        # Two full trees of one size become one: a carry in binary addition.
        while size & 1:
            top = _node(self._full.pop(), top)
            size >>= 1
        self._full.append(top)
        self.size += 1

    @property
    def root(self) -> bytes:
        """Hash of everything so far."""
        if not self._full:
            return EMPTY
        result = self._full[-1]
        for left in reversed(self._full[:-1]):
            result = _node(left, result)
        return result


def root(leaves: Sequence[bytes]) -> bytes:
    """Root of a tree with these leaf hashes."""
    tree = Frontier()
    for leaf_hash in leaves:
        tree.append(leaf_hash)
    return tree.root


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The path from an entry to the root (RFC 6962, 2.1.1).

    Raises:
        IndexError: there is no such entry.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(index)
    if len(leaves) == 1:
        return []
    cut = _cut(len(leaves))
    if index < cut:
        return [*inclusion(leaves[:cut], index), root(leaves[cut:])]
    return [*inclusion(leaves[cut:], index - cut), root(leaves[:cut])]


def is_included(
    leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root_hash: bytes
) -> bool:
    """Whether the path leads from this entry to the root of such a tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    # ``place`` and ``last`` are fn and sn of the RFC: positions in the row, halved row by row.
    place = index
    last = size - 1
    digest = leaf_hash
    for sibling in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            digest = _node(sibling, digest)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            digest = _node(digest, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and digest == root_hash


def consistency(leaves: Sequence[bytes], old: int) -> list[bytes]:
    """What shows that the tree of the first ``old`` entries grew into this one (RFC 6962, 2.1.2).

    Raises:
        IndexError: ``old`` is not from 1 to the number of entries.
    """
    if not 1 <= old <= len(leaves):
        raise IndexError(old)
    return _grown(leaves, old, whole=True)


def _grown(leaves: Sequence[bytes], old: int, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    cut = _cut(len(leaves))
    if old <= cut:
        return [*_grown(leaves[:cut], old, whole), root(leaves[cut:])]
    return [*_grown(leaves[cut:], old - cut, whole=False), root(leaves[:cut])]


def is_grown(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the old tree begins the new one (RFC 9162, 2.1.4.2)."""
    if not 1 <= old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    if not steps:
        return False
    place = old - 1
    last = new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    before = after = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before = _node(sibling, before)
            after = _node(sibling, after)
            while not place & 1 and place:
                place >>= 1
                last >>= 1
        else:
            after = _node(after, sibling)
        place >>= 1
        last >>= 1
    return last == 0 and before == old_root and after == new_root


def _cut(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
