"""Pieces of HTML that several sections of the report share.

Arguments named ``*_html`` and cells are markup already; all else is escaped here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from common.html import classed, escape, scroll
from server.report.drawing.svg import Frame

WIDE = 760
NARROW = 360
HALF = 364
"""A chart's width in view-box units: on a wide and on a narrow screen, and beside another chart."""


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of plain text; nothing if there are no words."""
    return f"<p{classed(kind)}>{escape(words)}</p>" if words else ""


def bullets(items: Iterable[str]) -> str:
    """A list of plain sentences; nothing if there are none."""
    entries = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<ul>{entries}</ul>" if entries else ""


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Names and values, both plain text."""
    entries = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in items)
    return f'<dl class="pairs">{entries}</dl>' if entries else ""


def grid(
    caption: str,
    heads: Sequence[str],
    rows_html: Iterable[Sequence[str]],
    feet_html: Sequence[Sequence[str]] = (),
    kind: str = "num",
) -> str:
    """A table that scrolls sideways where it must.

    The first cell of every row is its heading; headings are plain, cells markup.

    The last cell of a row with fewer cells than there are headings spans the rest.
    """
    head_cells = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    body = "".join(_row(row, len(heads)) for row in rows_html)
    foot = (
        f"<tfoot>{''.join(_row(row, len(heads)) for row in feet_html)}</tfoot>" if feet_html else ""
    )
    return scroll(
        caption,
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head_cells}</tr></thead>"
        f"<tbody>{body}</tbody>{foot}</table>",
        kind,
    )


def _row(cells_html: Sequence[str], width: int) -> str:
    cells = [f"<td>{cell}</td>" for cell in cells_html[1:]]
    if 1 < len(cells_html) < width:
        cells[-1] = (
            f'<td class="rest" colspan="{width - len(cells_html) + 1}">{cells_html[-1]}</td>'
        )
    return f'<tr><th scope="row">{cells_html[0]}</th>{"".join(cells)}</tr>'


def figure(title: str, caption: str, content_html: str) -> str:
    """A figure with its title and caption above it."""
    words = f"<b>{escape(title)}</b>{escape(caption)}"
    return f"<figure><figcaption>{words}</figcaption>{content_html}</figure>"


def chart(name: str, title: str, description: str, draw: Callable[[Frame], str]) -> str:
    """The same chart for wide and for narrow screens; the style sheet shows one of them."""
    screens = (("wide", WIDE), ("narrow", NARROW))
    return "".join(
        f'<div class="{kind}">{draw(Frame(f"{name}-{kind}", title, description, width))}</div>'
        for kind, width in screens
    )


def points(items_html: Iterable[tuple[str, str]]) -> str:
    """Short headings, plain text, each with markup beside it."""
    entries = "".join(f"<dt>{escape(name)}</dt><dd>{content}</dd>" for name, content in items_html)
    return f'<dl class="points">{entries}</dl>' if entries else ""
