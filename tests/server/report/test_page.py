from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import json
import re
import struct
import zlib
from html.parser import HTMLParser
from typing import Any

import pytest

from common.quantities import size
from server.report import page
from server.report.style import CSS
from server.report.wording import duration, metric, shorten

VOID = {"meta", "link", "img", "input", "br", "hr"}
NASTY = "<script>alert(1)</script>\" onload=\"x' onerror='y&\x00\u202e\ud800"


class Reader(HTMLParser):
    """Collects tags, attributes and text, and fails on an unbalanced tag."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(content)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def png() -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    raw = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\x00\x80"))
        + chunk(b"IEND", b"")
    )
    return base64.b64encode(raw).decode()


def run(
    names: list[str], rounds: int = 6
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """A complete report, its rounds and examples."""

    def scores(shift: float) -> dict[str, Any]:
        sites = {
            s: {"dice": 0.8 + shift - 0.001 * i, "hd95": 5.0 - shift} for i, s in enumerate(names)
        }
        intervals = {s: {"dice": [v["dice"] - 0.02, v["dice"] + 0.02]} for s, v in sites.items()}
        return {
            "sites": sites,
            "mean": {"dice": 0.8 + shift, "hd95": 5.0 - shift},
            "intervals": intervals,
        }

    report = {
        "study": {
            "name": "Polyps",
            "description": "What it is",
            "task": "segmentation",
            "hash": "ab" * 32,
            "model": "unet",
            "strategy": "fedavg",
        },
        "status": "finished",
        "rounds": rounds,
        "rounds_planned": rounds,
        "seed": 7,
        "sites": {
            s: {
                "train": 90,
                "validation": 10,
                "test": 30,
                "patients": 6,
                "left_out": 1,
                "reasons": ["1 image has no mask."],
            }
            for s in names
        },
        "excluded": {"Ghent": "1 patient; at least 2 are needed."},
        "primary": "dice",
        "higher_is_better": {"dice": True, "hd95": False},
        "metrics": {"federated": scores(0.05), "local": scores(0.0), "pooled": scores(0.06)},
        "cross": {
            "metric": "dice",
            "models": [*names, "federated", "pooled"],
            "sites": names,
            "values": [
                [None if i == j + 1 else 0.1 * ((i + j) % 9) for j in range(len(names))]
                for i in range(len(names) + 2)
            ],
        },
        "seconds": {"total": 192.4, "training": 150.0, "overhead": 20.0},
        "bytes": {"up": 2_000_000, "down": 2_100_000},
        "refused": [
            {"round": 2, "site": names[0], "reason": "The update holds a value that is not finite."}
        ],
        "privacy": {
            "updates": "plain",
            "secure_aggregation": False,
            "differential_privacy": None,
            "statement": "Scans stayed at home.",
        },
        "compute": {"device": "cpu", "precision": "float32", "channels_last": True, "threads": 2},
        "versions": {"torch": "2.13.0"},
        "engine": "inline",
    }
    lines = [
        {
            "round": r,
            "seconds": 3.0,
            "training_seconds": 2.5,
            "loss": dict.fromkeys(names, 1 / r),
            "bytes": {"up": 10, "down": 12},
            "validation": {s: {"dice": 0.1 * r % 1} for s in names} if r % 2 == 0 else {},
        }
        for r in range(1, rounds + 1)
    ]
    return (
        report,
        lines,
        [
            {
                "site": names[0],
                "caption": "Dice 0.9",
                "image": png(),
                "truth": png(),
                "prediction": png(),
            }
        ],
    )


def render(*parts: Any) -> Reader:
    return Reader(page.render(*parts))


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


@pytest.mark.parametrize(
    "bad",
    [
        "",
        None,
        3,
        "javascript:alert(1)",
        'iVBORw0KGgo" onerror="x',
        "iVBORw0KGgo=\n",
        "R0lGODlh",
        png() + "<",
    ],
)
def test_only_png_images_are_embedded(bad: object) -> None:
    report, rounds, examples = run(["A"])
    assert len(render(report, rounds, examples).all("img")) == 3
    assert not render(report, rounds, [examples[0] | {"image": bad}]).all("img")
    assert len(render(report, rounds, [examples[0] | {"truth": bad}]).all("img")) == 2


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


def test_too_few_test_images_give_no_interval() -> None:
    report, rounds, examples = run(["A", "B"])
    report["sites"]["A"]["test"] = 4
    report["metrics"]["federated"]["intervals"]["A"]["dice"] = [0.0, 0.0]
    read = render(report, rounds, examples)
    assert "[0.000, 0.000]" not in read.text
    assert read.texts.count("too few patients for an interval") == 3
    assert read.texts.count("4 test images") == 2
    assert "A (n = 4)" in read.texts
    assert "30 test images" not in read.text
    assert "1 of them clearly" in read.text
    report["sites"]["A"]["test"] = 5
    assert "[0.000, 0.000]" in render(report, rounds, examples).text


def test_differences_never_contradict_the_printed_values() -> None:
    report, rounds, examples = run(["A"])
    for model, value in (("federated", 0.4804), ("local", 0.4796)):
        report["metrics"][model] |= {"sites": {"A": {"dice": value}}, "mean": {"dice": value}}
    text = render(report, rounds, examples).text
    assert "±0.000" in text
    assert "+0.001" not in text
    assert "0 of 1" in text


def test_what_was_not_compared_has_no_figure_and_a_command() -> None:
    report, rounds, examples = run(["A", "B"])
    report["metrics"] = {"federated": report["metrics"]["federated"]}
    del report["cross"]
    text = render(report, rounds, examples).text
    assert "consilium simulate STUDY --sites DIR --compare local,pooled" in text
    assert "Pooled images" not in text
    assert "How models travel" not in text
    assert "Federated against own" not in text


def test_results_name_every_metric_the_primary_first() -> None:
    read = render(*run(["A", "B"]))
    text = read.text
    assert text.index("How much of the outlined area") < text.index(
        "How far apart the two outlines"
    )
    assert "Lower is better." in text
    assert "clearly better" in text
    assert "[0.830, 0.870]" in text


def test_heat_map_frames_home_and_shades_by_value() -> None:
    report, rounds, examples = run(["A", "B"])
    report["cross"]["values"] = [[0.9, 0.1], [0.5, 0.9], [0.9, 0.9], [None, 0.9]]
    cells = [str(a["class"]) for a in render(report, rounds, examples).all("td") if "class" in a]
    assert cells == ["s8 own", "s0", "s4", "s8 own", "s8", "s8", "", "s8"]
    report["higher_is_better"] = {"dice": False}
    assert '<td class="s0 own">0.90' in page.render(report, rounds, examples)


def test_heat_map_does_not_magnify_noise() -> None:
    report, rounds, examples = run(["A", "B"])

    def shades(*values: float) -> list[str]:
        report["cross"]["values"] = [list(values[:2]), list(values[2:])]
        return [
            str(a["class"]).split()[0]
            for a in render(report, rounds, examples).all("td")
            if a.get("class")
        ]

    assert shades(0.479, 0.481, 0.48, 0.48) == ["s4"] * 4
    assert shades(0.0, 0.0, 0.0, 0.0) == ["s0"] * 4
    assert shades(1.0, 1.0, 1.0, 1.0) == ["s8"] * 4
    assert shades(0.4, 0.5, 0.5, 0.5) == ["s2", "s6", "s6", "s6"]
    assert shades(0.4, 0.6, 0.5, 0.5) == ["s0", "s8", "s4", "s4"]
    report["cross"]["metric"] = "hd95"
    assert shades(1.0, 1.1, 1.0, 1.0) == ["s8", "s0", "s8", "s8"]


def test_ragged_cross_values_do_not_break_the_page() -> None:
    report, rounds, examples = run(["A", "B"])
    for values in ([[0.5]], [[], None, [0.1] * 9], [[0.5, 0.5]] * 9):
        report["cross"]["values"] = values
        render(report, rounds, examples)


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


MASKED: dict[str, Any] = {
    "updates": "masked",
    "secure_aggregation": True,
    "differential_privacy": None,
    "statement": "One. Two.",
    "points": {
        "sums": "Sums only.",
        "collusion": "One may.",
        "shared": "Nothing.",
        "open": "The model.",
    },
    "details": {
        "ring_bits": 32,
        "min_cohort": 3,
        "hospitals": 3,
        "colluders": 0,
        "threshold": 2,
        "void_rounds": [3],
    },
    "kept": {"counts": ["A", "B", "C"], "metrics": ["A", "B", "C"]},
}


def masked() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A masked run of three hospitals that share nothing.

    Basel is missing in round 2, round 3 is void.
    """
    report, rounds, _ = run(["A", "B", "C"], rounds=4)
    report |= {
        "sites": {s: {} for s in "ABC"},
        "totals": {"train": 1270, "test": 90},
        "refused": [],
        "privacy": copy.deepcopy(MASKED),
    }
    report["metrics"] = {
        "federated": {
            "sites": {},
            "intervals": {},
            "mean": {"dice": 0.85, "hd95": None},
            "hospitals": 3,
        }
    }
    del report["cross"]
    for line in rounds:
        line |= {
            "loss": {},
            "mean_loss": 1 / line["round"],
            "secure": {"cohort": 3, "survivors": 3, "dropped": [], "attempts": 1, "exchanges": 3},
        }
        if line["validation"]:
            line |= {
                "validation": {},
                "validation_mean": {"dice": 0.2 * line["round"]},
                "validation_hospitals": 3,
            }
    rounds[1]["secure"] = {
        "cohort": 3,
        "survivors": 2,
        "dropped": ["B"],
        "attempts": 2,
        "exchanges": 8,
    }
    rounds[2] |= {"secure": None, "mean_loss": None, "void": "Too few are left."}
    return report, rounds


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


