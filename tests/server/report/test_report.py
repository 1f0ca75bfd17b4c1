"""What a run leaves behind, plain and under masks.

The four combinations of what the server may know, written and read back.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from server.report import report
from tests.server import scenes
from tests.server.report.pages import CASES, shown
from tests.server.scenes import COUNTS, DICE, LOSS, SITES

CONTRACT = ("study", "rounds", "seed", "sites", "metrics", "seconds", "bytes", "privacy")


@pytest.mark.parametrize("case", CASES)
def test_the_outside_contract_holds(tmp_path: Path, case: str) -> None:
    report, lines, page = scenes.finish(tmp_path, **CASES[case])
    assert set(CONTRACT) <= set(report)
    assert set(report["study"]) >= {"name", "task", "hash"}
    assert list(report["sites"]) == list(SITES)
    assert set(report["metrics"]["federated"]) == {"sites", "mean", "intervals", "hospitals"}
    assert report["metrics"]["federated"]["hospitals"] == 5
    assert report["metrics"]["federated"]["mean"]["dice"] == pytest.approx(sum(DICE.values()) / 5)
    assert report["totals"]["train"] == sum(COUNTS.values())
    assert set(report["privacy"]) >= {
        "updates",
        "secure_aggregation",
        "differential_privacy",
        "statement",
    }
    assert report["privacy"]["differential_privacy"] is None
    assert len(lines) == report["rounds"] == 8
    assert page.startswith("<!DOCTYPE html>")


def test_plain_says_that_changes_could_be_read(tmp_path: Path) -> None:
    report, _, page = scenes.finish(tmp_path, **CASES["plain"])
    assert (report["privacy"]["updates"], report["privacy"]["secure_aggregation"]) == (
        "plain",
        False,
    )
    assert "neither masked nor noised" in report["privacy"]["statement"]
    assert "Secure sums" not in page
    assert "under masks" not in page
    assert "sent as they are, not masked" in page


def test_all_shared_keeps_single_hospitals_and_says_who_told(tmp_path: Path) -> None:
    report, _, page = scenes.finish(tmp_path, **CASES["all shared"])
    statement = report["privacy"]["statement"]
    words = shown(page)
    assert (report["privacy"]["updates"], report["privacy"]["secure_aggregation"]) == (
        "masked",
        True,
    )
    assert (
        "can read only sums of them over at least 3 hospitals; the smallest in this run is over 5."
        in statement
    )
    assert "were told to the server by every hospital for itself" in statement
    assert "models for comparison, which only a simulation trains, were not masked" in statement
    assert all(str(COUNTS[s]) in words and f"{DICE[s]:.3f}" in words for s in SITES)
    assert "not shared" not in words
    assert "Hospital by hospital" in words
    assert report["privacy"]["kept"] == {"counts": [], "metrics": []}


@pytest.mark.parametrize("case", ["nothing shared", "void and dropped"])
def test_nothing_shared_holds_no_hospitals_number(tmp_path: Path, case: str) -> None:
    report, lines, page = scenes.finish(tmp_path, **CASES[case])
    assert report["sites"] == {s: {} for s in SITES}
    assert (
        report["metrics"]["federated"]["sites"] == report["metrics"]["federated"]["intervals"] == {}
    )
    assert all(
        line["loss"] == line["weights"] == line.get("validation", {}) == {} for line in lines
    )
    words, everything = shown(page), json.dumps([report, lines])
    for site in SITES:
        own = [str(n) for n in scenes.counts(site).values() if n > 99] + [
            f"{v:.{n}f}" for v in (DICE[site], LOSS[site]) for n in (3, 4)
        ]
        for number in own:
            assert not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", words), (site, number)
            assert not re.search(rf"(?<![\d.]){re.escape(number)}(?![\d.])", everything), (
                site,
                number,
            )
    assert words.count("not shared") == len(SITES)
    assert str(report["totals"]["train"]) in words
    assert "Means over 5 hospitals, summed under masks" in words
    assert "summed under masks; single hospitals&#x27; values are not known" in words
    assert "left the hospitals in masked sums only" in words


def test_some_shared_shows_those_and_names_the_others(tmp_path: Path) -> None:
    report, _, page = scenes.finish(tmp_path, **CASES["some shared"])
    words = shown(page)
    assert report["privacy"]["kept"] == {"counts": list(SITES[2:]), "metrics": list(SITES[2:])}
    assert (
        "by 2 of 5 hospitals for themselves, and left the others in masked sums only"
        in report["privacy"]["statement"]
    )
    assert all(str(COUNTS[s]) in words for s in SITES[:2])
    assert not any(str(COUNTS[s]) in words or f"{DICE[s]:.3f}" in words for s in SITES[2:])
    assert words.count("not shared") == 3 + 2 * 3  # counts, and two metrics
    assert "thin lines are the 2 hospitals that share their own" in words
    assert "masked at 3 of 5 hospitals" in words
    assert re.search(r"Mean of all 5 hospitals\s+0\.875\s+–\s+–\s+–", words)
    assert re.search(r"Mean of these 2\s+0\.826\s+0\.776\s+0\.836\s+\+0\.050", words)


def test_void_rounds_and_dropouts_are_told(tmp_path: Path) -> None:
    report, lines, page = scenes.finish(tmp_path, **CASES["void and dropped"])
    details, words = report["privacy"]["details"], shown(page)
    assert details == {
        "ring_bits": 32,
        "min_cohort": 3,
        "hospitals": 5,
        "colluders": 1,
        "threshold": 4,
        "rounds": 6,
        "void_rounds": [4, 8],
        "smallest_sum": 4,
        "attempts": 7,
        "exchanges": 20,
        "dropped": {"Basel": 2},
    }
    assert lines[3]["void"] == scenes.VOID
    assert "8 of 8 rounds · 2 of them came to nothing" in words
    assert words.count(scenes.VOID) == 2
    assert re.search(r"4 rounds\s+all that were asked\s+none\s+4\s+12", words)
    assert re.search(r"Round 7\s+4 of 5\s+Basel\s+2\s+5", words)
    assert re.search(r"All 8 rounds\s+2 came to nothing\s+1 hospital\s+7\s+20", words)
    assert "The line breaks where a round came to nothing." in words
    assert "every update that arrived was used" not in words


def test_totals_are_added_up_only_where_every_hospital_told(tmp_path: Path) -> None:
    told_by_all, _, _ = scenes.finish(tmp_path, **CASES["plain"])
    assert told_by_all["totals"]["patients"] == sum(scenes.counts(s)["patients"] for s in SITES)
    content = report.assemble(
        scenes.study(True), "failed", scenes.roster(SITES[:2], False), [], {}, None, 1.0, {}, {}
    )
    assert content["totals"] == {}
    assert content["sites"]["Aarhus"]["train"] == COUNTS["Aarhus"]
