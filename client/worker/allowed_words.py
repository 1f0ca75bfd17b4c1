"""Words that may stand in a sentence that leaves: of the study, of settings, of the roster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any

from client.policy.policy import Policy
from client.site import Site
from common import networks
from common.errors import SignatureError
from common.study import study as studies
from common.study.study import Study

_YES_OR_NO = ("0", "1")
"""What a column of a study with several labels holds where the study names no classes."""


@dataclass(frozen=True)
class AllowedWords:
    """What the arguments of a sentence may say; looked up when a sentence has such an argument.

    Attributes:
        site: the hospital.
        study: whose texts may stand in a sentence; None where a question had none.
    """

    site: Site
    study: Study | None

    @property
    def words(self) -> frozenset[str]:
        """Texts of the study, each whole, and the metrics of its task."""
        if self.study is None:
            return frozenset()
        # The description is prose: it could hold any words, a patient's name among them.
        table = {
            name: value for name, value in self.study.to_table().items() if name != "description"
        }
        return frozenset((*_texts(table), *networks.task(self.study).higher_is_better, *_YES_OR_NO))

    @property
    def settings(self) -> frozenset[str]:
        """Names of the settings of a study, with every installed plug-in's, and of a policy."""
        return _settings()

    @property
    def hospitals(self) -> frozenset[str]:
        """Names on the signed roster: another hospital may be why a secure sum is refused."""
        try:
            roster = self.site.identity.roster(self.site.state, datetime.now(UTC))
        except SignatureError:  # one that is damaged names nobody
            return frozenset()
        return frozenset(roster.sites) if roster else frozenset()


@cache
def _settings() -> frozenset[str]:
    return frozenset((*studies.settings(), *(field.name for field in fields(Policy))))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
