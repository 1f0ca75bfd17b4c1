"""``report.html``.

One file that a clinician and an engineer can both open, without a network, a script or any other
file.

The page holds no script at all. Its Content-Security-Policy forbids everything except the style
sheet inside it (by its SHA-256, CSP Level 3 section 2.3.1) and images inside it, so a hostile name
in a study can neither run nor load anything even if it got past escaping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.html import document, escape, section
from common.quantities import plural, size
from server.report import (
    learning_curves,
    pictures,
    privacy,
    quality,
    run_details,
    site_results,
    verdict,
)
from server.report.style import CSS
from server.report.wording import duration, finite, metric, table, whole

Report = Mapping[str, Any]
_STATUS = {"finished": "Finished", "interrupted": "Interrupted", "failed": "Failed"}


def render(
    report: Report, rounds: Sequence[Mapping[str, Any]], examples: Sequence[Mapping[str, Any]]
) -> str:
    """The whole page.

    Args:
        report: the content of ``report.json``; any part may be missing or null.
        rounds: the lines of ``rounds.jsonl``.
        examples: synthetic images only: ``site``, ``caption``, and base64 PNGs ``image``,
            ``truth``, ``prediction`` (transparent overlays).
    """
    sections = (
        _summary(report),
        quality.results(report),
        learning_curves.curves(report, rounds),
        pictures.cross(report),
        pictures.examples(examples),
        run_details.effort(rounds),
        run_details.hospitals(report),
        privacy.sums(rounds),
        run_details.refusals(report),
        privacy.privacy(report),
        run_details.repeat(report),
    )
    footer = (
        '<footer class="note">One seed gives one result: repeat the run with other seeds '
        "before relying on small differences.</footer>"
    )
    name = table(report.get("study")).get("name", "Study")
    return document(
        f"{name} – Consilium report",
        CSS,
        f"{_title(report)}<main>{''.join(sections)}</main>{footer}",
    )


def _title(report: Report) -> str:
    study = table(report.get("study"))
    status = str(report.get("status", ""))
    description = (
        f'<p class="about">{escape(study["description"])}</p>' if study.get("description") else ""
    )
    kind = ' class="stopped"' if status != "finished" else ""
    line = (
        f"<b{kind}>{escape(_STATUS.get(status, status or 'Status unknown'))}</b> · "
        + " · ".join(escape(fact) for fact in _facts(report))
    )
    return (
        '<header><p class="mark">Consilium · report of a federated study</p>'
        f"<h1>{escape(study.get('name', 'Study'))}</h1>{description}"
        f'<p class="facts">{line}</p></header>'
    )


def _facts(report: Report) -> list[str]:
    """The run in a few short words: its size, who is missing, and what was trained."""
    study = table(report.get("study"))
    done = whole(report.get("rounds"))
    planned = whole(report.get("rounds_planned"))
    void = site_results.voids(report)
    return [
        f"{done} of {plural(max(done, planned), 'round')}",
        *([f"{void} of them came to nothing"] if void else []),
        plural(len(table(report.get("sites"))), "hospital"),
        *_missing(report),
        *(str(study[k]) for k in ("task", "model", "strategy") if study.get(k)),
    ]


def _missing(report: Report) -> list[str]:
    """Who and what is not in the numbers; the section on the hospitals has the reasons."""
    excluded = len(table(report.get("excluded")))
    images = run_details.left_out(report)
    return [f"{excluded} excluded"] * (excluded > 0) + [f"{plural(images, 'image')} left out"] * (
        images > 0
    )


def _summary(report: Report) -> str:
    judgement = verdict.judge(report)
    lead, *rest = judgement.sentences
    explanation = f"<p>{escape(' '.join(rest))}</p>" if rest else ""
    command = (
        f'<pre tabindex="0"><code>{escape(judgement.command)}</code></pre>'
        if judgement.command
        else ""
    )
    return section(
        "summary",
        "In short",
        f'<p class="lead">{escape(lead)}</p>',
        explanation,
        command,
        _figures(report),
    )


def _figures(report: Report) -> str:
    return f'<dl class="figures">{_scores(report)}{_gain(report)}{_costs(report)}</dl>'


def _scores(report: Report) -> str:
    key = str(report.get("primary", ""))
    measure = metric(key)
    averages = {model: site_results.average(report, model, key) for model in quality.NAMES}
    names = {"federated": "Federated", "local": "Own models", "pooled": "Pooled images"}
    notes = {
        "federated": f"mean {measure.name}{_over(report, 'federated', ' of')}",
        "local": f"trained alone{_over(report, 'local', ', mean of')}",
        "pooled": f"all images in one place{_over(report, 'pooled', ', mean of')}",
    }
    figures = "".join(
        _figure(names[k], measure.show(v), notes[k], k)
        for k, v in averages.items()
        if v is not None
    )
    return figures + _ratio(report, key, averages["federated"], averages["pooled"])


def _over(report: Report, model: str, words: str) -> str:
    """Over how many hospitals a mean is; nothing where it is over all and nobody wonders."""
    if not site_results.hidden(report):
        return ""
    return f"{words} {plural(site_results.hospitals(report, model), 'hospital')}"


def _ratio(report: Report, key: str, ours: float | None, pooled: float | None) -> str:
    """The federated mean as a share of the pooled one; nothing where their hospitals differ."""
    level = not site_results.hidden(report) or site_results.hospitals(
        report, "federated"
    ) == site_results.hospitals(report, "pooled")
    if not level or ours is None or pooled is None or pooled <= 0:
        return ""
    note = "100 % is level" if site_results.higher(report, key) else "below 100 % is better"
    return _figure("Federated / pooled", f"{100 * ours / pooled:.1f} %", note)


def _gain(report: Report) -> str:
    pairs = site_results.compared(report, "local", str(report.get("primary", ""))).values()
    gained = [p for p in pairs if p.outcome == "better"]
    clear = sum(p.apart for p in gained)
    note = f"{clear or 'none'} of them clearly" if gained else "over their own models"
    note += "; others keep their results" if pairs and site_results.hidden(report) else ""
    return _figure("Hospitals that gain", f"{len(gained)} of {len(pairs)}", note) if pairs else ""


def _costs(report: Report) -> str:
    seconds = table(report.get("seconds"))
    traffic = table(report.get("bytes"))
    up = finite(traffic.get("up"))
    down = finite(traffic.get("down"))
    total = finite(seconds.get("total"))
    training = finite(seconds.get("training"))
    figures = _figure(
        "Rounds",
        f"{whole(report.get('rounds'))}",
        f"of {whole(report.get('rounds_planned'))} planned",
    )
    figures += (
        _figure("Time", duration(total), f"training {duration(training)}")
        if total is not None
        else ""
    )
    return figures + (
        _figure("Data moved", size(up + down), f"{size(up)} up, {size(down)} down")
        if up is not None and down is not None
        else ""
    )


def _figure(name: str, shown: str, note: str, kind: str = "") -> str:
    return (
        f'<div class="{kind}"><dt>{escape(name)}</dt>'
        f"<dd><b>{escape(shown)}</b>{escape(note)}</dd></div>"
    )
