"""What a run did starts from nothing, for every run anew."""

from __future__ import annotations

from client.ingest.intake import Intake


def test_two_intakes_share_nothing() -> None:
    one = Intake()
    other = Intake()
    one.refused.append(("a.png", "damaged"))
    one.unmatched["labels.csv"] += 1
    one.aside["archives"] += 2
    assert other == Intake()
    assert not other.refused and not other.unmatched and not other.aside
