"""Every page of Consilium: text made safe for HTML, and the parts that every page has.

A page is one file that loads nothing from elsewhere; its Content-Security-Policy allows what is
inside by digest alone, so that a hostile name can neither run nor load anything even if it got past
escaping. Arguments named ``*_html`` are markup already; all else is escaped here. Colours and fonts
are the same on every page: blue and ochre keep apart under the three common colour-vision
deficiencies.
"""

from __future__ import annotations

import base64
import hashlib
import html
import unicodedata

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Unicode categories without a shape of their own, by which a name could pose as another."""
_LIGHT = """
--ink:#1b2328;--soft:#566169;--rule:#d8dcda;
--paper:#fcfcfa;--wash:#f2f4f2;--blue:#0d5f8a;
"""
_DARK = """
--ink:#e3e7e8;--soft:#a2adb3;--rule:#323b40;
--paper:#14191c;--wash:#1c2327;--blue:#67b7e1;--ochre:#e2a25c;
"""
_FONTS = """
--sans:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,
"Liberation Sans",sans-serif;
--serif:"Iowan Old Style","Palatino Linotype",Palatino,Charter,"Source Serif 4","Noto Serif",
Georgia,"Liberation Serif",serif;
--mono:ui-monospace,"SF Mono","Cascadia Mono",Consolas,"Liberation Mono",monospace
"""
_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:400 1rem/1.6 var(--sans);overflow-wrap:anywhere}
main,header,footer{max-width:66rem;margin:0 auto;padding:0 2rem}
h1,h2,h3,.lead{font-family:var(--serif);font-weight:600;text-wrap:balance}
code,pre{font-family:var(--mono)}
:focus-visible{outline:2px solid var(--blue);outline-offset:3px}
.mark{font-size:.875rem;color:var(--soft)}
.scroll{overflow-x:auto}
"""


def visible(text: str, kept: str = "") -> str:
    """A text whose every character can be seen; hidden ones, as of direction, become U+FFFD.

    Args:
        kept: hidden characters that stay.
    """
    return "".join(
        c if c in kept or unicodedata.category(c) not in _HIDDEN else "\ufffd" for c in text
    )


def escape(value: object) -> str:
    """A text for HTML, in elements and quoted attributes.

    Of hidden characters line breaks and tabs stay.
    """
    return html.escape(visible(str(value), "\n\t"), quote=True)


def digest(content: str) -> str:
    """How a Content-Security-Policy names an inline style or script (Level 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def style(light: str, dark: str, rules: str) -> str:
    """A style sheet on one line: the shared colours, fonts and rules, then the page's own.

    Args:
        light: the page's own colours, ``--ochre`` among them.
        dark: the same for dark screens; the shared ochre unless they name another.
        rules: the page's own rules.
    """
    day = f":root{{color-scheme:light dark;{_LIGHT}{light}{_FONTS}}}"
    night = f"@media screen and (prefers-color-scheme:dark){{:root{{{_DARK}{dark}}}}}"
    lines = f"{day}\n{night}\n{_RULES}{rules}".splitlines()
    return "".join(line.strip() for line in lines)


def document(title: str, css: str, body_html: str, policy: bool = True) -> str:
    """A whole page.

    Args:
        policy: whether the page states its Content-Security-Policy, as a file must; a server sends
            its own as a header.
    """
    head = _head(title, css, policy)
    return f'<!DOCTYPE html>\n<html lang="en">{head}<body>{body_html}</body></html>\n'


def _head(title: str, css: str, policy: bool) -> str:
    rules = (
        f"default-src 'none'; style-src {digest(css)}; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    secure = (
        f'<meta http-equiv="Content-Security-Policy" content="{rules}">'
        '<meta name="referrer" content="no-referrer">'
    )
    return (
        f'<head><meta charset="utf-8">{secure if policy else ""}'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        # The empty icon keeps browsers from asking for /favicon.ico.
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{css}</style></head>"
    )


def section(name: str, heading: str, *parts_html: str) -> str:
    """A section with its heading beside or above it; nothing if it has no content."""
    content = "".join(parts_html)
    if not content:
        return ""
    head = f'<h2 id="{name}">{escape(heading)}</h2>'
    return f'<section aria-labelledby="{name}">{head}<div>{content}</div></section>'


def classed(name: str) -> str:
    """The class attribute of a tag; nothing for no class."""
    return f' class="{name}"' if name else ""


def scroll(label: str, content_html: str, extra: str = "", name: str = "") -> str:
    """A frame that scrolls sideways where it must and can be reached by keyboard.

    Args:
        extra: further classes.
        name: its id, if it needs one.
    """
    identity = f' id="{name}"' if name else ""
    kind = classed(f"scroll {extra}".strip())
    words = f'role="region" tabindex="0" aria-label="{escape(label)}"'
    return f"<div{kind}{identity} {words}>{content_html}</div>"


def svg(name: str, title: str, description: str, size: tuple[int, float], body_html: str) -> str:
    """A drawing as an image with a title and a description for screen readers.

    Args:
        name: unique on the page.
        size: width and height in view-box units.
    """
    label = (
        f'<title id="{name}-t">{escape(title)}</title>'
        f'<desc id="{name}-d">{escape(description)}</desc>'
    )
    box = f'viewBox="0 0 {size[0]} {size[1]:.0f}" role="img" aria-labelledby="{name}-t {name}-d"'
    return f'<svg class="chart" {box}>{label}{body_html}</svg>'
