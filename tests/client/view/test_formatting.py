"""Texts from outside lose what acts on a terminal or a page; times read as this machine's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from client.view.formatting import day, markup, moment, plain


def test_control_and_direction_characters_are_shown_as_such() -> None:
    assert plain("a\x1b[2J\nb\u202ec") == "a\ufffd[2J\ufffdb\ufffdc"
    assert len(plain("x" * 10_000)) == 500
    assert plain(None) == "None"


def test_markup_is_text() -> None:
    assert markup("<b onload='x'>&\"") == "&lt;b onload=&#x27;x&#x27;&gt;&amp;&quot;"


def test_a_time_of_today_has_no_date() -> None:
    now = datetime.now(UTC)
    here = now.astimezone()
    assert moment(now.isoformat(), now) == f"{here:%H:%M:%S}"
    earlier = now - timedelta(days=3)
    assert moment(earlier.isoformat(), now).endswith(f"{earlier.astimezone():, %H:%M:%S}")


def test_what_is_no_time_is_shown_as_it_is() -> None:
    now = datetime.now(UTC)
    assert moment("", now) == "never" and day("") == "unknown"
    assert moment("soon\x1b", now) == "soon\ufffd"
    assert day("2026-11-21T12:00:00+00:00") == "21 Nov 2026"
