"""Sections of the report about the run itself.

Time and bytes, hospitals, refusals, and how to repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.html import escape, section
from common.quantities import grouped, plural, size
from server.report import site_results, verdict
from server.report.drawing import bar_chart
from server.report.drawing.svg import Frame
from server.report.markup import HALF, bullets, figure, grid, pairs, paragraph
from server.report.privacy import SIMULATED
from server.report.quality import present
from server.report.wording import finite, table, whole

Report = Mapping[str, Any]
_MOST_REFUSED = 40


def effort(rounds: Sequence[Mapping[str, Any]]) -> str:
    """Seconds and bytes of every round."""
    if not rounds:
        return ""
    charts = _times(rounds) + _traffic(rounds)
    return section(
        "effort",
        "Time and traffic",
        f'<div class="two">{charts}</div>'
        if charts
        else paragraph("No times were recorded.", "note"),
    )


def _times(rounds: Sequence[Mapping[str, Any]]) -> str:
    times = [_split(finite(r.get("seconds")), finite(r.get("training_seconds"))) for r in rounds]
    longest = max(sum(time) for time in times)
    unit, unit_name = (
        (1.0, "s") if longest < 300 else (60.0, "min") if longest < 18_000 else (3600.0, "h")
    )
    stacks = [
        (float(whole(r.get("round"))), a / unit, b / unit)
        for r, (a, b) in zip(rounds, times, strict=True)
    ]
    frame = Frame(
        "time",
        "Time per round",
        "Time of every round, split into training and everything else.",
        HALF,
    )
    chart = bar_chart.draw(
        frame, stacks, ("training", "everything else"), lambda value: f"{value:g} {unit_name}"
    )
    return figure("Time per round", "", chart) if longest > 0 else ""


def _traffic(rounds: Sequence[Mapping[str, Any]]) -> str:
    stacks = [(float(whole(r.get("round"))), _bytes(r, "up"), _bytes(r, "down")) for r in rounds]
    frame = Frame(
        "bytes",
        "Data per round",
        "Bytes of every round, from the hospitals and to the hospitals.",
        HALF,
    )
    chart = bar_chart.draw(frame, stacks, ("from the hospitals", "to the hospitals"), size)
    return figure("Data per round", "", chart) if any(a + b > 0 for _, a, b in stacks) else ""


def _split(total: float | None, training: float | None) -> tuple[float, float]:
    trained = max(0.0, training or 0.0)
    return trained, max(0.0, (total or 0.0) - trained)


def _bytes(line: Mapping[str, Any], direction: str) -> float:
    return max(0.0, finite(table(line.get("bytes")).get(direction)) or 0.0)


_COUNTS = ("patients", "train", "validation", "test", "left_out")


def hospitals(report: Report) -> str:
    """Who took part, with how much, what was left out, and who did not take part."""
    rows_by_site = {str(site): table(row) for site, row in table(report.get("sites")).items()}
    parts = []
    if rows_by_site:
        heads = ["Hospital", "Patients", "Training", "Validation", "Test", "Left out"]
        rows = [
            [escape(site), *_site_cells(report, site, row)] for site, row in rows_by_site.items()
        ]
        caption = (
            "Patients, and images by use. A patient's images always stay together in one of "
            "the three uses."
        )
        if any(site_results.keeps(report, site, "counts") for site in rows_by_site):
            caption += (
                " The last line was counted under masks; a hospital that does not share its "
                "own numbers is in it."
            )
        parts.append(
            grid(
                caption,
                heads,
                rows,
                [["All hospitals", *_total_cells(report, list(rows_by_site.values()))]],
            )
        )
    reasons = [
        f"{site}: {reason}"
        for site, row in rows_by_site.items()
        for reason in row.get("reasons") or []
    ]
    parts += ["<h3>Why images were left out</h3>", bullets(reasons)] if reasons else []
    absent = [f"{site}: {reason}" for site, reason in table(report.get("excluded")).items()]
    parts += ["<h3>Hospitals that did not take part</h3>", bullets(absent)] if absent else []
    return section("hospitals", "Hospitals", *parts)


def left_out(report: Report) -> int:
    """Images of all hospitals that were not used."""
    stated = finite(table(report.get("totals")).get("left_out"))
    return (
        round(stated)
        if stated is not None
        else sum(whole(table(row).get("left_out")) for row in table(report.get("sites")).values())
    )


def _site_cells(report: Report, site: str, row: Mapping[str, Any]) -> list[str]:
    shares = any(finite(row.get(c)) is not None for c in _COUNTS) or not site_results.keeps(
        report, site, "counts"
    )
    return [_cell(row, c) for c in _COUNTS] if shares else ["not shared"]


def _total_cells(report: Report, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Totals as stated; else added up, unless a hospital's own are missing."""
    totals = table(report.get("totals"))
    if totals:
        return [_cell(totals, c) for c in _COUNTS]
    return [
        _cell({c: sum(whole(row.get(c)) for row in rows)}, c) if all(rows) else "–" for c in _COUNTS
    ]


