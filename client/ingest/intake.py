"""What one run of an intake did: the ground on which the readiness report stands."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from client.ingest.case_annotations import WrittenTable
from client.ingest.case_facts import CaseFacts


@dataclass
class Intake:
    """What a run did, for the report.

    Attributes:
        cases: all that stand in the hospital's folder, of this and of earlier runs, by name without
            ending.
        fresh: how many of them this run took in.
        refused: ``(file below the source, public reason)``; stays at the hospital.
        aside: files passed over, by reason.
        changed: cases whose source has changed since it was taken in.
        unowned: cases of which neither a table nor a header says whose they are.
        tables: what was written of each table of the source.
        boxes: entries of boxes.json in the hospital's folder, by file.
        faults: tables and boxes that cannot be read.
        unmatched: rows and entries that fit no case.
        loose_masks: masks that belong to no case.
    """

    cases: dict[str, CaseFacts] = field(default_factory=dict)
    fresh: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    aside: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    unowned: int = 0
    tables: dict[str, WrittenTable] = field(default_factory=dict)
    boxes: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    unmatched: Counter[str] = field(default_factory=Counter)
    loose_masks: int = 0
