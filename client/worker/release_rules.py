"""What may leave this hospital in clear: for each value of an answer its rule and its switch.

A name without a rule does not leave. Rules look at values as JSON has them; the switch is the
policy's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from client.site import Site
from client.training import device
from client.worker.allowed_words import AllowedWords
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
    question: Question
    study: Study

    @property
    def secure(self) -> bool:
        """Whether the study's updates are masked."""
        return self.study.secure_aggregation.enabled

    def sentence(self, value: Any) -> bool:
        """Whether a value is a sentence of the table, all of whose words are allowed to leave."""
        try:
            return Sentence.from_json(value).stands(AllowedWords(self.site, self.study))
        except ValueError:
            return False


Rule = Callable[[ReleaseContext, Any], bool]
"""Whether a value may leave."""


def _whole(context: ReleaseContext, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 40


def _number(context: ReleaseContext, value: Any) -> bool:
    return _whole(context, value) or (isinstance(value, float) and math.isfinite(value))


def _flag(context: ReleaseContext, value: Any) -> bool:
    return isinstance(value, bool)


def _sentences(context: ReleaseContext, value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= _MOST
        and all(context.sentence(sentence) for sentence in value)
    )


def _reasons(context: ReleaseContext, value: Any) -> bool:
    """Sentences, each with the number of images that it holds for."""
    if (
        not isinstance(value, list)
        or len(value) > _MOST
        or not all(isinstance(reason, dict) and "images" in reason for reason in value)
    ):
        return False
    plain = [
        {name: inner for name, inner in reason.items() if name != "images"} for reason in value
    ]
    return all(WHOLE.fits(reason["images"]) for reason in value) and _sentences(context, plain)


def _counted(context: ReleaseContext, value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        _COUNTER.fullmatch(str(name)) and _whole(context, count) for name, count in value.items()
    )


def _metrics(context: ReleaseContext, value: Any) -> bool:
    metrics = networks.task(context.study).higher_is_better
    return isinstance(value, Mapping) and all(
        name in metrics
        and (number is None or isinstance(number, float) or _number(context, number))
        for name, number in value.items()
    )


def _intervals(context: ReleaseContext, value: Any) -> bool:
    metrics = networks.task(context.study).higher_is_better
    return isinstance(value, Mapping) and all(
        name in metrics and len(pair) == 2 and all(_number(context, end) for end in pair)
        for name, pair in value.items()
    )


def _compute(context: ReleaseContext, value: Any) -> bool:
    """How this hospital computed: the processor as it calls itself, and words of ours."""
    checks: Mapping[str, Callable[[Any], bool]] = {
        "device": lambda text: text == device.name(context.site.device),
        "precision": lambda text: text in _PRECISIONS,
        "channels_last": lambda flag: _flag(context, flag),
        "note": lambda sentence: sentence is None or context.sentence(sentence),
        "threads": lambda count: _whole(context, count),
    }
    return isinstance(value, Mapping) and all(
        name in checks and checks[name](part) for name, part in value.items()
    )


def _examples(context: ReleaseContext, value: Any) -> bool:
    """Pictures leave only where every image of the folder is a phantom."""
    pictures = isinstance(value, list) and all(
        isinstance(example, dict) and set(example) <= set(_PICTURES) for example in value
    )
    return (
        pictures
        and context.site.synthetic
        and all(isinstance(text, str) for example in value for text in example.values())
    )


def _head(context: ReleaseContext, value: Any) -> bool:
    """This hospital's own head, as it travels; numbers of its record's lines and hashes."""
    try:
        return value is None or tree_heads.read(value).site == context.site.name
    except SignatureError:
        return False


def without_counts(value: Any) -> Any:
    """The same value without what counts of the hospital's data could be read from.

    Sentences lose their counts. Numbers are cut to three digits: 0.8169014084507042 is 58 of 71.
    """
    if isinstance(value, Mapping):
        if value.keys() == {"code", "arguments"}:
            return Sentence.from_json(value).without_counts().to_json()
        return {name: without_counts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_counts(inner) for inner in value]
    return float(f"{value:.3g}") if isinstance(value, float) else value


COUNTS = "counts"
METRICS = "metrics"
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
"""Kind of answer: name of a value: its rule and its switch; without masks every switch is on."""
FEWEST = "fewest"
"""Name of the smallest number of patients behind an answer's values.

The worker tells it to the outbox; it never leaves.
"""
