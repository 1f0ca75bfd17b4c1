"""Parts of the page can be read by those who do not see it, and say what they leave out."""

from __future__ import annotations

import pytest

from client.view import page_markup


def test_a_section_is_named_by_its_heading() -> None:
    assert page_markup.section("now", "Now", "<p>a</p>", "b") == (
        '<section id="now" data-part aria-labelledby="now-h">'
        '<h2 id="now-h">Now</h2><div><p>a</p>b</div></section>'
    )


def test_pairs_escape_their_texts() -> None:
    assert page_markup.pairs([("a<", "b&", "look")]) == (
        '<dl><dt>a&lt;</dt><dd class="look">b&amp;</dd></dl>'
    )


def test_cells_of_a_table_carry_their_heading() -> None:
    text = page_markup.table("t", "Things", (("Name", ""), ("Size", "num")), [["a", "1"]])
    assert '<th scope="row" role="rowheader">a</th>' in text
    assert '<td role="cell" data-head="Size" class="num">1</td>' in text
    assert 'aria-label="Things"' in text and 'id="t-t"' in text
    with pytest.raises(ValueError, match="zip"):
        page_markup.table("t", "Things", (("Name", ""), ("Size", "num")), [["a"]])


def test_more_rows_than_are_shown() -> None:
    assert page_markup.more(page_markup.MOST) == ""
    assert "The last 25 of 26;" in page_markup.more(26)
