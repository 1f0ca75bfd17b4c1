"""What refused attempts at enrolment cost the one who makes them, counted by address.

A token has 256 random bits, so that nobody comes nearer to it by trying: no hospital's name has to
be locked, and none is. After ten refusals within ten minutes an address is told to wait and its
refusals are not written down any more. A right token is taken from every address at every time,
also from one that a stranger shares.
"""

from __future__ import annotations

import ipaddress
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

from server.host.site_registry import AdmissionError

TRIES = 10
UNNAMED = "an unnamed address"
_WITHIN = timedelta(minutes=10)
_SOURCES = 4096
_HOST_BITS = 64
"""Bits of an IPv6 address that one host chooses itself (RFC 4291 section 2.5.4)."""


def source_of(address: str) -> str:
    """Whom an address is counted as: itself, or its network where it is of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return UNNAMED
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed), 128 - _HOST_BITS), strict=False))


class Throttle:
    """Counts refusals by source.

    Forgets the longest unused source when there are too many.
    """

    def __init__(self) -> None:
        self._refusals: OrderedDict[str, list[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def refused(self, source: str, now: datetime) -> int:
        """One more; how many there were lately, above :data:`TRIES` one more than that."""
        with self._lock:
            lately = [time for time in self._refusals.get(source, ()) if now - time < _WITHIN]
            # The first ones stay, so that a wait comes to its end.
            self._refusals[source] = [*lately, now][: TRIES + 1]
            self._refusals.move_to_end(source)
            if len(self._refusals) > _SOURCES:
                self._refusals.popitem(last=False)
            return len(lately) + 1

    def wait(self, source: str, now: datetime) -> AdmissionError:
        """What a source is told that was refused too often."""
        with self._lock:
            first = self._refusals.get(source, [now])[0]
        minutes = max(-(-(first + _WITHIN - now) // timedelta(minutes=1)), 1)
        sentence = f"Too many refused attempts; try again in {minutes} minutes."
        return AdmissionError(429, sentence, f"{TRIES} refusals from {source} within 10 minutes")
