from __future__ import annotations

import re

from tests.server.report.pages import masked, render, run


def test_hospitals_refusals_and_reasons_are_listed() -> None:
    report, rounds, examples = run(["A", "B"])
    report["refused"] *= 50
    text = render(report, rounds, examples).text
    assert "A: 1 image has no mask." in text
    assert "Ghent: 1 patient; at least 2 are needed." in text
    assert text.count("not finite") == 40
    assert "10 more are listed in rounds.jsonl" in text
    assert (
        "every update that arrived was used"
        in render(report | {"refused": []}, rounds, examples).text
    )


def test_hospitals_that_do_not_share_span_their_row_above_the_total() -> None:
    report, rounds = masked()
    read = render(report, rounds, [])
    assert [a["colspan"] for a in read.all("td") if a.get("class") == "rest"][:3] == ["5", "5", "5"]
    assert read.texts.count("not shared") == 3
    assert "1\u202f270" in read.texts
    assert "The last line was counted under masks" in read.text
    report["totals"] = {}
    assert "1\u202f270" not in render(report, rounds, []).texts


def test_commands_repeat_the_run() -> None:
    report, rounds, examples = run(["A", "B"])
    text = render(report, rounds, examples).text
    assert (
        "consilium simulate RUN/study.toml --sites DIR --engine inline --seed 7 "
        "--compare local,pooled"
    ) in text
    threads = [{"threads": 2, "sites": ["A", "B"]}]
    assert (
        "--seed 7 --threads 2 --compare"
        in render(report | {"computers": threads}, rounds, examples).text
    )
    for other in ([*threads, {"threads": 4}], [{"threads": "; rm"}], [2], [], {}, "x"):
        assert "--threads" not in render(report | {"computers": other}, rounds, examples).text
    assert "--engine ray" in render(report | {"engine": "ray"}, rounds, examples).text
    assert "; rm" not in " ".join(
        re.findall(
            r"consilium simulate.*",
            render(report | {"engine": "ray; rm", "seed": "; rm"}, rounds, examples).text,
        )
    )
