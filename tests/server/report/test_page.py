from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import json
import re

import pytest

from server.report import page
from tests.server.report.pages import NASTY, Reader, masked, render, run


@pytest.mark.parametrize(
    "names", [["A"], ["Aarhus", "Basel", "Coimbra"], [f"Hospital {i}" for i in range(30)]]
)
def test_page_is_well_formed_and_self_contained(names: list[str]) -> None:
    content = page.render(*run(names))
    read = Reader(content)
    assert content.startswith("<!DOCTYPE html>")
    for _, attributes in read.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert name != "style"
            if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
                assert value is not None
                assert value.startswith("data:")
    assert not re.search(r"https?:|@import|//[a-z]", content)
    assert not read.all("script")
    assert not read.all("iframe")


def test_policy_allows_the_style_sheet_and_nothing_remote() -> None:
    content = page.render(*run(["A", "B"]))
    policy = next(
        m["content"]
        for m in Reader(content).all("meta")
        if m.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    inside = content.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert content.index("Content-Security-Policy") < content.index("<style>")


def test_ids_are_unique_and_references_resolve() -> None:
    read = render(*run(["A", "B"]))
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for _, attributes in read.tags:
        for name in ("aria-labelledby", "for"):
            assert all(target in ids for target in (attributes.get(name) or "").split())


def test_accessibility() -> None:
    read = render(*run(["A", "B"]))
    assert read.all("html")[0]["lang"] == "en"
    assert len(read.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert all(a.get("scope") in ("col", "row") for a in read.all("th"))
    assert all(a.get("role") == "img" or a.get("aria-hidden") == "true" for a in read.all("svg"))
    assert all("alt" in a for a in read.all("img"))
    boxes = [a["id"] for a in read.all("input")]
    assert boxes == [a["for"] for a in read.all("label")] == ["see-truth", "see-prediction"]
    assert "hidden" not in json.dumps(read.all("input"))


def test_all_text_is_escaped_and_cleaned() -> None:
    report, rounds, examples = run([NASTY, "B"])
    report["study"] |= dict.fromkeys(
        ("name", "description", "task", "hash", "model", "strategy"), NASTY
    )
    report["sites"][NASTY]["reasons"] = [NASTY]
    report["excluded"] = {NASTY: NASTY}
    report["refused"] = [{"round": 1, "site": NASTY, "reason": NASTY}]
    report["privacy"] |= {
        "updates": NASTY,
        "statement": NASTY,
        "differential_privacy": {NASTY: NASTY},
    }
    report["compute"] = report["versions"] = {NASTY: NASTY}
    report |= {"status": NASTY, "engine": NASTY}
    report["metrics"]["federated"]["sites"]["B"][NASTY] = 1.0
    report["cross"]["metric"] = NASTY
    examples[0] |= {"site": NASTY, "caption": NASTY}
    content = page.render(report, rounds, examples)
    read = Reader(content)
    assert not read.all("script")
    assert not any(name.startswith("on") for _, a in read.tags for name in a)
    assert "<script>alert(1)</script>" in read.text
    assert content.encode("utf-8")
    assert not set(content) & {"\x00", "\u202e"}


def test_every_part_may_be_missing_or_null() -> None:
    report, rounds, examples = run(["A", "B"])
    for key in report:
        render({k: v for k, v in report.items() if k != key}, rounds, examples)
        render(report | {key: None}, rounds, examples)
    for key in rounds[0]:
        render(report, [r | {key: None} for r in rounds], examples)
    assert "Failed" in render({"status": "failed"}, [], []).text
    render({}, [], [])
    render({}, [{}], [{}])


def test_null_and_nan_become_dashes_and_never_reach_the_page() -> None:
    report, rounds, examples = run(["A", "B"])
    for model in ("federated", "local", "pooled"):
        for value in (None, float("nan"), float("inf"), "0.5"):
            changed = copy.deepcopy(report)
            changed["metrics"][model]["sites"]["A"]["dice"] = value
            changed["metrics"][model]["intervals"]["A"]["dice"] = [value, 0.5]
            changed["metrics"][model]["mean"]["dice"] = value
            read = render(changed, rounds, examples)
            assert "–" in read.texts
            assert not re.search(r"\b(nan|inf|None|null)\b", read.text)
    rounds[1]["loss"]["A"] = float("nan")
    rounds[1]["seconds"] = float("inf")
    assert not re.search(r"\b(nan|inf)\b", render(report, rounds, examples).text)


def test_figures_of_the_summary() -> None:
    text = render(*run(["A", "B"])).text
    for shown in (
        "0.850",
        "0.800",
        "0.860",
        "98.8 %",
        "2 of 2",
        "2 of them clearly",
        "3 min 12 s",
        "training 2 min 30 s",
        "4.1 MB",
        "2.0 MB up, 2.1 MB down",
    ):
        assert shown in text


def test_the_head_counts_who_and_what_is_missing() -> None:
    report, rounds, examples = run(["A", "B"])
    head = render(report, rounds, examples).text.split("In short")[0]
    assert "2 hospitals · 1 excluded · 2 images left out · segmentation" in head
    report["excluded"] = {}
    for row in report["sites"].values():
        row["left_out"] = 0
    head = render(report, rounds, examples).text.split("In short")[0]
    assert "2 hospitals · segmentation" in head


def test_what_was_not_compared_has_no_figure_and_a_command() -> None:
    report, rounds, examples = run(["A", "B"])
    report["metrics"] = {"federated": report["metrics"]["federated"]}
    del report["cross"]
    text = render(report, rounds, examples).text
    assert "consilium simulate STUDY --sites DIR --compare local,pooled" in text
    assert "Pooled images" not in text
    assert "How models travel" not in text
    assert "Federated against own" not in text


def test_masked_parts_may_be_missing_null_or_hostile() -> None:
    report, rounds = masked()
    for bad in (None, NASTY, 3, [], {}, [None], {NASTY: NASTY}, float("nan")):
        for part in ("points", "details", "kept"):
            render(report | {"privacy": report["privacy"] | {part: bad}}, rounds, [])
        for key in report["privacy"]["details"]:
            details = report["privacy"]["details"] | {key: bad}
            render(report | {"privacy": report["privacy"] | {"details": details}}, rounds, [])
        for key in ("secure", "void", "mean_loss", "validation_mean", "validation_hospitals"):
            read = render(report, [r | {key: bad} for r in rounds], [])
            assert not read.all("script")
            assert not re.search(r"\b(nan|null)\b", read.text)
        for key in rounds[1]["secure"]:
            render(report, [r | {"secure": (r["secure"] or {}) | {key: bad}} for r in rounds], [])
        render(report | {"totals": bad}, rounds, [])
        scores = report["metrics"]["federated"] | {"hospitals": bad}
        render(report | {"metrics": {"federated": scores}}, rounds, [])
    rounds[1]["secure"]["dropped"] = [NASTY]
    rounds[2]["void"] = NASTY
    report["privacy"]["points"] = dict.fromkeys(report["privacy"]["points"], NASTY)
    read = render(report, rounds, [])
    assert not read.all("script")
    assert read.text.count("<script>alert(1)</script>") == 6


def test_masked_page_is_well_formed_and_accessible() -> None:
    report, rounds = masked()
    read = render(report, rounds, [])
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    ids = [a["id"] for _, a in read.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {"results", "learning", "hospitals", "sums", "refused", "privacy"} <= set(ids)
    assert "–" in read.texts  # hd95 is nowhere defined


def test_long_runs_stay_small() -> None:
    assert len(page.render(*run(["A", "B", "C"], rounds=20_000))) < 400_000


def test_same_input_gives_the_same_page() -> None:
    assert page.render(*run(["A", "B"])) == page.render(*run(["A", "B"]))
