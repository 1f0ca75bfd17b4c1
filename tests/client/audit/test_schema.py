"""An entry of the audit log holds what stands in its table and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.audit import log as audit_log
from client.audit import schema, verification
from client.audit.schema import EntryError
from tests.client import record


@pytest.mark.parametrize(
    "values",
    [
        {"patient": "MUELLER^HANS"},
        {"event": "scanned", "kind": "train"},
        {"event": ["clipped"]},
        {"event": "stopped", "left": ["vector"]},
        {"kind": "train", "path": "/data/MUELLER.dcm"},
        {"kind": b"train"},
        {"kind": "x" * 1001},
        {"round": 1.5},
        {"round": True},
        {"digest": "MUELLER^HANS"},
        {"left": "vector"},
        {"left": [1]},
        {"seconds": float("nan")},
        {"event": "heads", "heads": {"south": ["3", "ab"]}},
        {"event": "heads", "heads": {"south": [3, "MUELLER"]}},
        {"event": "patient withdrawn", "patients": "4711"},
        {"seq": 7},
        {"prev": "ab"},
        {"at": "2026-01-01T00:00:00+00:00"},
    ],
)
def test_what_has_no_place_in_an_entry_is_refused_and_nothing_is_written(
    tmp_path: Path, values: dict[str, object]
) -> None:
    with pytest.raises(EntryError) as refused:
        audit_log.note(tmp_path, **values)
    assert "MUELLER" not in str(refused.value) and not (tmp_path / audit_log.NAME).exists()


def test_every_event_that_is_listed_can_be_written(tmp_path: Path) -> None:
    for event in schema.EVENTS:
        audit_log.note(tmp_path, event=event)
    assert [line["event"] for line in record.lines(tmp_path)] == list(
        schema.EVENTS
    ) and verification.verify(tmp_path).wrong == []
