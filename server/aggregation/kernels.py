"""Compiled loops over vectors: one pass each, at the speed of memory.

NumPy needs four passes for a weighted fixed-point sum, so a hospital's update would be read from
memory four times.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar, cast

import numba

from common.environment import usable

F = TypeVar("F", bound=Callable[..., Any])
BLOCK = 1 << 16
"""Values that fit into a core's second-level cache together with their sum."""
_LEAST = 4 * BLOCK


def compiled(signature: str) -> Callable[[F], F]:
    """Compile at import for one signature, without the interpreter lock.

    Machine code is kept on disk where that is allowed.

    ``read`` in a signature stands for a read-only float32 vector; a writable one may be passed as
    well.
    """
    kinds: dict[str, Any] = {
        "read": numba.types.Array(numba.float32, 1, "C", readonly=True),
        "float32": numba.float32[::1],
        "int64": numba.int64[::1],
    }
    kinds |= {"int32": numba.int32[::1], "uint8": numba.uint8[::1], "scale": numba.float64}
    arguments = tuple(kinds[word] for word in signature.split())

    def decorate(function: F) -> F:
        try:
            kernel: Any = numba.njit(arguments, nogil=True, cache=True)(function)
        except RuntimeError:  # no writable place for the cache
            kernel = numba.njit(arguments, nogil=True)(function)
        return cast(F, kernel)

    return decorate


def over_blocks(size: int, work: Callable[[int, int], Any]) -> list[Any]:
    """``work(start, end)`` for each of a vector's parts, one part a core if the vector is long.

    The results in order.
    """
    parts = min(usable(), max(1, size // _LEAST), 8)
    if parts == 1:
        return [work(0, size)]
    edges = [size * i // parts for i in range(parts + 1)]
    return list(_pool().map(work, edges[:-1], edges[1:]))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, thread_name_prefix="kernel")
