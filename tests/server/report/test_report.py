"""What a run leaves behind, plain and under masks.

The four combinations of what the server may know, written and read back.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from common.study import study as studies
from server.participants import Member, Participants
from server.report import disclosure, report
from server.report.disclosure import privacy
from tests.server import scenes
from tests.server.scenes import COUNTS, DICE, LOSS, SITES

CASES: dict[str, dict[str, Any]] = {
    "plain": {"shared": SITES, "masked": False},
    "all shared": {"shared": SITES, "masked": True},
    "some shared": {"shared": SITES[:2], "masked": True},
    "nothing shared": {"shared": (), "masked": True, "compare": False},
    "void and dropped": {"shared": (), "masked": True, "compare": False, "rough": True},
}
CONTRACT = ("study", "rounds", "seed", "sites", "metrics", "seconds", "bytes", "privacy")
OPENED: dict[str, Any] = {
    "round": 1,
    "accepted": list(SITES),
    "secure": {"cohort": 5, "survivors": 5, "dropped": [], "attempts": 1, "exchanges": 3},
}


def shown(page: str) -> str:
    """The words of a page, without the style sheet and without markup.

    Narrow spaces in numbers are taken out.
    """
    words = re.sub(r"<[^>]*>", " ", page.split("</style>")[1])
    return re.sub(r"(?<=\d)\u202f(?=\d)", "", words)


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
    said, words = report["privacy"]["statement"], shown(page)
    assert (report["privacy"]["updates"], report["privacy"]["secure_aggregation"]) == (
        "masked",
        True,
    )
    assert (
        "can read only sums of them over at least 3 hospitals; the smallest in this run is over 5."
        in said
    )
    assert "were told to the server by every hospital for itself" in said
    assert "models for comparison, which only a simulation trains, were not masked" in said
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


def test_nothing_shared_claims_no_difference_between_hospitals(tmp_path: Path) -> None:
    _, _, page = scenes.finish(tmp_path, **CASES["nothing shared"])
    words = shown(page)
    assert "reaches a mean Dice of 0.875 over 5 hospitals." in words
    assert "it is not known how they differ" in words
    for claim in (
        "Hospital by hospital",
        "Hospitals that gain",
        "clearly",
        "helped",
        "Whiskers",
        "How models travel",
    ):
        assert claim not in words


def test_the_learning_curve_is_there_without_any_hospitals_own(tmp_path: Path) -> None:
    _, lines, page = scenes.finish(tmp_path, **CASES["nothing shared"])
    assert [line["round"] for line in lines if "validation_mean" in line] == [2, 4, 6, 8]
    assert all(line["validation_hospitals"] == 5 for line in lines if "validation" in line)
    assert "No validation points" not in page
    assert (
        page.count('<g class="curve main"><title>mean</title><path') == 4
    )  # validation and loss, wide and narrow
    assert 'class="curve thin"' not in page


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


def test_what_subtraction_tells_is_said(tmp_path: Path) -> None:
    report, _, page = scenes.finish(tmp_path, **CASES["void and dropped"])
    sentence = (
        "By subtracting sums from each other, and what hospitals told from sums, "
        "the server can work out the number of training images of Basel."
    )
    assert sentence in report["privacy"]["statement"]
    assert sentence in page
    assert (
        "subtraction"
        not in scenes.finish(tmp_path, **CASES["nothing shared"])[0]["privacy"]["points"]
    )
    shared = CASES["void and dropped"] | {"shared": SITES}
    assert "subtraction" not in scenes.finish(tmp_path, **shared)[0]["privacy"]["points"]


def test_the_only_one_that_keeps_its_numbers_is_told_that_they_follow() -> None:
    study = scenes.study(True)
    said = privacy(study, scenes.roster(SITES[1:], True), [OPENED], {})["points"]["subtraction"]
    assert "the numbers of patients and images of Aarhus and losses or metrics of Aarhus." in said
    assert (
        "subtraction" not in privacy(study, scenes.roster(SITES[2:], True), [OPENED], {})["points"]
    )
    without = {
        **OPENED,
        "accepted": list(SITES[1:]),
        "secure": {**OPENED["secure"], "survivors": 4, "dropped": [SITES[0]]},
    }
    said = privacy(study, scenes.roster(SITES[2:], True), [OPENED, without], {})["points"][
        "subtraction"
    ]
    assert (
        "the number of training images of Aarhus and Basel and losses or metrics of Basel." in said
    )


def test_solvable_finds_exactly_what_the_sums_determine() -> None:
    assert disclosure.solvable("abcd", []) == set()
    assert disclosure.solvable("abcd", ["abcd", "bcd"]) == {"a"}
    assert disclosure.solvable("abcd", ["ab"]) == set()
    assert disclosure.solvable("abcd", ["ab", "bc"]) == set()
    assert disclosure.solvable("abc", ["ab", "bc"]) == {"a", "b", "c"}
    assert disclosure.solvable("abcd", ["abc", "ab", "cd"]) == {"c", "d"}
    assert disclosure.solvable("a", []) == {"a"}
    assert disclosure.solvable("", []) == set()


def test_equal_weights_give_nothing_to_subtract() -> None:
    missed = {
        **OPENED,
        "accepted": list(SITES[1:]),
        "secure": {**OPENED["secure"], "survivors": 4, "dropped": [SITES[0]]},
    }
    study = scenes.study(True)
    roster = scenes.roster((), True)
    assert "training images of Aarhus" in privacy(study, roster, [OPENED, missed], {})["statement"]
    study = studies.parse({**study.to_table(), "federation": {"rounds": 8, "weight": "equal"}})
    assert "subtraction" not in privacy(study, roster, [OPENED, missed], {})["points"]


def test_the_smallest_sum_follows_the_study() -> None:
    found = privacy(
        scenes.study(True, min_cohort=4, ring_bits=64), scenes.roster((), True), [OPENED], {}
    )
    assert "over at least 4 hospitals" in found["statement"]
    assert (found["details"]["min_cohort"], found["details"]["ring_bits"]) == (4, 64)


@pytest.mark.parametrize(
    ("colluders", "words"),
    [
        (-1, "if one hospital of 5 worked together with the server"),
        (0, "not promised against a server that works together with a hospital"),
        (2, "if up to 2 hospitals of 5 worked together with the server"),
        (
            4,
            "if up to 3 hospitals of 5 worked together with the server",
        ),  # with four of five, the fifth would be alone
    ],
)
def test_collusion_is_promised_only_as_far_as_it_holds(colluders: int, words: str) -> None:
    assert (
        words
        in privacy(scenes.study(True, colluders=colluders), scenes.roster((), True), [OPENED], {})[
            "statement"
        ]
    )


def test_a_round_that_came_unmasked_is_never_called_masked() -> None:
    bare = {"round": 2, "accepted": list(SITES), "secure": None, "void": ""}
    found = privacy(scenes.study(True), scenes.roster(SITES, True), [OPENED, bare], {})
    assert (found["updates"], found["secure_aggregation"]) == ("plain", False)
    assert "neither masked nor noised" in found["statement"]


def test_before_any_sum_nothing_is_said_to_have_been_opened() -> None:
    found = privacy(scenes.study(True), scenes.roster((), True), [], {})
    assert "in this run none was opened" in found["statement"]
    assert found["details"]["smallest_sum"] is None
    assert privacy(scenes.study(True), Participants((), {}), [], {})["updates"] == "masked"


def test_counts_and_metrics_may_differ_in_what_is_shared() -> None:
    told = scenes.roster(SITES, True)
    members = tuple(Member(m.node, m.site, {}, tells_metrics=True) for m in told.members)
    said = privacy(scenes.study(True), Participants(members, {}, totals=told.totals), [OPENED], {})[
        "points"
    ]["shared"]
    assert said.startswith(
        "Numbers of patients and images left the hospitals in masked sums only; "
        "losses and metrics over many images were told"
    )


def test_totals_are_added_up_only_where_every_hospital_told(tmp_path: Path) -> None:
    found, _, _ = scenes.finish(tmp_path, **CASES["plain"])
    assert found["totals"]["patients"] == sum(scenes.counts(s)["patients"] for s in SITES)
    content = report.assemble(
        scenes.study(True), "failed", scenes.roster(SITES[:2], False), [], {}, None, 1.0, {}, {}
    )
    assert content["totals"] == {}
    assert content["sites"]["Aarhus"]["train"] == COUNTS["Aarhus"]


def test_collusion_is_promised_for_the_smallest_sum() -> None:
    small = {
        "round": 2,
        "accepted": list(SITES[:3]),
        "secure": {"cohort": 20, "survivors": 3, "dropped": [], "attempts": 1, "exchanges": 3},
    }
    found = privacy(scenes.study(True), scenes.roster((), True), [OPENED, small], {})
    assert "not promised against a server that works together with a hospital" in found["statement"]
