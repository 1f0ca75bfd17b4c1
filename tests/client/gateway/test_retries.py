"""Calls are repeated while it may help; a refusal ends them, and so does the process's end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from client.gateway import retries
from client.gateway.retries import FleetError, OverError, Retries

REQUEST = httpx.Request("POST", "https://localhost")


class Stop(threading.Event):
    """Waits for nothing, and remembers for how long it was to."""

    def __init__(self, after: int = 1000) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._after = after

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0.0)
        return len(self.waits) >= self._after


def failing(*statuses: int) -> Any:
    """A call that fails with these statuses (0: no connection), and then succeeds."""
    remaining: Iterator[int] = iter(statuses)

    def call() -> str:
        for status in remaining:
            if status == 0:
                raise httpx.ConnectError("refused")
            httpx.Response(status, request=REQUEST).raise_for_status()
        return "done"

    return call


def test_what_passes_is_tried_again_after_longer_and_longer_waits() -> None:
    stop = Stop()
    broken: list[BaseException] = []
    calls = Retries(stop, broken.append, lambda error: False)
    assert calls.call(failing(0, 503, 429, 409, 500, 502, 504, 507, 425)) == "done"
    assert stop.waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0])
    assert len(broken) == 3, "the first failure, and each after the longest wait"


@pytest.mark.parametrize(
    ("status", "kind"), [(403, FleetError), (401, FleetError), (400, OverError)]
)
def test_a_refusal_is_final_after_the_grace(
    monkeypatch: pytest.MonkeyPatch, status: int, kind: type[FleetError]
) -> None:
    monkeypatch.setattr(retries, "_GRACE", -1.0)
    with pytest.raises(FleetError) as caught:
        Retries(Stop(), lambda error: None, lambda error: False).call(failing(status))
    assert type(caught.value) is kind


def test_within_the_grace_a_refusal_is_tried_again() -> None:
    assert Retries(Stop(), lambda error: None, lambda error: False).call(failing(403)) == "done"


def test_a_run_that_is_over_ends_the_call_at_once() -> None:
    stop = Stop()
    with pytest.raises(OverError):
        Retries(stop, lambda error: None, lambda error: True).call(failing(403))
    assert stop.waits == []


def test_an_answer_that_nobody_waits_for_any_more_ends_the_call_at_once() -> None:
    stop = Stop()
    with pytest.raises(OverError, match="status 410"):
        Retries(stop, lambda error: None, lambda error: False).call(failing(410))
    assert stop.waits == []


def test_the_end_of_the_process_ends_the_call() -> None:
    with pytest.raises(FleetError, match="This hospital stops"):
        Retries(Stop(after=2), lambda error: None, lambda error: False).call(failing(*[503] * 9))
