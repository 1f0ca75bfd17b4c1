"""Invented reports for the tests of the page, and the page read back."""

from __future__ import annotations

import base64
import copy
import re
import struct
import zlib
from html.parser import HTMLParser
from typing import Any

from server.report import page
from tests.server.scenes import SITES

VOID = {"meta", "link", "img", "input", "br", "hr"}
NASTY = "<script>alert(1)</script>\" onload=\"x' onerror='y&\x00\u202e\ud800"
"""A name that would break out of markup, hide, or turn the direction of the text."""
CASES: dict[str, dict[str, Any]] = {
    "plain": {"shared": SITES, "masked": False},
    "all shared": {"shared": SITES, "masked": True},
    "some shared": {"shared": SITES[:2], "masked": True},
    "nothing shared": {"shared": (), "masked": True, "compare": False},
    "void and dropped": {"shared": (), "masked": True, "compare": False, "rough": True},
}
"""What the server may know of a run: arguments of the scene that finishes it."""
OPENED: dict[str, Any] = {
    "round": 1,
    "accepted": list(SITES),
    "secure": {"cohort": 5, "survivors": 5, "dropped": [], "attempts": 1, "exchanges": 3},
}
"""A round in which five hospitals were summed."""
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


def shown(page: str) -> str:
    """The words of a page, without the style sheet and without markup.

    Narrow spaces in numbers are taken out.
    """
    words = re.sub(r"<[^>]*>", " ", page.split("</style>")[1])
    return re.sub(r"(?<=\d)\u202f(?=\d)", "", words)
