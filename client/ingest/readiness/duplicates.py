"""The same picture more than once: exact copies, and copies saved anew.

A copy saved anew may have another size, brightness or compression.

Exact doubles have the same decoded values. Near ones have thumbnails (16 x 16 means) whose
correlation is at least ``ALIKE``; two different patients photographed the same way stay below it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from client.ingest.case_facts import CaseFacts

ALIKE = 0.9985
_BLOCK = 1024


@dataclass(frozen=True)
class Doubles:
    """Groups of cases that show one picture, as indices; near groups hold two different ones."""

    exact: tuple[tuple[int, ...], ...]
    near: tuple[tuple[int, ...], ...]


def find(cases: Sequence[CaseFacts]) -> Doubles:
    """Groups among the cases of a hospital."""
    same: dict[str, list[int]] = defaultdict(list)
    for place, case in enumerate(cases):
        same[case.pixels].append(place)
    firsts = [group[0] for group in same.values() if cases[group[0]].look]
    near = _joined(_alike([cases[place] for place in firsts], firsts), same, cases)
    return Doubles(tuple(tuple(group) for group in same.values() if len(group) > 1), near)


def across(groups: Iterable[Sequence[int]], values: Mapping[int, object]) -> int:
    """How many groups hold cases of different values; cases without a value do not count."""
    return sum(len({values[place] for place in group if place in values}) > 1 for group in groups)


def _alike(cases: Sequence[CaseFacts], places: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of places whose thumbnails correlate, compared in blocks so that memory stays small."""
    if not cases:
        return []
    looks = np.stack([np.frombuffer(bytes.fromhex(case.look), np.uint8) for case in cases]).astype(
        np.float32
    )
    looks -= looks.mean(1, keepdims=True)
    looks /= np.maximum(np.linalg.norm(looks, axis=1, keepdims=True), 1e-6)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(cases), _BLOCK):
        close = looks[start : start + _BLOCK] @ looks.T >= ALIKE
        rows, columns = np.nonzero(close)
        pairs += [
            (places[start + i], places[j])
            for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
            if start + i < j
        ]
    return pairs


def _joined(
    pairs: Iterable[tuple[int, int]], same: Mapping[str, list[int]], cases: Sequence[CaseFacts]
) -> tuple[tuple[int, ...], ...]:
    group_of: dict[int, set[int]] = {}
    for one, other in pairs:
        merged = group_of.get(one, {one}) | group_of.get(other, {other})
        group_of.update(dict.fromkeys(merged, merged))
    unique = {id(group): group for group in group_of.values()}
    return tuple(
        tuple(sorted(place for first in group for place in same[cases[first].pixels]))
        for group in unique.values()
    )
