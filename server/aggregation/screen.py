"""Refuse what must not enter the average.

Each refusal names the hospital and the reason, and the round goes on.

Checked before anything is added: round, model layout, length, finite values, largest change of a
weight, and the hospital's weight against what it declared when it joined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from common.plain_text import described
from common.protocol.envelopes import Reply
from common.update import Layout, Update, Vector
from server.aggregation.kernels import compiled, over_blocks


class RefusedError(Exception):
    """An update is refused; the text is the reason, one sentence."""


@compiled("read")
def _largest(values: Vector) -> float:
    largest = np.float32(0.0)
    broken = False
    for i in range(values.size):
        size = abs(values[i])
        broken |= not size <= np.float32(3.0e38)
        largest = max(largest, size)
    return float("inf") if broken else float(largest)


@dataclass(frozen=True)
class Screen:
    """What one round accepts."""

    round: int
    layout: Layout
    largest_change: float

    def accept(self, reply: Reply, declared_weight: float) -> Update:
        """The hospital's update if nothing is wrong with it.

        Args:
            reply: the hospital's answer to a "train" question.
            declared_weight: the weight that the hospital declared when it joined.

        Raises:
            RefusedError: with the reason.
        """
        if reply.fault:
            raise RefusedError(reply.refusal)
        if reply.kind != "train" or reply.round != self.round:
            raise RefusedError(
                f"The answer is for {reply.kind} in round {reply.round}; "
                f"train in round {self.round} was asked."
            )
        if reply.layout != self.layout.digest:
            raise RefusedError("The answer is for another model layout.")
        if (
            reply.delta is None
            or reply.delta.shape != (self.layout.size,)
            or reply.delta.dtype != np.float32
        ):
            form = (
                "no vector"
                if reply.delta is None
                else f"{reply.delta.dtype} {list(reply.delta.shape)}"
            )
            raise RefusedError(f"The update is {form}; float32 [{self.layout.size}] is allowed.")
        weight = self._number(reply, "weight")
        if not 0 < weight <= declared_weight:
            raise RefusedError(
                f"The weight is {weight:g}; above 0 and at most the declared "
                f"{declared_weight:g} is allowed."
            )
        self._check_change(reply.delta)
        loss, steps, seconds = (self._number(reply, key) for key in ("loss", "steps", "seconds"))
        return Update(reply.delta, weight, loss, int(steps), seconds, self._counted(reply))

    def _counted(self, reply: Reply) -> dict[str, int]:
        counted = reply.values.get("counted", {})
        if not isinstance(counted, dict) or not set(counted) <= set(self.layout.counters):
            raise RefusedError("The answer counts what the network does not.")
        if not all(
            isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 53
            for n in counted.values()
        ):
            raise RefusedError("The answer's counters are not whole numbers from 0 on.")
        return counted

    def _check_change(self, delta: Vector) -> None:
        largest = max(over_blocks(delta.size, lambda start, end: _largest(delta[start:end])))
        if not math.isfinite(largest):
            raise RefusedError("The update holds NaN or infinite values.")
        if largest > self.largest_change:
            raise RefusedError(
                f"The update changes a weight by {largest:.3g}; "
                f"at most {self.largest_change:g} is allowed."
            )

    @staticmethod
    def _number(reply: Reply, key: str) -> float:
        value = reply.values.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            raise RefusedError(
                f"The answer's {key} is {described(value)}; a finite number is allowed."
            )
        return float(value)
