from __future__ import annotations

from server.report import page
from tests.server.report.pages import masked, render, run


def test_privacy_says_what_was_off_and_that_it_was_a_simulation() -> None:
    report, rounds, examples = run(["A", "B"])
    text = render(report, rounds, examples).text
    assert "Scans stayed at home." in text
    assert "off: the server can read each hospital's change" in text
    assert "no formal bound" in text
    assert "simulation" in text
    report |= {
        "engine": "deployment",
        "privacy": {"secure_aggregation": True, "differential_privacy": {"epsilon": 3.1}},
    }
    text = render(report, rounds, examples).text
    assert "the server can read sums only" in text
    assert "epsilon 3.1" in text
    assert "This run was a simulation" not in text


def test_privacy_under_masks_explains_its_sentences() -> None:
    report, rounds = masked()
    text = render(report, rounds, []).text
    for sentence, heading in (
        ("Sums only.", "What the server can read"),
        ("One may.", "Who would have to work together"),
        ("Nothing.", "What hospitals told of themselves"),
        ("The model.", "What is not protected"),
    ):
        assert text.index(heading) < text.index(sentence)
    assert "What several sums tell together" not in text
    assert "signatures and shares of 2 of 3 hospitals" in text
    assert "no hospital working together with the server" in text
    assert "numbers of patients and images, masked" in text
    del report["privacy"]["points"]
    assert "One. Two." in render(report, rounds, []).text


def test_secure_sums_list_every_round_with_trouble() -> None:
    report, rounds = masked()
    text = " ".join(render(report, rounds, []).text.split())
    assert "2 rounds all that were asked none 2 6" in text
    assert "Round 2 2 of 3 B 2 8" in text
    assert "Round 3 None. Too few are left." in text
    assert "All 4 rounds 1 came to nothing 1 hospital 4 14" in text
    assert "4 of 4 rounds · 1 of them came to nothing · 3 hospitals" in text
    assert "those that came to nothing are listed under Secure sums" in text
    untroubled = [rounds[0], rounds[3]]
    text = " ".join(render(report, untroubled, []).text.split())
    assert "2 rounds all that were asked none 2 6" in text
    assert "All 2 rounds" not in text


def test_long_troubled_runs_stay_small() -> None:
    report, rounds = masked()
    content = page.render(report, [rounds[2] | {"round": r} for r in range(1, 5000)], [])
    assert content.count("Too few are left.") == 40
    assert "4\u202f959 more rounds are listed in rounds.jsonl." in content


def test_pictures_are_told_only_if_they_were_sent() -> None:
    report, rounds, examples = run(["A", "B"])
    sentence = "Pictures of computed phantoms were sent for this page; no patient is in them."
    assert sentence in render(report | {"pictures": True}, rounds, examples).text
    for other in (False, None, 1, "yes"):
        assert sentence not in render(report | {"pictures": other}, rounds, []).text
    assert sentence not in render(report, rounds, []).text
