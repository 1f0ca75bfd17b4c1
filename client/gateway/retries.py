"""Repeats calls to the coordinator until they succeed, it refuses us, or we are to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from common.errors import SiteError

R = TypeVar("R")
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 20.0
"""Seconds between two attempts."""
_GRACE = 10.0
"""Seconds for which a refusal may be the proxy's that has not heard of a new hospital yet."""
_PASSING = (408, 425, 429, 500, 502, 503, 504, 507)
_UNAVAILABLE = 409
_GONE = 410
"""The coordinator waits for this answer no more; it will not wait again."""


class FleetError(SiteError):
    """The coordinator refuses this hospital; trying again does not help."""


class OverError(FleetError):
    """The coordinator takes no more of this run or message; the next one may go well."""


@dataclass(frozen=True)
class Retries:
    """How calls are repeated.

    Attributes:
        stop: ends every wait.
        broken: told the error when the connection breaks, and again now and then.
        is_over: whether an error says that the call's run was stopped.
    """

    stop: threading.Event
    broken: Callable[[BaseException], None]
    is_over: Callable[[httpx.HTTPError], bool]

    def call(self, call: Callable[[], R]) -> R:
        """The result of ``call``, which may be made many times.

        Raises:
            OverError: the coordinator takes no more of this run or message.
            FleetError: it refuses this hospital, or this process is to stop.
        """
        wait = _FIRST_WAIT
        failed = False
        began = time.monotonic()
        while True:
            try:
                return call()
            except httpx.HTTPError as error:
                if self.is_over(error):
                    raise OverError("coordinator.run_over") from None
                if _is_gone(error) or (_is_final(error) and time.monotonic() - began > _GRACE):
                    raise _refusal(error) from None
                # At the first failure, and again each time that the longest wait is over.
                if not failed or wait >= _LONGEST_WAIT:
                    self.broken(error)
                failed = True
                if self.stop.wait(wait):
                    raise FleetError("coordinator.stopping") from None
                wait = min(2 * wait, _LONGEST_WAIT)


def _is_gone(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code == _GONE


def _is_final(error: httpx.HTTPError) -> bool:
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in (
        *_PASSING,
        _UNAVAILABLE,
    )


def _refusal(error: Any) -> FleetError:
    status = error.response.status_code
    if status in (401, 403):
        return FleetError("coordinator.hospital", status=status)
    return OverError("coordinator.message", status=status)
