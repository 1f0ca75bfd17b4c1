"""Parts of the page: sections, pairs of name and value, tables. Arguments are markup already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from client.view.formatting import markup
from common.html import classed, scroll
from common.quantities import grouped

MOST = 25
"""Rows that a table of the page shows."""


def section(name: str, heading: str, *content: str) -> str:
    """A section with its heading in the margin; it is exchanged alone when it changes."""
    head = f'<h2 id="{name}-h">{heading}</h2>'
    return (
        f'<section id="{name}" data-part aria-labelledby="{name}-h">'
        f"{head}<div>{''.join(content)}</div></section>"
    )


def pairs(items: Iterable[tuple[str, str, str]]) -> str:
    """Names and values, each with its class; the texts are escaped here."""
    rows = "".join(
        f"<dt>{markup(name)}</dt><dd{classed(kind)}>{markup(value)}</dd>"
        for name, value, kind in items
    )
    return f"<dl>{rows}</dl>"


def table(
    name: str, label: str, heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]
) -> str:
    """A table that scrolls sideways where it must, also by keyboard.

    Cells are markup, the first one of a row is its heading. Each part says what it is, since the
    style sheet stacks the cells on narrow screens.
    """
    top = "".join(
        f'<th scope="col" role="columnheader"{classed(kind)}>{head}</th>' for head, kind in heads
    )
    body = "".join(_row(heads, row) for row in rows)
    content = (
        f'<table role="table"><thead role="rowgroup"><tr role="row">{top}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table>'
    )
    return scroll(label, content, name=f"{name}-t")


def _row(heads: Sequence[tuple[str, str]], row: Sequence[str]) -> str:
    first = f'<th scope="row" role="rowheader"{classed(heads[0][1])}>{row[0]}</th>'
    cells = "".join(
        f'<td role="cell" data-head="{head}"{classed(kind)}>{cell}</td>'
        for (head, kind), cell in zip(heads[1:], row[1:], strict=True)
    )
    return f'<tr role="row">{first}{cells}</tr>'


def note(content: str) -> str:
    """A remark in small print."""
    return f'<p class="note">{content}</p>'


def more(count: int) -> str:
    """What a table does not show of so many rows; nothing if it shows all."""
    if count <= MOST:
        return ""
    return note(f"The last {MOST} of {grouped(count)}; consilium site status --json has more.")
