"""Who takes part in a run's secure sums.

The signed roster, who is there, who is silent, who was caught; and the questions to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.protocol.envelopes import Question, Reply
from common.secagg import coordinator as steps
from common.secagg import terms as rules
from common.secagg.coordinator_state import CoordinatorState, TooFewError
from common.secagg.encoding import Message
from common.secagg.messages import Terms
from common.study.study import Study
from server.transport import Transport

_LONGEST_REST = 32
"""A hospital that is silent again and again is still asked for every 32nd sum."""


@dataclass(frozen=True)
class Membership:
    """Who may take part.

    The signed roster as it travels, its digest, and the hospitals' public keys.
    """

    consortium: str
    run: str
    signed: Mapping[str, Any]
    digest: bytes
    identities: Mapping[str, bytes]


class Cohort:
    """The hospitals of one run.

    Args:
        transport: to the hospitals.
        study: its section ``secure_aggregation``.
        membership: who may take part, from the signed roster.
        nodes: Flower's number of each hospital that joined.

    Attributes:
        exchanges: how many there were.
    """

    def __init__(
        self, transport: Transport, study: Study, membership: Membership, nodes: Mapping[str, int]
    ) -> None:
        self._transport = transport
        self._study = study
        self._membership = membership
        self._nodes = dict(nodes)
        self._number = 0
        self._silent: dict[str, int] = {}
        self._caught: dict[str, str] = {}
        self.exchanges = 0

    @property
    def progress(self) -> dict[str, Any]:
        """``{"number": of the last sum, "caught": {hospital: reason}}``."""
        return {"number": self._number, "caught": dict(self._caught)}

    def terms(self, cohort: Sequence[str]) -> CoordinatorState:
        """The terms of a new sum over those who are there.

        Raises:
            TooFewError: they are too few.
        """
        section = self._study.secure_aggregation
        present = tuple(sorted(self.awake(cohort)))
        if len(present) < section.min_cohort:
            why = "; ".join(f"{site}: {reason}" for site, reason in sorted(self._caught.items()))
            raise TooFewError(
                (
                    f"{len(present)} hospitals can take part; secure_aggregation.min_cohort "
                    f"asks for {section.min_cohort}. {why}"
                ).strip()
            )
        self._number += 1
        threshold = rules.threshold(len(present), section.colluders)
        membership = self._membership
        terms = Terms(
            membership.consortium,
            membership.run,
            self._number,
            present,
            min(threshold, len(present)),
            membership.digest,
        )
        return steps.begin(terms, membership.identities, section.min_cohort)

    def awake(self, cohort: Sequence[str]) -> list[str]:
        """The hospitals of a cohort that are asked.

        Those who cheated are not. Those who were often silent are asked ever more rarely, unless
        the others are too few.
        """
        honest = [site for site in cohort if site not in self._caught]
        present = [site for site in honest if not self._resting(site)]
        return present if len(present) >= self._study.secure_aggregation.min_cohort else honest

    def _resting(self, site: str) -> bool:
        misses = self._silent.get(site, 0)
        return misses > 0 and self._number % min(2**misses, _LONGEST_REST) != 0

    def catch(self, sites: Sequence[str], why: str) -> None:
        """Leave these out from now on."""
        self._caught |= dict.fromkeys(sites, why)

    def fits(self, ready: CoordinatorState, cohort: Sequence[str]) -> bool:
        """Whether a sum that was prepared will do for this cohort.

        All who are there were asked, and nobody else is in it.
        """
        return set(self.awake(cohort)) <= set(ready.terms.cohort) and set(ready.parcels) <= set(
            cohort
        ) - set(self._caught)

    def exchange(self, messages: Mapping[str, tuple[Message, ...]]) -> Iterator[tuple[str, Reply]]:
        """A short exchange: messages of secure sums out, messages back."""
        table = self._study.to_table()
        # Hospitals that get the same messages share one question, which is packed once.
        questions: dict[tuple[Message, ...], Question] = {}
        for messages_to_site in messages.values():
            if messages_to_site not in questions:
                settings = (
                    {"roster": self._membership.signed}
                    if any(isinstance(m, Terms) for m in messages_to_site)
                    else {}
                )
                questions[messages_to_site] = Question(
                    "agree",
                    table,
                    settings=settings,
                    secure=tuple(m.encode() for m in messages_to_site),
                )
        yield from self.ask(
            {site: questions[messages_to_site] for site, messages_to_site in messages.items()},
            self._study.secure_aggregation.patience,
        )

    def ask(
        self, questions: Mapping[str, Question], deadline: float
    ) -> Iterator[tuple[str, Reply]]:
        """Send each hospital its question; yield the answers as they come."""
        self.exchanges += 1
        sites = {self._nodes[site]: site for site in questions}
        newest: list[Reply] = []
        for node, reply in self._transport.ask(
            {self._nodes[site]: question for site, question in questions.items()}, deadline
        ):
            site = sites[node]
            if reply.silent:
                self._silent[site] = self._silent.get(site, 0) + 1
            else:
                self._silent.pop(site, None)
            newest.append(reply)
            del reply
            # Popped: nothing here keeps the answer, which may hold a whole vector, alive.
            yield site, newest.pop()
