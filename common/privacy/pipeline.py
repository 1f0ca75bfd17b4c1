"""The stages of an update in their order: hospitals go through them forwards, the server backwards.

A further stage (noise, compression) is a file beside this one and a row of :data:`STAGES`. What a
stage has to know is a field of :class:`~common.privacy.stage.Rules`, what it tells the hospital's
own record an event of ``client/audit/schema.py``; one that lets a change grow after :class:`Clip`
also needs the outbox's word, which holds a plain change to the policy's norm.
"""

from __future__ import annotations

from common.privacy.clipping import Clip
from common.privacy.sealing import Encode, MaskStage, Weigh
from common.privacy.stage import ChangeStage, Opened, Part, Rules, Sending, SumStage, Total
from common.secagg import mask_streams
from common.secagg.mask_streams import Words
from common.update import Vector

STAGES: tuple[ChangeStage | SumStage, ...] = (Clip(), Weigh(), Encode(), MaskStage())
_ONCE = tuple(stage for stage in STAGES if isinstance(stage, ChangeStage))
_EACH_SUM = tuple(stage for stage in STAGES if isinstance(stage, SumStage))


def altered(change: Vector, rules: Rules) -> dict[str, dict[str, float]]:
    """Take a trained change ``[P]``, in place, through what every update goes through.

    Returns:
        what the hospital's own record keeps about it, by event.
    """
    events: dict[str, dict[str, float]] = {}
    for stage in _ONCE:
        events |= {event: dict(facts) for event, facts in stage.forward(change, rules).items()}
    return events


def restored(mean: Vector) -> Vector:
    """Take the mean ``[P]`` of the hospitals' changes back through the same stages."""
    for stage in reversed(_ONCE):
        mean = stage.reverse(mean)
    return mean


def seal(values: Vector, sending: Sending, out: Words) -> None:
    """Take a change ``[P]`` into a secure sum: ``out`` ``[P]`` becomes what travels.

    Raises:
        SecureSumError: a value is not finite or too large, or there is no mask; ``out`` is then
            zero from end to end (untouched where lengths or masks are wrong), and the pad must not
            be used again.
    """
    part = Part(values, out)
    for stage in _EACH_SUM:
        stage.forward(part, sending)
    mask_streams.gather(part.blocks, out)


def opened(words: Words, opening: Opened) -> Vector:
    """The mean ``[P]`` in an opened sum's words ``[P]``, whose memory is used up.

    Raises:
        SecureSumError: the masks are not known.
    """
    total = Total(words)
    for stage in reversed(_EACH_SUM):
        stage.reverse(total, opening)
    return total.decoded(opening.each)
