from __future__ import annotations

from pathlib import Path

import pytest

from common.study import study as studies
from server.participants import Member, Participants
from server.report import disclosure
from server.report.disclosure import privacy
from tests.server import scenes
from tests.server.report.pages import CASES, OPENED
from tests.server.scenes import SITES


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
    sentence = privacy(study, scenes.roster(SITES[1:], True), [OPENED], {})["points"]["subtraction"]
    assert (
        "the numbers of patients and images of Aarhus and losses or metrics of Aarhus." in sentence
    )
    assert (
        "subtraction" not in privacy(study, scenes.roster(SITES[2:], True), [OPENED], {})["points"]
    )
    without = {
        **OPENED,
        "accepted": list(SITES[1:]),
        "secure": {**OPENED["secure"], "survivors": 4, "dropped": [SITES[0]]},
    }
    sentence = privacy(study, scenes.roster(SITES[2:], True), [OPENED, without], {})["points"][
        "subtraction"
    ]
    assert (
        "the number of training images of Aarhus and Basel and losses or metrics of Basel."
        in sentence
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
    entry = privacy(
        scenes.study(True, min_cohort=4, ring_bits=64), scenes.roster((), True), [OPENED], {}
    )
    assert "over at least 4 hospitals" in entry["statement"]
    assert (entry["details"]["min_cohort"], entry["details"]["ring_bits"]) == (4, 64)


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


def test_collusion_is_promised_for_the_smallest_sum() -> None:
    small = {
        "round": 2,
        "accepted": list(SITES[:3]),
        "secure": {"cohort": 20, "survivors": 3, "dropped": [], "attempts": 1, "exchanges": 3},
    }
    entry = privacy(scenes.study(True), scenes.roster((), True), [OPENED, small], {})
    assert "not promised against a server that works together with a hospital" in entry["statement"]


def test_a_round_that_came_unmasked_is_never_called_masked() -> None:
    bare = {"round": 2, "accepted": list(SITES), "secure": None, "void": ""}
    entry = privacy(scenes.study(True), scenes.roster(SITES, True), [OPENED, bare], {})
    assert (entry["updates"], entry["secure_aggregation"]) == ("plain", False)
    assert "neither masked nor noised" in entry["statement"]


def test_before_any_sum_nothing_is_said_to_have_been_opened() -> None:
    entry = privacy(scenes.study(True), scenes.roster((), True), [], {})
    assert "in this run none was opened" in entry["statement"]
    assert entry["details"]["smallest_sum"] is None
    assert privacy(scenes.study(True), Participants((), {}), [], {})["updates"] == "masked"


def test_counts_and_metrics_may_differ_in_what_is_shared() -> None:
    roster = scenes.roster(SITES, True)
    members = tuple(Member(m.node, m.site, {}, tells_metrics=True) for m in roster.members)
    sentence = privacy(
        scenes.study(True), Participants(members, {}, totals=roster.totals), [OPENED], {}
    )["points"]["shared"]
    assert sentence.startswith(
        "Numbers of patients and images left the hospitals in masked sums only; "
        "losses and metrics over many images were told"
    )
