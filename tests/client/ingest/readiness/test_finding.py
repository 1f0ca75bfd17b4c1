"""A finding has the severity of the word that made it."""

from __future__ import annotations

from client.ingest.readiness import finding
from client.ingest.readiness.finding import SEVERITIES, Finding


def test_each_word_makes_its_severity_and_the_gravest_is_first() -> None:
    arguments = ("labels", "no labels", 3, "add labels")
    findings = [finding.stop(*arguments), finding.warn(*arguments), finding.info(*arguments)]
    assert tuple(entry.severity for entry in findings) == SEVERITIES
    assert findings[0] == Finding("stop", code="labels", what="no labels", count=3, do="add labels")
