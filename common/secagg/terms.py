"""What a secure sum is agreed on, and what a hospital asks of it whatever the server proposes.

The threshold is ``t = floor((n + c) / 2) + 1`` for n hospitals of which c may work together with
the server: any two sets of t hospitals then share an honest one, ``2 t - n > c``, and an honest
hospital confirms one set of survivors only (Bonawitz 2017, section 4 and lemma 6.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import SecureSumError
from common.secagg.messages import Terms
from common.sentences.table import say

MOST = 200
"""Hospitals in one sum.

A hospital's work grows with their number, the signatures that it is sent with its square.
"""


def tolerated(hospitals: int, colluders: int = -1) -> int:
    """c: as asked, or for -1 a fifth of the hospitals, at least one of four and at most five."""
    if colluders >= 0:
        return colluders
    return 0 if hospitals < 4 else min(5, max(1, hospitals // 5))


def threshold(hospitals: int, colluders: int = -1) -> int:
    """The threshold t for so many hospitals."""
    return (hospitals + tolerated(hospitals, colluders)) // 2 + 1


@dataclass(frozen=True)
class Limits:
    """What a hospital's own policy asks.

    Attributes:
        min_cohort: survivors at least.
        colluders: colluders to withstand at least; -1: by the number of hospitals.
    """

    min_cohort: int = 3
    colluders: int = -1

    def least(self, terms: Terms) -> int:
        """Survivors without whom nothing is opened."""
        return max(self.min_cohort, terms.threshold)

    def check(self, terms: Terms, site: str, identities: Mapping[str, bytes]) -> None:
        """Whether this hospital takes part in a sum on such terms.

        Args:
            terms: as the server proposes them.
            site: this hospital.
            identities: Ed25519 keys of the signed roster.

        Raises:
            SecureSumError: it does not; the sentence says why.
        """
        # All that is checked here is public, so that a refusal tells nothing private.
        count = len(terms.cohort)
        if tuple(sorted(set(terms.cohort))) != terms.cohort:
            raise SecureSumError(
                "The cohort of a secure sum is not in order or names a hospital twice."
            )
        strangers = [name for name in terms.cohort if name not in identities]
        if strangers:
            text = (
                f"The cohort of a secure sum names {strangers[0]!r}, which the signed roster does "
                "not hold as valid."
            )
            raise SecureSumError(text, leaves=say("sum.stranger"))
        if count > MOST:
            raise SecureSumError(say("sum.too_many", hospitals=count, most=MOST))
        if site not in terms.cohort:
            raise SecureSumError(say("sum.not_in_cohort"))
        if count < self.min_cohort:
            raise SecureSumError(say("sum.too_few", hospitals=count, least=self.min_cohort))
        lowest = threshold(count, self.colluders)
        if not lowest <= terms.threshold <= count:
            raise SecureSumError(
                f"A secure sum over {count} hospitals has the threshold {terms.threshold}; "
                f"{lowest} to {count} is allowed by this hospital's policy.",
                leaves=say(
                    "sum.threshold", hospitals=count, threshold=terms.threshold, least=lowest
                ),
            )
