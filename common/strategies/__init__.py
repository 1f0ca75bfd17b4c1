"""Federated strategies: both halves of one idea in one file.

A file ``common/strategies/<name>.py`` exports ``STRATEGY``, a :class:`Strategy`. The local half
runs at the hospital after each backward pass; the server half turns the weighted mean of the
hospitals' deltas into the step of the global model. Neither imports torch: the local half works on
tensors through their own methods, the server half on NumPy vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
State = dict[str, npt.NDArray[np.float32]]
"""What the server half remembers between rounds, saved with the model.

Vectors of the model's length, or scalars as shape ``[1]``.
"""


def keep_gradients(options: Any, parameters: Sequence[Any], anchors: Sequence[Any]) -> None:
    """Local half that changes nothing."""


@dataclass(frozen=True)
class Strategy:
    """One named strategy.

    Attributes:
        options: settings class.
        step: server half, ``(options, state, mean_delta) -> (new_state, step)``; the new global
            model is ``model + step``. ``mean_delta`` may be overwritten and returned as the step.
        adjust: local half, ``(options, parameters, anchors) -> None``, called after backward and
            before the optimiser's step; may change ``parameter.grad`` in place. ``anchors`` are the
            global model's values of the same parameters.
        needs_anchors: whether ``adjust`` reads the anchors (else an empty list is passed and no
            copy is kept).
    """

    options: type[Any]
    step: Callable[[Any, State, Vector], tuple[State, Vector]]
    adjust: Callable[[Any, Sequence[Any], Sequence[Any]], None] = field(default=keep_gradients)
    needs_anchors: bool = False
