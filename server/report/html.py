"""Pieces of HTML that several sections of the report share. Arguments named ``*_html`` and cells are markup already; all else is escaped here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from server.report.svg import Frame
from server.report.wording import text

WIDE, NARROW, HALF = 760, 360, 364


def section(name: str, heading: str, *parts_html: str) -> str:
    """A section with its heading in the margin; nothing if it has no content."""
    content = "".join(parts_html)
    return (
        f'<section aria-labelledby="{name}"><h2 id="{name}">{text(heading)}</h2><div>{content}</div></section>'
        if content
        else ""
    )


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph of plain text; nothing if there are no words."""
    return f"<p{_kind(kind)}>{text(words)}</p>" if words else ""


def bullets(items: Iterable[str]) -> str:
    """A list of plain sentences; nothing if there are none."""
    found = "".join(f"<li>{text(item)}</li>" for item in items)
    return f"<ul>{found}</ul>" if found else ""


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """Names and values, both plain text."""
    found = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in items)
    return f'<dl class="pairs">{found}</dl>' if found else ""


def grid(
    caption: str,
    heads: Sequence[str],
    rows_html: Iterable[Sequence[str]],
    feet_html: Sequence[Sequence[str]] = (),
    kind: str = "num",
) -> str:
    """A table that scrolls sideways where it must. The first cell of every row is its heading; headings are plain, cells markup.

    The last cell of a row with fewer cells than there are headings spans the rest.
    """
    top = "".join(f'<th scope="col">{text(head)}</th>' for head in heads)
    body = "".join(_row(row, len(heads)) for row in rows_html)
    foot = (
        f"<tfoot>{''.join(_row(row, len(heads)) for row in feet_html)}</tfoot>" if feet_html else ""
    )
    return scroll(
        caption,
        f"<table><caption>{text(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody>{foot}</table>",
        kind,
    )


def _row(cells_html: Sequence[str], width: int) -> str:
    cells = [f"<td>{cell}</td>" for cell in cells_html[1:]]
    if 1 < len(cells_html) < width:
        cells[-1] = (
            f'<td class="rest" colspan="{width - len(cells_html) + 1}">{cells_html[-1]}</td>'
        )
    return f'<tr><th scope="row">{cells_html[0]}</th>{"".join(cells)}</tr>'


def scroll(label: str, content_html: str, kind: str = "") -> str:
    """A frame that scrolls sideways and can be reached by keyboard."""
    return f'<div class="scroll {kind}" role="region" tabindex="0" aria-label="{text(label)}">{content_html}</div>'


def figure(title: str, caption: str, content_html: str) -> str:
    """A figure with its title and caption above it."""
    return f"<figure><figcaption><b>{text(title)}</b>{text(caption)}</figcaption>{content_html}</figure>"


def chart(name: str, title: str, about: str, draw: Callable[[Frame], str]) -> str:
    """The same chart for wide and for narrow screens; the style sheet shows one of them."""
    both = (("wide", WIDE), ("narrow", NARROW))
    return "".join(
        f'<div class="{kind}">{draw(Frame(f"{name}-{kind}", title, about, width))}</div>'
        for kind, width in both
    )


def points(items_html: Iterable[tuple[str, str]]) -> str:
    """Short headings, plain text, each with markup beside it."""
    found = "".join(f"<dt>{text(name)}</dt><dd>{content}</dd>" for name, content in items_html)
    return f'<dl class="points">{found}</dl>' if found else ""


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
