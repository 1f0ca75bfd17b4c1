"""How a change goes into a secure sum and out of it: weighed, as whole numbers, under masks."""

from __future__ import annotations

from common.errors import SecureSumError
from common.privacy.stage import Opened, Part, Sending, SumStage, Total
from common.protocol import sum_specs
from common.secagg import fixed_point, mask_streams
from common.secagg.mask_streams import Pad

_ALIGNED = 16
"""Bytes of a cipher block: a pad begins at a multiple of it."""


def share(weight: float, total: float) -> float:
    """A hospital's share of all weights.

    A total that is too small is not refused, since a refusal would tell the hospital's weight.
    """
    return weight / max(weight, total)


class Weigh(SumStage):
    """A hospital counts by its share of the declared weights; the sum is over who answered."""

    def forward(self, part: Part, sending: Sending) -> None:
        """Times the share."""
        part.scale *= sending.share

    def reverse(self, total: Total, opened: Opened) -> None:
        """By the shares of those who answered: the sum becomes their mean."""
        total.scale *= opened.spec.total / opened.weight


class Encode(SumStage):
    """Values as whole numbers modulo 2^32 or 2^64 (``common/secagg``), so that sums are exact."""

    def forward(self, part: Part, sending: Sending) -> None:
        """Times 2^f, with the pending scale, rounded once."""
        part.scale *= sum_specs.fraction(sending.spec)
        kind = part.out.dtype
        part.blocks = fixed_point.blocks(
            part.values,
            scale=part.scale,
            limit=sending.spec.limit,
            kind=kind,
            step=mask_streams.BLOCK // kind.itemsize,
        )

    def reverse(self, total: Total, opened: Opened) -> None:
        """By 2^f, which is exact."""
        total.scale /= sum_specs.fraction(opened.spec)


class MaskStage(SumStage):
    """Words that look like chance to whoever lacks a mask (``common/secagg``)."""

    def forward(self, part: Part, sending: Sending) -> None:
        """Add the keystreams while each block is in the cache."""
        part.blocks = mask_streams.masked(part.blocks, sending.pad)

    def reverse(self, total: Total, opened: Opened) -> None:
        """Take off what the survivors' masks have left in the sum."""
        if not opened.pads:
            raise SecureSumError("A secure sum is to be read before its masks are known.")
        size = total.words.size
        width = total.words.itemsize
        step = _ALIGNED // width

        def unmask(start: int, end: int) -> None:
            # Parts are cut where a cipher block begins, so that no word is unmasked twice or never.
            first = start - start % step
            last = size if end == size else end - end % step
            Pad(opened.pads, offset=first * width).add(total.words[first:last])

        if size:
            opened.each(size, unmask)
