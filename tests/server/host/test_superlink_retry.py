"""How long a run's process insists with its SuperLink.

Every end of it is an error with a name; never a signal.
"""

from __future__ import annotations

import importlib
import inspect
import re
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from server.host import superlink_retry
from server.host.superlink_retry import Heartbeat, LinkError, Retry, RunOverError, SilentError
from tests.patience import until

HOUSE = Path(__file__).resolve().parents[3]
REQUEST = httpx.Request("POST", "https://localhost/v1/runtime/x")


def answers(*statuses: int | Exception) -> Callable[[], httpx.Response]:
    """A call that is answered by these statuses, or fails, one after the other."""
    waiting = iter(statuses)

    def call() -> httpx.Response:
        status = next(waiting)
        if isinstance(status, Exception):
            raise status
        return httpx.Response(status, request=REQUEST).raise_for_status()

    return call


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superlink_retry, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(superlink_retry, "_HEARTBEAT", 0.001)


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[list[int]]:
    """Every SIGINT that this process gets meanwhile: none may come."""
    signals: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: signals.append(number))
    yield signals
    signal.signal(signal.SIGINT, handler)
    assert signals == []


@pytest.mark.parametrize(
    "trouble",
    [
        502,
        503,
        504,
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("late"),
        httpx.ReadError("cut"),
    ],
)
def test_a_call_that_fails_in_passing_is_made_again(trouble: int | Exception) -> None:
    assert Retry().invoke(answers(trouble, trouble, 200)).status_code == 200


def test_a_superlink_that_stays_silent_is_an_error_that_says_for_how_long() -> None:
    with pytest.raises(
        SilentError, match=r"^The SuperLink has not answered for 0 s; its log says why\.$"
    ):
        Retry(patience=0.01).invoke(answers(*[httpx.ConnectError("refused")] * 10_000))


def test_without_patience_a_call_is_made_once() -> None:
    with pytest.raises(SilentError):
        Retry(patience=0.0).invoke(answers(503))


def test_a_wait_ends_when_the_process_is_to_stop() -> None:
    policy = Retry()
    policy.stop.set()
    with pytest.raises(SilentError):
        policy.invoke(answers(503))


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_accepted_ends_this_call_and_every_later_one(status: int) -> None:
    policy = Retry(refusal="The run is over.")
    with pytest.raises(RunOverError, match=r"^The run is over\.$"):
        policy.invoke(answers(status))
    with pytest.raises(RunOverError, match=r"^The run is over\.$"):
        policy.invoke(answers(200))


@pytest.mark.parametrize("status", [400, 404, 409, 500])
def test_another_refusal_is_told_at_once(status: int) -> None:
    with pytest.raises(
        LinkError, match=rf"refuses a call with status {status}; its log says why"
    ) as caught:
        Retry().invoke(answers(status))
    assert not isinstance(caught.value, RunOverError | SilentError)


def test_a_foreign_certificate_is_not_waited_for() -> None:
    with pytest.raises(LinkError, match=r"certificate is not accepted"):
        Retry().invoke(
            answers(
                httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")
            )
        )


def test_a_fault_of_our_own_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="ours"):
        Retry().invoke(answers(ValueError("ours")))


def test_a_heart_beats_through_failures_and_stops() -> None:
    beats: list[int] = []

    def beat() -> bool:
        beats.append(1)
        if len(beats) == 2:
            raise httpx.ConnectError("refused")
        return True

    policy = Retry()
    heart = Heartbeat(beat, policy.over)
    heart.start()
    until(lambda: len(beats) > 4)
    heart.stop()
    after = len(beats)
    assert not any(thread.name == "heartbeat" for thread in threading.enumerate())
    assert len(beats) == after and not policy.over.is_set()


def test_a_beat_that_is_not_wanted_ends_the_run_at_its_next_call() -> None:
    policy = Retry()
    heart = Heartbeat(lambda: False, policy.over)
    heart.start()
    until(policy.over.is_set)
    heart.stop()
    with pytest.raises(RunOverError, match="takes no more of this run"):
        policy.invoke(answers(200))


def test_a_heart_that_never_beat_may_be_stopped() -> None:
    Heartbeat(lambda: True, threading.Event()).stop()


SIGNALLING = {
    "flwr.supercore.retry.http_retry": "make_simple_http_retry_invoker",
    "flwr.supercore.retry.grpc_retry": "make_simple_grpc_retry_invoker",
    "flwr.supercore.heartbeat": "make_task_heartbeat_fn_http",
    "flwr.supernode.fleet_http_connection": "http_request_response",
    "flwr.supercore.app_utils": "start_parent_process_monitor",
}
"""What in the installed Flower sends SIGINT to its own process, by module."""


@pytest.mark.parametrize(("module", "name"), SIGNALLING.items())
def test_nothing_of_flower_that_signals_its_own_process_is_used(module: str, name: str) -> None:
    source = inspect.getsource(importlib.import_module(module))
    assert (
        "SIGINT" in source and f"def {name}(" in source
    )  # the control: there is something to stay away from
    files = [
        path for room in ("server", "client", "common") for path in (HOUSE / room).rglob("*.py")
    ]
    assert [path.name for path in files if name in path.read_text("utf-8")] == []


def test_no_other_module_of_flower_signals_its_own_process() -> None:
    """A new one would come with a new release.

    Then the table above grows, or nothing of it is used.
    """
    top = Path(importlib.import_module("flwr").__file__ or "").parent
    called = re.compile(r"(?:os\.kill\(os\.getpid\(\)|raise_signal\().*SIGINT")
    modules = {
        ".".join(path.relative_to(top.parent).with_suffix("").parts)
        for path in top.rglob("*.py")
        if called.search(path.read_text("utf-8"))
    }
    assert modules == set(SIGNALLING)