def _cell(row: Mapping[str, Any], column: str) -> str:
    return grouped(whole(row.get(column))) if finite(row.get(column)) is not None else "–"


def refusals(report: Report) -> str:
    """Updates that the server did not take, with the reason."""
    refused = [table(item) for item in report.get("refused") or []]
    masked = table(report.get("privacy")).get("updates") == "masked"
    if not refused:
        sentence = "None: every update that arrived was used."
        if site_results.voids(report):
            sentence = (
                "None in the rounds that were summed; those that came to nothing are listed "
                "under Secure sums."
            )
        return (
            section("refused", "Refused updates", paragraph(sentence))
            if whole(report.get("rounds"))
            else ""
        )
    rows = [
        [str(whole(i.get("round"))), escape(i.get("site", "")), escape(i.get("reason", ""))]
        for i in refused[:_MOST_REFUSED]
    ]
    unlisted = len(refused) - _MOST_REFUSED
    note = (
        paragraph(f"{plural(unlisted, 'more is', 'more are')} listed in rounds.jsonl.", "note")
        if unlisted > 0
        else ""
    )
    caption = "An update that fails a check is left out of that round's average; the others go on."
    if masked:
        caption = (
            "A hospital whose masked update is missing or fails a check is left out of that "
            "round's sum; the others go on."
        )
    return section(
        "refused",
        "Refused updates",
        grid(caption, ["Round", "Hospital", "Reason"], rows, kind="words"),
        note,
    )


def repeat(report: Report) -> str:
    """Everything needed to do the run again."""
    study = table(report.get("study"))
    settings = {
        "Hash (SHA-256)": study.get("hash"),
        "Seed": report.get("seed"),
        "Engine": report.get("engine"),
    }
    identity = [(name, str(value)) for name, value in settings.items() if value is not None]
    compute = [
        (str(k).replace("_", " "), _plain(v)) for k, v in table(report.get("compute")).items()
    ]
    versions = [(str(k), _plain(v)) for k, v in table(report.get("versions")).items()]
    lines = "\n".join(_commands(report))
    return section(
        "repeat",
        "Repeat this run",
        paragraph(
            "The folder of this run holds study.toml with every setting spelled out, "
            "and the model. RUN is that folder, DIR the folder of the hospitals."
        ),
        f'<pre tabindex="0"><code>{escape(lines)}</code></pre>',
        "<h3>Study</h3>" + pairs(identity) if identity else "",
        "<h3>Computer</h3>" + pairs(compute) if compute else "",
        "<h3>Versions</h3>" + pairs(versions) if versions else "",
    )


def _commands(report: Report) -> list[str]:
    compared = ",".join(model for model in present(report) if model != "federated")
    engine = report.get("engine") if report.get("engine") in SIMULATED else "inline"
    simulate = f"consilium simulate RUN/study.toml --sites DIR --engine {engine}"
    simulate += f" --seed {whole(report['seed'])}" if finite(report.get("seed")) is not None else ""
    computers = report.get("computers")
    threads = (
        {whole(table(kind).get("threads")) for kind in computers}
        if isinstance(computers, list)
        else set()
    )
    simulate += f" --threads {threads.pop()}" if len(threads) == 1 and min(threads) > 0 else ""
    if not compared:
        return [
            simulate,
            verdict.COMPARE.replace("STUDY", "RUN/study.toml"),
            "consilium evaluate RUN/model --sites DIR",
        ]
    return [f"{simulate} --compare {compared}", "consilium evaluate RUN/model --sites DIR"]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value)
