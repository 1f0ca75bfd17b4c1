"""The attacks in their short form, and that the suite can fail."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from common.secagg.terms import Limits
from tests.redteam import __main__ as door
from tests.redteam import curious, suite
from tests.redteam.attack import Attack, changed, judge
from tests.redteam.drive import Sum
from tests.redteam.keys import UNSIGNED, forged_keys
from tests.redteam.stage import NAMES, PATIENTS, RefusedError, Stage

NOTHING = changed(Limits, "check", ("if strangers:", "if strangers:"))


@pytest.mark.parametrize("attack", suite.ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_it_fails_and_would_succeed_without_the_defence(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curious, "WORDS", 1_000_000)
    verdict = judge(attack)
    assert verdict.ok, verdict.line()


def test_every_attack_has_a_name_of_its_own() -> None:
    names = [attack.name for attack in suite.ATTACKS]
    assert len(set(names)) == len(names) >= 40


def test_honest_hospitals_open_an_honest_sum(tmp_path: Path) -> None:
    lanes = Sum(Stage(tmp_path)).keys().deal().tally().open(NAMES)
    assert lanes["patients"] == sum(PATIENTS.values())


def test_an_attack_that_succeeds_is_not_ok() -> None:
    with ExitStack() as switches:
        UNSIGNED(switches)
        verdict = judge(Attack("forged", forged_keys, NOTHING))
    assert (verdict.succeeded, verdict.control, verdict.ok) == (True, True, False)


def test_an_attack_whose_control_fails_is_not_ok() -> None:
    verdict = judge(Attack("forged", forged_keys, NOTHING))
    assert (verdict.succeeded, verdict.control, verdict.ok) == (False, False, False)


def test_a_refusal_that_is_not_written_down_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stage, "noted", lambda self, refusal=None: False)
    verdict = judge(Attack("forged", forged_keys, UNSIGNED))
    assert (verdict.succeeded, verdict.control, verdict.audit, verdict.ok) == (
        False,
        True,
        False,
        False,
    )


def test_a_journal_that_lacks_a_line_is_noticed(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with pytest.raises(RefusedError) as refused:
        forged_keys(stage)
    assert stage.noted(refused.value)
    (tmp_path / "ash" / "journal.jsonl").write_text("")
    assert not stage.noted(refused.value)


def test_a_check_that_is_gone_cannot_be_switched_off() -> None:
    with ExitStack() as switches, pytest.raises(LookupError, match="0 times"):
        changed(Limits, "check", ("if the moon is full:", "pass"))(switches)


def test_the_command_prints_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert door.main(["threshold above", "low threshold"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["attack"] for line in lines] == [
        "low threshold: two of four",
        "threshold above the cohort",
    ]
    assert set(lines[0]) == {
        "attack",
        "adversary",
        "succeeded",
        "refused_by",
        "audit",
        "control",
        "limit",
        "ok",
    }


def test_the_command_fails_with_an_attack(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(suite, "ATTACKS", (Attack("forged", forged_keys, NOTHING),))
    assert door.main([]) == 1
    assert door.main(["tidal wave"]) == 2
    assert "there are: forged" in capsys.readouterr().err
