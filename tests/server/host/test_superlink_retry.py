"""Absence is waited out and said, a refusal is an error with a name, and nothing looks like Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from server.host import superlink_retry
from server.host.superlink_retry import Heart, LinkError, Retry
from tests.patience import until

REQUEST = httpx.Request("POST", "https://localhost/v1/runtime/x")


def refused(status: int) -> httpx.HTTPStatusError:
    return httpx.HTTPStatusError(
        "refused", request=REQUEST, response=httpx.Response(status, request=REQUEST)
    )


def answers(*errors: Exception) -> Callable[[], str]:
    """A call that raises each error once and then succeeds."""
    left = list(errors)

    def call() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return call


@pytest.fixture
def interrupts() -> Iterator[list[int]]:
    """Signals that reach this process meanwhile."""
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    yield seen
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(superlink_retry.time, "sleep", lambda seconds: None)


def said() -> tuple[list[str], Retry]:
    lines: list[str] = []
    return lines, Retry(lines.append)


@pytest.mark.parametrize(
    "errors",
    [
        (httpx.ConnectError("no"),),
        (refused(502), refused(503), refused(504)),
        (httpx.ReadTimeout("slow"), refused(503)),
    ],
)
def test_absence_is_waited_out(errors: tuple[Exception, ...]) -> None:
    lines, retry = said()
    assert retry.invoker().invoke(answers(*errors)) == "done"
    assert lines == []  # it was short


def test_a_long_absence_and_its_end_are_said_once_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superlink_retry, "_SAID_AFTER", -1.0)
    lines, retry = said()
    assert retry.invoker().invoke(answers(httpx.ConnectError("no"), httpx.ConnectError("no")))
    assert "has not answered for" in lines[0] and "ConnectError" in lines[0]


@pytest.mark.parametrize(("status", "words"), [(401, "token"), (403, "over")])
def test_a_refusal_has_a_name_and_sends_no_signal(
    status: int, words: str, interrupts: list[int]
) -> None:
    _, retry = said()
    with pytest.raises(LinkError, match=words):
        retry.invoker().invoke(answers(refused(status)))
    assert interrupts == []


@pytest.mark.parametrize(
    "error", [refused(404), refused(500), httpx.ConnectError("certificate verify failed")]
)
def test_what_will_not_change_is_not_tried_again(error: Exception) -> None:
    _, retry = said()
    with pytest.raises(type(error)):
        retry.invoker().invoke(answers(error))


def test_a_process_that_ends_tries_for_so_long_only() -> None:
    _, retry = said()
    retry.end_within(-1)
    with pytest.raises(httpx.ConnectError):
        retry.invoker().invoke(answers(httpx.ConnectError("no")))


@pytest.mark.parametrize(
    "beat",
    [lambda: False, answers(LinkError("The token is not accepted."))],
    ids=["ended", "token"],
)
def test_a_run_that_was_taken_away_is_an_error_where_the_run_waits(
    beat: Callable[[], Any], interrupts: list[int]
) -> None:
    heart = Heart(beat)
    heart.check()
    heart.start()
    until(lambda: heart._lost, "the heart notices nothing")
    with pytest.raises(LinkError):
        heart.check()
    heart.stop()
    assert interrupts == []


def test_an_absent_superlink_takes_no_run_away() -> None:
    heart = Heart(answers(httpx.ConnectError("no"), refused(500)))
    assert heart._once() is False
    assert heart._once() is False
    heart.check()
    assert heart._once() is True


def test_a_heart_that_never_beat_can_be_stopped() -> None:
    Heart(lambda: True).stop()