def test_hospitals_that_do_not_share_span_their_row_above_the_total() -> None:
    report, rounds = masked()
    read = render(report, rounds, [])
    assert [a["colspan"] for a in read.all("td") if a.get("class") == "rest"][:3] == ["5", "5", "5"]
    assert read.texts.count("not shared") == 3
    assert "1\u202f270" in read.texts
    assert "The last line was counted under masks" in read.text
    report["totals"] = {}
    assert "1\u202f270" not in render(report, rounds, []).texts


def test_secure_sums_list_every_round_that_was_not_smooth() -> None:
    report, rounds = masked()
    text = " ".join(render(report, rounds, []).text.split())
    assert "2 rounds all that were asked none 2 6" in text
    assert "Round 2 2 of 3 B 2 8" in text
    assert "Round 3 None. Too few are left." in text
    assert "All 4 rounds 1 came to nothing 1 hospital 4 14" in text
    assert "4 of 4 rounds · 1 of them came to nothing · 3 hospitals" in text
    assert "those that came to nothing are listed under Secure sums" in text
    smooth = [rounds[0], rounds[3]]
    text = " ".join(render(report, smooth, []).text.split())
    assert "2 rounds all that were asked none 2 6" in text
    assert "All 2 rounds" not in text


def test_long_troubled_runs_stay_small() -> None:
    report, rounds = masked()
    content = page.render(report, [rounds[2] | {"round": r} for r in range(1, 5000)], [])
    assert content.count("Too few are left.") == 40
    assert "4\u202f959 more rounds are listed in rounds.jsonl." in content


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


