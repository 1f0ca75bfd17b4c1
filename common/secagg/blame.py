"""Whose mask was wrong, when the canaries of an opened sum do not count the survivors.

A hospital that revealed is judged by its own words: what it says its masks over the canaries were
must make of its vector's canaries a 1, and what it shared with a dropped hospital must be what the
server has rebuilt. Where all such words hold and two hospitals contradict each other, the one that
most contradict is named, or both of a single pair. A hospital that did not reveal is never named:
nothing can be held against its silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from common.secagg import derive
from common.secagg.coordinator_state import CheatError, CoordinatorState, Opening
from common.secagg.messages import CANARIES, SumSpec

_WORD = 8
_RING = 1 << 64
Claims = Mapping[str, Mapping[str, bytes]]
"""Hospital, peer: the keystream over the canaries that the hospital says it used for the two."""


def check_canaries(state: CoordinatorState, sums: Sequence[int], opening: Opening) -> None:
    """Whether the canaries of the opened sum count the survivors.

    Raises:
        CheatError: they do not; it names whose mask was wrong, as far as what was revealed can
            tell.
    """
    if tuple(sums) == (len(state.survivors),) * CANARIES or state.spec is None:
        return
    claims = {site: dict(reveal.canaries) for site, reveal in state.reveals.items()}
    # Proof comes first: who contradicts another is named only where nobody's own words are refuted.
    guilty = _refuted(state, state.spec, opening, claims) or _contradicted(claims)
    silent = sorted(set(state.survivors) - set(claims))
    suspects = ", ".join(guilty) or "somebody unknown"
    unheard = f" ({', '.join(silent)} did not reveal)" if silent else ""
    raise CheatError(
        f"The canaries of the sum are wrong; the mask of {suspects} does not fit{unheard}.", guilty
    )


def _refuted(state: CoordinatorState, spec: SumSpec, opening: Opening, claims: Claims) -> list[str]:
    """Those whose words do not fit their own vector, or what the server has rebuilt."""
    return [
        site
        for site, claimed in sorted(claims.items())
        if not _fits(state, spec=spec, opening=opening, site=site, claimed=claimed)
    ]


def _fits(
    state: CoordinatorState,
    spec: SumSpec,
    opening: Opening,
    site: str,
    claimed: Mapping[str, bytes],
) -> bool:
    rebuilt = {
        peer: derive.canary_words(opening.pairs[site, peer], spec)
        for peer in claimed
        if (site, peer) in opening.pairs
    }
    if any(claimed[peer] != words for peer, words in rebuilt.items()):
        return False
    expected = [1 + word for word in _words(derive.canary_words(opening.own[site], spec))]
    for peer, words in claimed.items():
        expected = [
            total + derive.sign_of(site, peer) * word
            for total, word in zip(expected, _words(words), strict=True)
        ]
    return tuple(total % _RING for total in expected) == state.canaries[site]


def _contradicted(claims: Claims) -> list[str]:
    """Those whom most others contradict."""
    disputes = Counter[str]()
    for site, claimed in claims.items():
        disputes[site] = sum(
            peer in claims and claims[peer][site] != words for peer, words in claimed.items()
        )
    most = max(disputes.values(), default=0)
    return sorted(site for site, count in disputes.items() if count == most) if most else []


def _words(content: bytes) -> list[int]:
    return [int.from_bytes(content[i : i + _WORD], "little") for i in range(0, len(content), _WORD)]
