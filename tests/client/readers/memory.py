"""How much memory something takes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(most: int) -> Iterator[None]:
    """Python's and NumPy's own memory grows by no more than this many bytes within."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
        assert peak < most, f"{peak} bytes; {most} were expected to do"
    finally:
        tracemalloc.stop()
