"""A vector as it travels in a secure sum, made to a scale and a limit alone."""

from __future__ import annotations

from common.privacy import pipeline
from common.privacy.stage import Sending
from common.secagg.mask_streams import Pad, Words
from common.secagg.messages import SumSpec
from common.update import Vector

_FRACTION_BITS = 20


def seal(values: Vector, scale: float, limit: float, pad: Pad, out: Words) -> None:
    """Encode a vector ``[P]`` and mask it, by the hospital's own pipeline.

    A power of two changes no bit of the scale, so that any scale is a share of some specification.
    """
    spec = SumSpec(
        kind="train",
        round=1,
        part="",
        model=bytes(32),
        layout="x",
        size=values.size,
        ring_bits=64 if out.itemsize == 8 else 32,
        fraction_bits=_FRACTION_BITS,
        limit=limit,
        lanes=(),
        total=1,
    )
    pipeline.seal(values, Sending(spec, scale / 2.0**_FRACTION_BITS, pad), out)
