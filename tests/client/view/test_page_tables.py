"""Tables of the page: what they show of a study, a refusal, an approval and a rule."""

from __future__ import annotations

from datetime import UTC, datetime

from client.view import page_tables
from client.view.history import RunHistory
from client.view.status import PolicyRule, StudyApproval

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def approval(state: str, **fields: str) -> StudyApproval:
    values = {"study": "lungs", "digest": "ab" * 32, "by": "", "at": "", "until": "", "use": ""}
    return StudyApproval(**{**values, **fields}, state=state)


def test_what_left_in_clear_is_marked() -> None:
    run = RunHistory("run-7", study="<lungs>", left={"counts in clear": 1, "notes": 2})
    text = page_tables.runs([run], NOW)
    assert '<span class="look">counts in clear</span>, <span>notes</span>' in text
    assert "&lt;lungs&gt;" in text
    assert "No study has asked" in page_tables.runs([], NOW)


def test_of_many_runs_the_first_are_shown() -> None:
    text = page_tables.runs([RunHistory(f"run-{i}") for i in range(30)], NOW)
    assert "run-24<" in text and "run-25<" not in text and "The last 25 of 30" in text


def test_a_study_that_waits_comes_with_the_command() -> None:
    waiting = page_tables.approvals([approval("waits")])
    assert "waits for a person" in waiting and "consilium site approve" in waiting
    approved = page_tables.approvals([approval("approved", by="Dr. A", use="evaluate")])
    assert "scoring only" in approved and "consilium site approve" not in approved


def test_own_rules_are_counted_and_all_are_folded() -> None:
    rules = [PolicyRule("min_cohort", "5", "Fewest hospitals.", True)]
    rules.append(PolicyRule("hours", "[]", "Hours.", False))
    text = page_tables.policy(rules)
    assert "1 rule differs from how a policy is made" in text and "All 2 rules" in text
    assert "Every rule is as it was made" in page_tables.policy(rules[1:])
    assert "policy.toml cannot be read" in page_tables.policy([])
