"""readiness.html: what a hospital has and what stands in the way, for people.

The page is one file; it needs no script, no network and no other file.

As in every page of ours, a Content-Security-Policy allows nothing but the style sheet inside (by
its SHA-256).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.html import document, escape, section, style, svg

_WORDS = {"stop": "Stop", "warn": "Look", "info": "Note"}
_WIDTH = 640
_LABEL = 200
_NUMBER = 70
_ROW = 24
_HEIGHT = 140
_LONGEST = 30
_CSS = style(
    "--ochre:#a3560a;--red:#a3261b;",
    "--red:#f08a7e;",
    """
main,header,footer{max-width:60rem}
header{padding-top:3.5rem;padding-bottom:1.5rem}
h1{font-size:2.3rem;line-height:1.15;margin:.3rem 0}
h2{font-size:1.25rem;margin:0 0 1rem}
section{padding:2.2rem 0;border-top:1px solid var(--rule)}
.note,figcaption,footer{color:var(--soft);font-size:.875rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));
gap:1.2rem;margin:1.5rem 0 0}
.figures dt{font-size:.875rem;color:var(--soft)}
.figures dd{margin:0;font:500 1.7rem/1.3 var(--serif);font-variant-numeric:lining-nums}
ul.found{list-style:none;margin:0;padding:0}
ul.found li{display:grid;grid-template-columns:4rem minmax(0,1fr);
gap:0 1rem;padding:.7rem 0;border-bottom:1px solid var(--rule)}
ul.found b{font-weight:600}
.stop b{color:var(--red)}
.warn b{color:var(--ochre)}
.info b{color:var(--soft)}
.do{color:var(--soft);display:block;font-size:.92rem}
figure{margin:0 0 2rem}
figcaption{margin:0 0 .4rem}
svg{width:100%;max-width:44rem;height:auto;display:block;font:13px var(--sans)}
svg text{fill:var(--ink)}
svg .soft{fill:var(--soft)}
.bar{fill:var(--blue)}
.rule{stroke:var(--rule)}
footer{padding-top:1rem;padding-bottom:3rem}
@media (max-width:34rem){main,header,footer{padding-left:1rem;padding-right:1rem}
ul.found li{grid-template-columns:1fr}}
""",
)


def render(report: Mapping[str, Any]) -> str:
    """The whole page from the content of readiness.json."""
    parts = (
        section("findings", "What was found", _findings(report["findings"])),
        section("labels", "Labels", *_labels(report)),
        section("images", "Images", *_images(report)),
        section("values", "Intensities", *_values(report["histograms"])),
        section("split", "How a study would part the patients", *_split(report["split"])),
    )
    foot = (
        "This page is the hospital's own. It names no patient and no file, "
        "but it holds small counts: do not pass it on."
    )
    body = f"{_title(report)}<main>{''.join(parts)}</main><footer>{escape(foot)}</footer>"
    return document(f"{report['site']} – readiness", _CSS, body)


def _title(report: Mapping[str, Any]) -> str:
    waiting = sum(report["quarantined"].values())
    figures = {
        "Images": report["cases"],
        "Patients": report["patients"],
        "In quarantine": waiting,
        "Taken in now": report["taken_in_now"],
    }
    shown = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{count}</dd></div>" for name, count in figures.items()
    )
    stops = sum(finding["severity"] == "stop" for finding in report["findings"])
    verdict = (
        "Ready for studies."
        if not stops
        else f"Not ready: {stops} {'thing stands' if stops == 1 else 'things stand'} in the way."
    )
    return (
        '<header><p class="mark">Consilium · readiness of a hospital</p>'
        f"<h1>{escape(report['site'])}</h1><p>{escape(verdict)}</p>"
        f'<dl class="figures">{shown}</dl></header>'
    )


def _findings(findings: Sequence[Mapping[str, Any]]) -> str:
    if not findings:
        return "<p>Nothing.</p>"
    rows = []
    for finding in findings:
        words = f"{finding['what']} ({finding['count']})" if finding["count"] else finding["what"]
        rows.append(
            f'<li class="{escape(finding["severity"])}"><b>{_WORDS[finding["severity"]]}</b>'
            f"<span>{escape(_capital(words))}."
            f'<span class="do">{escape(_capital(finding["do"]))}.</span></span></li>'
        )
    return f'<ul class="found">{"".join(rows)}</ul>'


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _labels(report: Mapping[str, Any]) -> list[str]:
    shown = []
    for i, (column, balance) in enumerate(report["labels"].items()):
        counts = {value: entry["images"] for value, entry in balance.items()}
        shown.append(_bars(f"label{i}", f"Images by {column}", counts))
    if report["boxes"]:
        shown.append(_bars("boxes", "Boxes by label", report["boxes"]))
    if report["masks"]:
        shown.append(
            _bars(
                "masks",
                "Images with a mask",
                {"with": report["masks"], "without": report["cases"] - report["masks"]},
            )
        )
    return shown


def _images(report: Mapping[str, Any]) -> list[str]:
    titles = {
        "modalities": "Modality or format",
        "scanners": "Scanners",
        "shapes": "Sizes in pixels",
        "spacings": "Spacings",
        "channels": "Channels",
    }
    return [_bars(name, title, report[name]) for name, title in titles.items()]


def _values(histograms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        _histogram(
            f"values{i}",
            f"{kind}: share of pixels by value",
            low=group["low"],
            high=group["high"],
            share=group["share"],
        )
        for i, (kind, group) in enumerate(histograms.items())
    ]


def _split(parts: Mapping[str, Mapping[str, int]]) -> list[str]:
    if not parts:
        return []
    note = "With the default shares and seed 1, by patient; each study draws its own."
    return [
        f'<p class="note">{escape(note)}</p>',
        _bars("split", "Patients", {part: counts["patients"] for part, counts in parts.items()}),
    ]


def _bars(name: str, title: str, counts: Mapping[str, int]) -> str:
    """One horizontal bar for each entry, with its number."""
    if not counts:
        return ""
    most = max(*counts.values(), 1)
    longest = _WIDTH - _LABEL - _NUMBER
    rows = []
    for i, (label, count) in enumerate(counts.items()):
        y = i * _ROW
        # no bar is invisible, also that of nothing
        width = max(longest * count / most, 1)
        rows.append(
            f'<text x="{_LABEL - 10}" y="{y + 16}" text-anchor="end">{escape(_short(label))}</text>'
            f'<rect class="bar" x="{_LABEL}" y="{y + 4}" width="{width:.1f}"'
            f' height="{_ROW - 8}" rx="2"/>'
            f'<text class="soft" x="{_LABEL + width + 8:.1f}" y="{y + 16}">{count}</text>'
        )
    summary = ", ".join(f"{label}: {count}" for label, count in counts.items())
    return _chart(name, title, summary, height=_ROW * len(counts) + 4, body="".join(rows))


def _histogram(name: str, title: str, low: float, high: float, share: Sequence[float]) -> str:
    """Columns over an axis from low to high."""
    most = max([*share, 1e-9])
    width = (_WIDTH - 20) / len(share)
    columns = "".join(
        f'<rect class="bar" x="{10 + i * width:.1f}" y="{_HEIGHT - 110 * v / most:.1f}"'
        f' width="{width - 1:.1f}" height="{110 * v / most:.1f}"/>'
        for i, v in enumerate(share)
    )
    axis = f'<line class="rule" x1="10" y1="{_HEIGHT}" x2="{_WIDTH - 10}" y2="{_HEIGHT}"/>'
    ends = (
        f'<text class="soft" x="10" y="{_HEIGHT + 18}">{_number(low)}</text>'
        f'<text class="soft" x="{_WIDTH - 10}" y="{_HEIGHT + 18}" text-anchor="end">'
        f"{_number(high)}</text>"
    )
    middle = (share.index(max(share)) + 0.5) / len(share) * (high - low) + low
    summary = f"from {_number(low)} to {_number(high)}, most near {_number(middle)}"
    return _chart(name, title, summary, height=_HEIGHT + 24, body=columns + axis + ends)


def _chart(name: str, title: str, summary: str, *, height: float, body: str) -> str:
    drawing = svg(name, title, summary, size=(_WIDTH, height), body_html=body)
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawing}</figure>"


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")
