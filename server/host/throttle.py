"""How often a wrong token may be tried.

After ten within ten minutes a hospital's name must wait.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from server.host.site_registry import AdmissionError

_TRIES = 10
_WITHIN = timedelta(minutes=10)
_NAMES = 4096


class Throttle:
    """Counts wrong tokens by name, known or not.

    Forgets the longest unused name when there are too many.
    """

    def __init__(self) -> None:
        self._failures: OrderedDict[str, list[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, name: str, now: datetime) -> None:
        """Whether this name may try now.

        Raises:
            AdmissionError: it must wait.
        """
        with self._lock:
            recent = self._recent(name, now)
        if len(recent) >= _TRIES:
            minutes = -(-(recent[0] + _WITHIN - now) // timedelta(minutes=1))
            raise AdmissionError(
                429,
                f"Too many refused attempts; try again in {minutes} minutes.",
                f"{_TRIES} wrong tokens within 10 minutes",
            )

    def failed(self, name: str, now: datetime) -> None:
        """A wrong token was tried."""
        with self._lock:
            self._failures[name] = [*self._recent(name, now), now]
            self._failures.move_to_end(name)
            if len(self._failures) > _NAMES:
                self._failures.popitem(last=False)

    def _recent(self, name: str, now: datetime) -> list[datetime]:
        return [time for time in self._failures.get(name, ()) if now - time < _WITHIN]
