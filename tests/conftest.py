"""What holds for every test.

No invented example is judged by the time that it took on a machine which others use too, and no
test leaves the process answering signals in its own way.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("consilium", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("consilium")


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Commands that are called in this process ask for its signals and never give them back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, answer in before.items():
        # None: set by a library below Python, and not to be set from here.
        if answer is not None:
            signal.signal(number, answer)
