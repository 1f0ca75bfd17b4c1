"""readiness.html: what a hospital has and what stands in the way, for people; one file without a script, a network or any other file.

As in every page of ours, a Content-Security-Policy allows nothing but the style sheet inside (by its SHA-256).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from client.ingest.readiness.charts import bars, histogram, text

_WORDS = {"stop": "Stop", "warn": "Look", "info": "Note"}
_CSS = """
:root{color-scheme:light dark;--ink:#1b2328;--soft:#566169;--rule:#d8dcda;--paper:#fcfcfa;--wash:#f2f4f2;--blue:#0d5f8a;--ochre:#a3560a;--red:#a3261b}
@media screen and (prefers-color-scheme:dark){:root{--ink:#e3e7e8;--soft:#a2adb3;--rule:#323b40;--paper:#14191c;--wash:#1c2327;--blue:#67b7e1;--ochre:#e2a25c;--red:#f08a7e}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:400 1rem/1.6 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;overflow-wrap:anywhere}
main,header,footer{max-width:60rem;margin:0 auto;padding:0 2rem}
header{padding-top:3.5rem;padding-bottom:1.5rem}
h1,h2{font-family:"Iowan Old Style",Palatino,Georgia,serif;font-weight:600;text-wrap:balance}
h1{font-size:2.3rem;line-height:1.15;margin:.3rem 0}
h2{font-size:1.25rem;margin:0 0 1rem}
section{padding:2.2rem 0;border-top:1px solid var(--rule)}
.mark,.note,figcaption,footer{color:var(--soft);font-size:.875rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:1.2rem;margin:1.5rem 0 0}
.figures dt{font-size:.875rem;color:var(--soft)}
.figures dd{margin:0;font:500 1.7rem/1.3 Palatino,Georgia,serif;font-variant-numeric:lining-nums}
ul.found{list-style:none;margin:0;padding:0}
ul.found li{display:grid;grid-template-columns:4rem minmax(0,1fr);gap:0 1rem;padding:.7rem 0;border-bottom:1px solid var(--rule)}
ul.found b{font-weight:600}
.stop b{color:var(--red)}
.warn b{color:var(--ochre)}
.info b{color:var(--soft)}
.do{color:var(--soft);display:block;font-size:.92rem}
figure{margin:0 0 2rem}
figcaption{margin:0 0 .4rem}
svg{width:100%;max-width:44rem;height:auto;display:block;font:13px system-ui,sans-serif}
svg text{fill:var(--ink)}
svg .soft{fill:var(--soft)}
.bar{fill:var(--blue)}
.rule{stroke:var(--rule)}
footer{padding-top:1rem;padding-bottom:3rem}
@media (max-width:34rem){main,header,footer{padding-left:1rem;padding-right:1rem}ul.found li{grid-template-columns:1fr}}
"""


def render(report: Mapping[str, Any]) -> str:
    """The whole page from the content of readiness.json."""
    parts = (
        _section("findings", "What was found", _findings(report["findings"])),
        _section("labels", "Labels", *_labels(report)),
        _section("images", "Images", *_images(report)),
        _section("values", "Intensities", *_values(report["histograms"])),
        _section("split", "How a study would part the patients", *_split(report["split"])),
    )
    foot = "This page is the hospital's own. It names no patient and no file, but it holds small counts: do not pass it on."
    return (
        f'<!DOCTYPE html>\n<html lang="en">{_head(str(report["site"]))}<body>{_title(report)}<main>{"".join(parts)}</main>'
        f"<footer>{text(foot)}</footer></body></html>\n"
    )


def _head(name: str) -> str:
    digest = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        f'<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f'<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>{text(name)} – readiness</title>'
        f"<style>{_CSS}</style></head>"
    )


def _title(report: Mapping[str, Any]) -> str:
    waiting = sum(report["quarantined"].values())
    figures = {
        "Images": report["cases"],
        "Patients": report["patients"],
        "In quarantine": waiting,
        "Taken in now": report["taken_in_now"],
    }
    shown = "".join(
        f"<div><dt>{text(name)}</dt><dd>{count}</dd></div>" for name, count in figures.items()
    )
    stops = sum(finding["severity"] == "stop" for finding in report["findings"])
    verdict = (
        "Ready for studies."
        if not stops
        else f"Not ready: {stops} {'thing stands' if stops == 1 else 'things stand'} in the way."
    )
    return (
        f'<header><p class="mark">Consilium · readiness of a hospital</p><h1>{text(report["site"])}</h1><p>{text(verdict)}</p>'
        f'<dl class="figures">{shown}</dl></header>'
    )


def _section(name: str, heading: str, *parts: str) -> str:
    content = "".join(parts)
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{text(heading)}</h2>{content}</section>'
        if content
        else ""
    )


def _findings(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return "<p>Nothing.</p>"
    rows = []
    for finding in found:
        words = f"{finding['what']} ({finding['count']})" if finding["count"] else finding["what"]
        rows.append(
            f'<li class="{text(finding["severity"])}"><b>{_WORDS[finding["severity"]]}</b>'
            f'<span>{text(words[0].upper() + words[1:])}.<span class="do">{text(finding["do"][0].upper() + finding["do"][1:])}.</span></span></li>'
        )
    return f'<ul class="found">{"".join(rows)}</ul>'


def _labels(report: Mapping[str, Any]) -> list[str]:
    shown = []
    for i, (column, balance) in enumerate(report["labels"].items()):
        counts = {value: entry["images"] for value, entry in balance.items()}
        shown.append(bars(f"label{i}", f"Images by {column}", counts))
    if report["boxes"]:
        shown.append(bars("boxes", "Boxes by label", report["boxes"]))
    if report["masks"]:
        shown.append(
            bars(
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
    return [bars(name, title, report[name]) for name, title in titles.items()]


def _values(histograms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        histogram(
            f"values{i}",
            f"{kind}: share of pixels by value",
            group["low"],
            group["high"],
            group["share"],
        )
        for i, (kind, group) in enumerate(histograms.items())
    ]


def _split(parts: Mapping[str, Mapping[str, int]]) -> list[str]:
    if not parts:
        return []
    note = "With the default shares and seed 1, by patient; each study draws its own."
    return [
        f'<p class="note">{text(note)}</p>',
        bars("split", "Patients", {part: counts["patients"] for part, counts in parts.items()}),
    ]
