"""Calls to the SuperLink: made again while it is silent.

That it stays silent, or that the run is over there, is an error with a name.

Flower's own policy asks a silent SuperLink for ever. Where a token is not accepted any more it
sends SIGINT to its own process, in which nobody can tell it from a person's Ctrl-C (flwr 1.41:
``supercore/retry/http_retry.py`` at status 401, ``supercore/heartbeat.py`` at a heartbeat that is
not wanted). Consilium uses neither: no thread of ours ever signals its own process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from common.errors import ConsiliumError

PATIENCE = 300.0
"""Seconds for which a SuperLink may be silent.

It is on this host and may be busy. One that has ended ends the server (``supervisor.py``), which
the system's service manager then starts anew.
"""
_HEARTBEAT = 10.0
"""Seconds between heartbeats of a run.

The SuperLink gives it up after 60 without one (flwr 1.41, ``common/constant.py``).
"""
_REFUSALS = (401, 403)
_PASSING = (502, 503, 504)
_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_OVER = (
    "The SuperLink takes no more of this run: it was stopped there, "
    "or was given up because its process had not been heard."
)

Call = Callable[[], httpx.Response]


class LinkError(ConsiliumError):
    """The SuperLink of this host does not do what is asked."""


class SilentError(LinkError):
    """The SuperLink has not answered for too long; it may later."""


class RunOverError(LinkError):
    """The SuperLink does not accept the caller any more; asking again does not help."""


@dataclass
class Retry:
    """The patience of one client, or of all those that work for one run.

    What Flower's clients call a retry invoker.

    Attributes:
        patience: seconds of silence after which a call fails; 0: at once.
        refusal: the sentence for a token that is not accepted.
        stop: ends every wait, which then is the last.
        over: set from outside where a thread has learnt that the run is over; the next call of
            another says so.
    """

    patience: float = PATIENCE
    refusal: str = _OVER
    stop: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def invoke(self, call: Call) -> httpx.Response:
        """``call`` until it is answered.

        Raises:
            SilentError: nobody answers for ``patience`` seconds.
            RunOverError: the caller's token is not accepted, or another thread has seen that it is
                not.
            LinkError: any other refusal.
        """
        began = time.monotonic()
        pause = _FIRST_PAUSE
        while True:
            if self.over.is_set():
                raise RunOverError(self.refusal)
            try:
                return call()
            except httpx.HTTPStatusError as error:
                self._judge(error.response.status_code)
            except httpx.TransportError as error:
                if _is_untrusted(error):
                    raise LinkError(
                        f"The SuperLink's certificate is not accepted ({error}); see: "
                        "consilium server doctor."
                    ) from None
            silent = time.monotonic() - began
            if silent >= self.patience or self.stop.wait(pause):
                raise SilentError(
                    f"The SuperLink has not answered for {silent:.0f} s; its log says why."
                )
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _judge(self, status: int) -> None:
        """Raise unless asking again may help."""
        if status in _REFUSALS:
            self.over.set()
            raise RunOverError(self.refusal)
        if status not in _PASSING:
            raise LinkError(f"The SuperLink refuses a call with status {status}; its log says why.")


class Heartbeat:
    """Tells the SuperLink that a run's process lives.

    Once it is told that the run is over, every later call of the run says so.

    Args:
        beat: one beat over a client of its own, which never waits for the run's calls to be made
            again; False where the run is over.
        over: set then.
    """

    def __init__(self, beat: Callable[[], bool], over: threading.Event) -> None:
        self._beat = beat
        self._over = over
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Beat from now on."""
        self._thread.start()

    def stop(self) -> None:
        """No beat comes after this returns."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                if not self._beat():
                    self._over.set()
                    return
            except httpx.HTTPError:  # the run's own calls tell; the next beat tries again
                pass
            self._stopped.wait(_HEARTBEAT)


def _is_untrusted(error: httpx.TransportError) -> bool:
    return isinstance(error, httpx.ConnectError) and "certificate" in str(error).lower()
