"""What may leave this hospital in clear, by name: each value of an answer has a rule here, and the policy's switch that lets it go.

A name without a rule does not leave. Rules look at values as JSON has them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from client.site import Site
from client.training import device
from client.worker.allowed_words import Around
from common import networks
from common.errors import SignatureError
from common.protocol import sum_specs
from common.protocol.envelopes import Question
from common.sentences.kinds import WHOLE
from common.sentences.table import Sentence
from common.study.study import Study
from common.trust import tree_heads

_MOST = 50
_COUNTER = re.compile(r"([a-z]\w{0,40}\.|[A-Z]\.|\d{1,3}\.){0,20}num_batches_tracked")
"""The one kind of counter that networks have: how many batches a normalisation has seen."""
_PICTURES = ("image", "truth", "prediction", "caption")
_PRECISIONS = ("float32", "bf16", "fp16")


@dataclass(frozen=True)
class ReleaseContext:
    """What the rules look at: the hospital, the question and the study."""

    site: Site
    plan: Question
    study: Study

    @property
    def secure(self) -> bool:
        """Whether the study's updates are masked."""
        return self.study.secure_aggregation.enabled

    def sentence(self, value: Any) -> bool:
        """Whether a value is a code of the table with arguments of its types, whose words stand in the study, the settings or the roster."""
        try:
            return Sentence.from_json(value).stands(Around(self.site, self.study))
        except ValueError:
            return False


Rule = Callable[[ReleaseContext, Any], bool]
"""Whether a value may leave."""


def _whole(door: ReleaseContext, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 40


def _number(door: ReleaseContext, value: Any) -> bool:
    return _whole(door, value) or (isinstance(value, float) and math.isfinite(value))


def _flag(door: ReleaseContext, value: Any) -> bool:
    return isinstance(value, bool)


def _sentences(door: ReleaseContext, value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) <= _MOST and all(door.sentence(one) for one in value)
    )


def _reasons(door: ReleaseContext, value: Any) -> bool:
    """Sentences, each with the number of images that it holds for."""
    if (
        not isinstance(value, list)
        or len(value) > _MOST
        or not all(isinstance(one, dict) and "images" in one for one in value)
    ):
        return False
    plain = [{name: inner for name, inner in one.items() if name != "images"} for one in value]
    return all(WHOLE.fits(one["images"]) for one in value) and _sentences(door, plain)


def _counted(door: ReleaseContext, value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _COUNTER.fullmatch(str(name)) and _whole(door, count) for name, count in value.items()
    )


def _metrics(door: ReleaseContext, value: Any) -> bool:
    known = networks.task(door.study).higher_is_better
    return isinstance(value, Mapping) and all(
        name in known and (v is None or isinstance(v, float) or _number(door, v))
        for name, v in value.items()
    )


def _intervals(door: ReleaseContext, value: Any) -> bool:
    known = networks.task(door.study).higher_is_better
    return isinstance(value, Mapping) and all(
        name in known and len(pair) == 2 and all(_number(door, end) for end in pair)
        for name, pair in value.items()
    )


def _compute(door: ReleaseContext, value: Any) -> bool:
    """How this hospital computed: the processor as it calls itself, and words of ours."""
    checks: Mapping[str, Callable[[Any], bool]] = {
        "device": lambda text: text == device.name(door.site.device),
        "precision": lambda text: text in _PRECISIONS,
        "channels_last": lambda flag: _flag(door, flag),
        "note": lambda sentence: sentence is None or door.sentence(sentence),
        "threads": lambda count: _whole(door, count),
    }
    return isinstance(value, Mapping) and all(
        name in checks and checks[name](told) for name, told in value.items()
    )


def _examples(door: ReleaseContext, value: Any) -> bool:
    """Pictures leave only where every image of the folder is a phantom."""
    pictures = isinstance(value, list) and all(
        isinstance(e, dict) and set(e) <= set(_PICTURES) for e in value
    )
    return (
        pictures
        and door.site.synthetic
        and all(isinstance(text, str) for e in value for text in e.values())
    )


def _head(door: ReleaseContext, value: Any) -> bool:
    """This hospital's own head, as it travels; numbers of its record's lines and hashes."""
    try:
        return value is None or tree_heads.read(value).site == door.site.name
    except SignatureError:
        return False


COUNTS, METRICS = "counts", "metrics"
RULES: Mapping[str, Mapping[str, tuple[Rule, str]]] = {
    "join": {
        **dict.fromkeys(sum_specs.COUNTS, (_whole, COUNTS)),
        "reasons": (_reasons, COUNTS),
        "pooled": (_flag, ""),
        "trains": (_flag, ""),
    },
    "agree": {"refused": (_sentences, "")},
    "tally": {},
    "train": {
        "notes": (_sentences, ""),
        "weight": (_number, COUNTS),
        "steps": (_whole, COUNTS),
        "counted": (_counted, COUNTS),
        "loss": (_number, METRICS),
        "seconds": (_number, METRICS),
        "head": (_head, ""),
    },
    "evaluate": {
        "metrics": (_metrics, METRICS),
        "intervals": (_intervals, METRICS),
        "images": (_whole, COUNTS),
        "patients": (_whole, COUNTS),
        "compute": (_compute, ""),
        "examples": (_examples, METRICS),
    },
}
"""Kind of answer: name of a value: its rule, and which of the policy's switches lets it leave where updates are masked."""
FEWEST = "fewest"
"""Name under which the worker tells the outbox the smallest number of patients that an answer's values are over; it never leaves."""
