"""Calls of the SuperLink that are tried again: its absence is waited out and said aloud, its refusal is an error.

Flower's own retry sends this process SIGINT when the SuperLink refuses a token, and its heartbeat
does the same when a run has ended: to everybody else that looks like Ctrl-C. Here both are errors
with a name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import httpx
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.retry.retry_invoker import RetryInvoker, RetryState, exponential
from flwr.supercore.run import RunNotRunningException

from common.errors import ConsiliumError

_SLOWEST = 5.0
"""Seconds between two tries at most: a SuperLink that was started again is found soon."""
_SAID_AFTER = 10.0
_ABSENT = (502, 503, 504)
"""What a proxy or a SuperLink that is starting answers."""
_UNAUTHORIZED, _FORBIDDEN = 401, 403


class LinkError(ConsiliumError):
    """The SuperLink has taken this run away: its token or its task is not accepted any more."""


class Retry:
    """Tries a call until the SuperLink answers it.

    Args:
        say: gets a line when the SuperLink has been away for a while, and when it is back.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._next = _SAID_AFTER
        self._lock = threading.Lock()
        self._last: float | None = None

    def invoker(self) -> RetryInvoker:
        """What Flower's clients take in place of their own."""
        return RetryInvoker(
            wait_gen_factory=lambda: exponential(base_delay=0.2, max_delay=int(_SLOWEST)),
            recoverable_exceptions=(httpx.TransportError, httpx.HTTPStatusError),
            max_tries=None,
            max_time=None,
            on_success=self._back,
            on_backoff=self._away,
            should_giveup=self._is_final,
            wait_function=time.sleep,
        )

    def end_within(self, seconds: float) -> None:
        """From now on, try for so long only: the process is about to end."""
        self._last = time.monotonic() + seconds

    def _is_final(self, error: Exception) -> bool:
        if self._last is not None and time.monotonic() > self._last:
            return True
        if not isinstance(error, httpx.HTTPStatusError):
            return any(word in str(error).lower() for word in ("certificate", "ssl", "tls"))
        status = error.response.status_code
        if status == _UNAUTHORIZED:
            raise LinkError("The SuperLink does not accept this run's token any more.") from None
        if status == _FORBIDDEN:
            raise LinkError("The SuperLink says that this run is over.") from None
        return status not in _ABSENT

    def _away(self, state: RetryState) -> None:
        with self._lock:
            if state.elapsed_time < self._next:
                return
            self._next = 2 * state.elapsed_time
        self._say(
            f"the SuperLink has not answered for {state.elapsed_time:.0f} s "
            f"({type(state.exception).__name__}); trying again"
        )

    def _back(self, state: RetryState) -> None:
        with self._lock:
            told = self._next > _SAID_AFTER
            self._next = _SAID_AFTER
        if told and state.tries > 1:
            self._say(f"the SuperLink answers again after {state.elapsed_time:.0f} s")


class Heart:
    """Tells the SuperLink now and then that this process lives, and notes when it does not care any more.

    Args:
        beat: sends one heartbeat; whether the SuperLink still counts on this process.
    """

    def __init__(self, beat: Callable[[], bool]) -> None:
        self._beat = beat
        self._sender = HeartbeatSender(self._once)
        self._lost = ""

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._sender.start()

    def stop(self) -> None:
        """End, whether or not it has begun."""
        if self._sender.is_running:
            self._sender.stop()

    def check(self) -> None:
        """Whether the run is still this process's.

        Raises:
            LinkError: it is not.
        """
        if self._lost:
            raise LinkError(self._lost)

    def _once(self) -> bool:
        """One heartbeat, for Flower's sender: False is tried again, and nothing raises in its thread."""
        try:
            if not self._beat():
                self._lost = "The SuperLink has ended this run or given it to another process."
        except (LinkError, RunNotRunningException) as error:
            self._lost = str(error) or "The SuperLink says that this run is over."
        except httpx.HTTPError:
            return False
        return True
