"""The secure sums that a hospital is in the middle of, kept in this process's memory.

A simulation with Ray answers for one hospital from several processes. There, and only there, the
sums lie as files in the simulation's own folder, which holds nothing but make-believe hospitals'
secrets.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common.errors import SecureSumError
from common.secagg.messages import Advert, Confirm, Reveal, SumSpec, Terms
from common.secagg.participant_state import Fresh, ParticipantState
from common.sentences.table import say
from common.storage import files, locked_json

_KEPT = 3
"""Sums that may be open at once: this one, the next, whose keys ride along, and one that failed."""


class SumsInProgress:
    """A hospital's open sums, by the digest of their terms; the oldest makes room."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[ParticipantState, SumSpec | None]] = {}

    @property
    def last(self) -> int:
        """The highest number of a sum that this hospital is in."""
        return max((state.terms.number for state, _ in self._open.values()), default=0)

    def get(self, terms: bytes) -> ParticipantState:
        """Where the hospital stands in a sum.

        Raises:
            SecureSumError: it is in no such sum (any more), e.g. as its worker was started anew.
        """
        return self._entry(terms)[0]

    def awaits(self, terms: bytes) -> bool:
        """Whether the hospital has helped to open this sum and has not heard what came out."""
        try:
            return self._entry(terms)[0].step == "revealed"
        except SecureSumError:
            return False

    def spec(self, terms: bytes) -> SumSpec:
        """What a sum is about, once it was armed.

        Raises:
            SecureSumError: it is in no such sum, or was not armed.
        """
        spec = self._entry(terms)[1]
        if spec is None:
            raise SecureSumError("This secure sum has no order yet.")
        return spec

    def put(self, state: ParticipantState, spec: SumSpec | None = None) -> None:
        """Keep a new state; a sum's spec, once given, stays."""
        terms = state.terms.digest
        before = self._open.pop(terms, (state, None))[1]
        self._open[terms] = state, spec or before
        by_number = sorted(self._open, key=lambda digest: self._open[digest][0].terms.number)
        for oldest in by_number[:-_KEPT]:
            del self._open[oldest]

    def _entry(self, terms: bytes) -> tuple[ParticipantState, SumSpec | None]:
        if terms not in self._open:
            raise SecureSumError(say("sum.unknown"))
        return self._open[terms]


class SharedSumsInProgress(SumsInProgress):
    """The same, for a make-believe hospital whose answers come from several processes.

    They answer one at a time; each reads what another left.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / "sums.json"

    @property
    def last(self) -> int:
        """The highest number of a sum that this hospital is in."""
        self._read()
        return super().last

    def put(self, state: ParticipantState, spec: SumSpec | None = None) -> None:
        """Keep a new state, also for the other processes."""
        self._read()
        super().put(state, spec)
        files.private(self._path.parent)
        entries = [
            {**_table(kept), "order": None if kept_spec is None else kept_spec.encode().hex()}
            for kept, kept_spec in self._open.values()
        ]
        locked_json.write(self._path, entries)

    def _entry(self, terms: bytes) -> tuple[ParticipantState, SumSpec | None]:
        self._read()
        return super()._entry(terms)

    def _read(self) -> None:
        self._open.clear()
        if not self._path.exists():
            return
        for entry in json.loads(self._path.read_text("utf-8")):
            encoded = entry["order"]
            spec = None if encoded is None else SumSpec.decode(bytes.fromhex(encoded))
            SumsInProgress.put(self, _state(entry), spec)


def _table(state: ParticipantState) -> dict[str, Any]:
    fresh = state.fresh
    return {
        "step": state.step,
        "terms": state.terms.encode().hex(),
        "identities": {name: key.hex() for name, key in state.identities.items()},
        "fresh": None
        if fresh is None
        else [
            secret.hex()
            for secret in (fresh.mask_key, fresh.channel_key, fresh.seed, fresh.polynomials)
        ],
        "adverts": [advert.encode().hex() for advert in state.adverts.values()],
        "shares": {
            name: [share.hex() for share in shares] for name, shares in state.shares.items()
        },
        "context": state.context.hex(),
        "canary_pads": {name: words.hex() for name, words in state.canary_pads.items()},
        "survivors": state.survivors,
        "confirmed": None if state.confirmed is None else state.confirmed.encode().hex(),
        "revealed": None if state.revealed is None else state.revealed.encode().hex(),
    }


def _state(entry: dict[str, Any]) -> ParticipantState:
    raw = bytes.fromhex
    adverts = [Advert.decode(raw(blob)) for blob in entry["adverts"]]
    return ParticipantState(
        step=entry["step"],
        terms=Terms.decode(raw(entry["terms"])),
        identities={name: raw(key) for name, key in entry["identities"].items()},
        fresh=None if entry["fresh"] is None else Fresh(*map(raw, entry["fresh"])),
        adverts={advert.site: advert for advert in adverts},
        shares={name: (raw(one), raw(two)) for name, (one, two) in entry["shares"].items()},
        context=raw(entry["context"]),
        canary_pads={name: raw(words) for name, words in entry["canary_pads"].items()},
        survivors=tuple(entry["survivors"]),
        confirmed=None if entry["confirmed"] is None else Confirm.decode(raw(entry["confirmed"])),
        revealed=None if entry["revealed"] is None else Reveal.decode(raw(entry["revealed"])),
    )
