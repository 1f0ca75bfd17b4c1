"""Whatever stands in a text, a page shows it and does nothing with it."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import html


@given(st.text())
def test_no_hidden_character_and_no_markup_gets_through(text: str) -> None:
    safe = html.escape(text)
    assert not set(safe) & set("<>\"'")
    assert all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co") for c in safe)
    assert safe.encode("utf-8").decode("utf-8") == safe


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#x27;"),
        ("line\n\tnext", "line\n\tnext"),
        ("\x00\x1b\x9b", "\ufffd" * 3),
        ("\u202eright\u2066", "\ufffdright\ufffd"),
        ("\ud800", "\ufffd"),
        ("Zoë 東京 Ω", "Zoë 東京 Ω"),
        (3, "3"),
    ],
)
def test_known_texts(value: object, safe: str) -> None:
    assert html.escape(value) == safe


def test_a_line_for_a_terminal_has_no_line_break() -> None:
    assert html.visible("a\nb\tc") == "a\ufffdb\ufffdc"
    assert html.visible("a\nb", kept="\n") == "a\nb"


def test_the_policy_allows_the_style_sheet_that_is_inside() -> None:
    css = html.style("--ochre:#a3560a;", "", "p{margin:0}")
    page = html.document("<Hospital>", css, "<p>x</p>")
    inside = page.split("<style>")[1].split("</style>")[0]
    expected = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    assert f"style-src 'sha256-{expected}';" in page
    assert page.index("Content-Security-Policy") < page.index("<style>")
    assert "<title>&lt;Hospital&gt;</title>" in page
    assert "<script" not in page


def test_a_page_whose_server_sends_the_policy_states_none() -> None:
    assert "Content-Security-Policy" not in html.document("x", "", "", policy=False)


def test_a_pages_own_colours_stand_beside_the_shared_ones_in_light_and_dark() -> None:
    css = html.style(
        "--ochre:#111111;--own:#222222;", "--own:#333333;", ".a{color:var(--own)}\n  .b{margin:0}\n"
    )
    light, dark = re.findall(r":root\{(.*?)\}", css)
    assert "--ink:" in light and "--ochre:#111111;" in light and "--own:#222222;" in light
    assert "--ink:" in dark and "--own:#333333;" in dark
    assert css.endswith(".a{color:var(--own)}.b{margin:0}") and "\n" not in css


def test_parts_escape_words_and_keep_markup() -> None:
    assert html.section("s", "A & B", "<p>x</p>") == (
        '<section aria-labelledby="s"><h2 id="s">A &amp; B</h2><div><p>x</p></div></section>'
    )
    assert html.section("s", "A") == ""
    assert 'class="scroll num" id="t" role="region" tabindex="0" aria-label="&lt;"' in html.scroll(
        "<", "<table>", "num", "t"
    )
    drawing = html.svg("c", "T<", "A<", (640, 99.6), "<g/>")
    assert (
        'viewBox="0 0 640 100"' in drawing
        and "T&lt;</title>" in drawing
        and "A&lt;</desc><g/></svg>" in drawing
    )