def test_one_hospital_alone_has_one_line() -> None:
    report, rounds, _ = run(["A"])
    for line in rounds:
        line["mean_loss"] = line["loss"]["A"]
        line["validation_mean"] = line["validation"].get("A", {})
    assert "thick line" not in render(report, rounds, []).text


def test_pictures_are_told_only_if_they_were_sent() -> None:
    report, rounds, examples = run(["A", "B"])
    sentence = "Pictures of computed phantoms were sent for this page; no patient is in them."
    assert sentence in render(report | {"pictures": True}, rounds, examples).text
    for other in (False, None, 1, "yes"):
        assert sentence not in render(report | {"pictures": other}, rounds, []).text
    assert sentence not in render(report, rounds, []).text


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


def test_long_runs_stay_small() -> None:
    assert len(page.render(*run(["A", "B", "C"], rounds=20_000))) < 400_000


def test_same_input_gives_the_same_page() -> None:
    assert page.render(*run(["A", "B"])) == page.render(*run(["A", "B"]))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definition)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_contrast_of_text_and_shades_in_light_and_dark() -> None:
    def colours(block: str) -> dict[str, str]:
        found = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", block))
        return {
            k: v if len(v) == 7 else "#" + "".join(c * 2 for c in v[1:]) for k, v in found.items()
        }

    blocks = [m.group(1) for m in re.finditer(r":root\{(.*?)\}", CSS)]
    shades = re.findall(r"\.s\d\{background:(#\w{6});color:var\(--(\w+)\)\}", CSS)
    assert len(blocks) == 2
    assert len(shades) == 18
    for block, ramp in zip(blocks, (shades[:9], shades[9:]), strict=True):
        known = colours(block)
        pairs = [(known[k], known["paper"]) for k in ("ink", "soft", "blue", "ochre", "pool")] + [
            (known[text], back) for back, text in ramp
        ]
        for text, back in pairs:
            high, low = sorted((luminance(text), luminance(back)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)


def test_words() -> None:
    assert [duration(s) for s in (0.84, 48.2, 192, 7500, None)] == [
        "0.8 s",
        "48 s",
        "3 min 12 s",
        "2 h 05 min",
        "–",
    ]
    assert [size(b) for b in (0, 812, 4_100, 206_000_000, 3e12, None)] == [
        "0 B",
        "812 B",
        "4.1 kB",
        "206 MB",
        "3.0 TB",
        "–",
    ]
    assert metric("hd95").difference(-0.004) == "±0.00"
    assert metric("dice").difference(-0.05) == "−0.050"
    assert metric("dice_core").name == "Dice, core"
    assert metric("novel").name == "novel"
    assert shorten("Universitätsklinikum Hamburg A", 12) == "Universi…g A"
    assert len(shorten("x" * 50, 10)) == 10
