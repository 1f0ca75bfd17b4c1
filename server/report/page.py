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
    parts = (
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
    foot = (
        '<footer class="note">One seed gives one result: repeat the run with other seeds '
        "before relying on small differences.</footer>"
    )
    name = table(report.get("study")).get("name", "Study")
    return document(
        f"{name} – Consilium report", CSS, f"{_title(report)}<main>{''.join(parts)}</main>{foot}"
    )


def _title(report: Report) -> str:
    study, status = table(report.get("study")), str(report.get("status", ""))
    about = (
        f'<p class="about">{escape(study["description"])}</p>' if study.get("description") else ""
    )
    done, planned = whole(report.get("rounds")), whole(report.get("rounds_planned"))
    void = (
        [f"{site_results.voids(report)} of them came to nothing"]
        if site_results.voids(report)
        else []
    )
    facts = [
        f"{done} of {plural(max(done, planned), 'round')}",
        *void,
        plural(len(table(report.get("sites"))), "hospital"),
    ]
    facts += _missing(report)
    facts += [str(study[k]) for k in ("task", "model", "strategy") if study.get(k)]
    kind = ' class="stopped"' if status != "finished" else ""
    line = (
        f"<b{kind}>{escape(_STATUS.get(status, status or 'Status unknown'))}</b> · "
        + " · ".join(escape(f) for f in facts)
    )
    return (
        '<header><p class="mark">Consilium · report of a federated '
        f"study</p><h1>{escape(study.get('name', 'Study'))}</h1>{about}<p "
        f'class="facts">{line}</p></header>'
    )


def _missing(report: Report) -> list[str]:
    """Who and what is not in the numbers; the section on the hospitals has the reasons."""
    away = len(table(report.get("excluded")))
    images = run_details.left_out(report)
    return [f"{away} excluded"] * (away > 0) + [f"{plural(images, 'image')} left out"] * (
        images > 0
    )


def _summary(report: Report) -> str:
    judgement = verdict.judge(report)
    lead, *rest = judgement.sentences
    more = f"<p>{escape(' '.join(rest))}</p>" if rest else ""
    command = (
        f'<pre tabindex="0"><code>{escape(judgement.command)}</code></pre>'
        if judgement.command
        else ""
    )
    return section(
        "summary",
        "In short",
        f'<p class="lead">{escape(lead)}</p>',
        more,
        command,
        _figures(report),
    )


def _figures(report: Report) -> str:
    return f'<dl class="figures">{_scores(report)}{_gain(report)}{_costs(report)}</dl>'


def _scores(report: Report) -> str:
    key = str(report.get("primary", ""))
    m, average = (
        metric(key),
        {model: site_results.average(report, model, key) for model in quality.NAMES},
    )
    ours, pooled = average["federated"], average["pooled"]
    level = not site_results.hidden(report) or site_results.hospitals(
        report, "federated"
    ) == site_results.hospitals(report, "pooled")
    ratio = (
        f"{100 * ours / pooled:.1f} %"
        if level and ours is not None and pooled is not None and pooled > 0
        else ""
    )
    count = {
        k: plural(site_results.hospitals(report, k), "hospital")
        if site_results.hidden(report)
        else ""
        for k in average
    }
    notes = {
        "federated": f"mean {m.name}" + (f" of {count['federated']}" if count["federated"] else ""),
        "local": "trained alone" + (f", mean of {count['local']}" if count["local"] else ""),
        "pooled": "all images in one place"
        + (f", mean of {count['pooled']}" if count["pooled"] else ""),
    }
    names = {"federated": "Federated", "local": "Own models", "pooled": "Pooled images"}
    shown = "".join(
        _figure(names[k], m.show(v), notes[k], k) for k, v in average.items() if v is not None
    )
    return shown + (
        _figure(
            "Federated / pooled",
            ratio,
            "100 % is level" if site_results.higher(report, key) else "below 100 % is better",
        )
        if ratio
        else ""
    )


def _gain(report: Report) -> str:
    pairs = site_results.compared(report, "local", str(report.get("primary", ""))).values()
    gained = [p for p in pairs if p.outcome == "better"]
    clear = sum(p.apart for p in gained)
    note = f"{clear or 'none'} of them clearly" if gained else "over their own models"
    note += "; others keep their results" if pairs and site_results.hidden(report) else ""
    return _figure("Hospitals that gain", f"{len(gained)} of {len(pairs)}", note) if pairs else ""


def _costs(report: Report) -> str:
    seconds, moved = table(report.get("seconds")), table(report.get("bytes"))
    up, down = finite(moved.get("up")), finite(moved.get("down"))
    whole_time, training = finite(seconds.get("total")), finite(seconds.get("training"))
    shown = _figure(
        "Rounds",
        f"{whole(report.get('rounds'))}",
        f"of {whole(report.get('rounds_planned'))} planned",
    )
    shown += (
        _figure("Time", duration(whole_time), f"training {duration(training)}")
        if whole_time is not None
        else ""
    )
    return shown + (
        _figure("Data moved", size(up + down), f"{size(up)} up, {size(down)} down")
        if up is not None and down is not None
        else ""
    )


def _figure(name: str, shown: str, note: str, kind: str = "") -> str:
    return (
        "<div "
        f'class="{kind}"><dt>{escape(name)}</dt><dd><b>{escape(shown)}</b>{escape(note)}</dd></div>'
    )
