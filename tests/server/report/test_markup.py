from __future__ import annotations

from server.report import markup
from server.report.drawing.svg import Frame


def test_plain_text_is_escaped_and_nothing_stays_nothing() -> None:
    assert markup.paragraph("a < b", "note") == '<p class="note">a &lt; b</p>'
    assert markup.bullets(["<i>"]) == "<ul><li>&lt;i&gt;</li></ul>"
    assert "<dt>&lt;</dt><dd>&gt;</dd>" in markup.pairs([("<", ">")])
    assert "<dt>&lt;</dt><dd><b>x</b></dd>" in markup.points([("<", "<b>x</b>")])
    assert markup.paragraph("") == markup.bullets([]) == markup.pairs([]) == markup.points([]) == ""


def test_the_last_cell_of_a_short_row_spans_the_rest() -> None:
    table = markup.grid("Caption", ["A", "B", "C"], [["<i>a</i>", "b", "c"], ["d", "e"]], [["f"]])
    assert '<th scope="row"><i>a</i></th><td>b</td><td>c</td>' in table
    assert '<th scope="row">d</th><td class="rest" colspan="2">e</td>' in table
    assert '<tfoot><tr><th scope="row">f</th></tr></tfoot>' in table
    assert "tfoot" not in markup.grid("Caption", ["A"], [["a"]])


def test_a_chart_is_drawn_for_both_screens() -> None:
    frames: list[Frame] = []

    def draw(frame: Frame) -> str:
        frames.append(frame)
        return frame.id

    both = markup.chart("loss", "Loss", "Falls.", draw)
    assert both == '<div class="wide">loss-wide</div><div class="narrow">loss-narrow</div>'
    assert [frame.narrow for frame in frames] == [False, True]
