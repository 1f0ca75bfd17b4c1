"""Messages between the coordinator and a hospital: typed questions and answers in envelopes.

An envelope is a JSON text (small, length-checked) and at most one flat float32 vector as raw
little-endian bytes. Nothing from the wire is unpickled, executed or used as a path; an envelope
that breaks a rule is refused as :class:`~common.errors.WireError` before anything changes. How an
envelope travels is other files' business: as Flower records
(``common/protocol/flower_records.py``), as Flower objects (``common/protocol/flower_objects.py``),
or from a hospital's gateway to its worker (``client/isolation/ipc.py``).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.errors import WireError
from common.plain_text import cleaned, described, printable
from common.protocol import strict_json
from common.sentences.table import STEPS, Sentence, heard, say
from common.update import Vector

VERSION = 3
KINDS = {
    "join": "query",
    "agree": "query",
    "tally": "query",
    "train": "train",
    "evaluate": "evaluate",
}
"""Our questions and the Flower message category that carries each."""
_WITH_MODEL = ("train", "evaluate")
_MOST_MESSAGES = 4096
_ID = re.compile(r"[0-9a-f]{8}")
LARGEST_TEXT = 32 << 20
"""Most characters of an envelope's text."""


@dataclass(frozen=True)
class Question:
    """A question to a hospital.

    Attributes:
        kind: "join" (who are you, how many images), "train", "evaluate", or of a secure sum:
            "agree" (its short exchanges), "tally" (counts).
        study: the study as tables; the hospital checks it by its own rules.
        round: number of the round, from 1; 0 outside rounds.
        layout: digest of the model's layout; empty for "join".
        model: global weights ``[P]``, for "train" and "evaluate" only.
        settings: further plain values, e.g. ``{"part": "test"}``.
        seal: the coordinator's signed statement that this study may run
            (``common/trust/study_signature.py``); empty in a simulation.
        secure: messages of secure sums (``common/secagg/messages.py``).
    """

    kind: str
    study: Mapping[str, Any]
    round: int = 0
    layout: str = ""
    model: Vector | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seal: Mapping[str, Any] = field(default_factory=dict)
    secure: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Reply:
    """A hospital's answer.

    Attributes:
        site: the hospital's name.
        kind, round, layout: as in the question.
        values: plain JSON values (counts, loss, metrics).
        delta: change of the weights ``[P]`` for "train"; in a secure sum the masked words, whose
            bits only look like float32.
        secure: messages of secure sums.
        sentence: if the hospital could not do it, why, as a sentence of the table; then ``values``
            holds step and id, and all else is empty.
        fault: the same for people, or why no answer or a broken one came; it does not travel.
        silent: set on this side where no answer came at all; it does not travel.
    """

    site: str
    kind: str
    round: int = 0
    layout: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    delta: Vector | None = None
    secure: tuple[bytes, ...] = ()
    fault: str = ""
    silent: bool = False
    sentence: Sentence | None = None

    def __post_init__(self) -> None:
        if self.sentence is not None:
            object.__setattr__(self, "fault", self.sentence.render())

    @property
    def refusal(self) -> str:
        """The fault, its code, its step and its id in the hospital's own log."""
        if self.sentence is None:
            return self.fault
        step = self.values.get("step")
        number = str(self.values.get("id", ""))
        # A hospital chose these values: only a step of the table and a plain id reach people.
        labels = [
            self.sentence.code,
            step if step in STEPS else "",
            number if _ID.fullmatch(number) else "",
        ]
        return f"{self.fault} [{', '.join(filter(None, labels))}]"


@dataclass(frozen=True)
class Envelope:
    """What travels.

    Attributes:
        text: JSON.
        vector: float32 ``[P]``, or None.
    """

    text: str
    vector: Vector | None = None

    @property
    def size(self) -> int:
        """Bytes of text and vector."""
        return len(self.text) + (0 if self.vector is None else self.vector.nbytes)

    @staticmethod
    def received(text: str, buffer: bytes | bytearray | memoryview | None) -> Envelope:
        """An envelope from raw bytes; nothing is copied.

        Raises:
            WireError: the bytes are not whole float32 values.
        """
        if buffer is None:
            return Envelope(text)
        if len(buffer) % 4:
            raise WireError(
                f"A message's vector has {len(buffer)} bytes; a multiple of 4 is allowed."
            )
        return Envelope(text, np.frombuffer(buffer, dtype="<f4"))


def write_question(question: Question) -> Envelope:
    """A question in its envelope."""
    named = {
        k: getattr(question, k) for k in ("kind", "study", "round", "layout", "settings", "seal")
    }
    return _write({**named, "secure": _to_text(question.secure)}, question.model)


def read_question(envelope: Envelope) -> Question:
    """The question in an envelope.

    Raises:
        WireError: the envelope breaks a rule.
    """
    header = _read(envelope)
    question = Question(
        kind=_get(header, "kind", str),
        study=_get(header, "study", dict),
        round=_get(header, "round", int),
        layout=_get(header, "layout", str),
        model=envelope.vector,
        settings=_get(header, "settings", dict),
        seal=_get(header, "seal", dict),
        secure=_from_text(header),
    )
    if question.kind not in KINDS:
        raise WireError(
            f"A message asks for {described(question.kind)}; allowed: {', '.join(KINDS)}.",
            say("message.kind"),
        )
    if (question.model is not None) != (question.kind in _WITH_MODEL):
        raise WireError(
            f"A {question.kind} message came {'with' if question.model is not None else 'without'} "
            "a model."
        )
    return question


def write_reply(reply: Reply) -> Envelope:
    """An answer in its envelope.

    Raises:
        WireError: its fault is a text; only a sentence of the table travels.
    """
    # Free text could carry a patient's name or a path; sentences of the table cannot.
    if reply.fault and reply.sentence is None:
        raise WireError("A fault is a text of its own; only a sentence of the table travels.")
    named = {k: getattr(reply, k) for k in ("site", "kind", "round", "layout", "values")}
    fault = reply.sentence and reply.sentence.to_json()
    return _write({**named, "fault": fault, "secure": _to_text(reply.secure)}, reply.delta)


def write_refusal(site: str, sentence: Sentence, incident: Mapping[str, str]) -> Envelope:
    """The envelope of a hospital that gives no answer.

    Args:
        site: its name.
        sentence: why.
        incident: the step at which it came, and the id under which the hospital's own log has the
            rest.
    """
    return write_reply(Reply(site, "", values=incident, sentence=sentence))


def read_reply(envelope: Envelope) -> Reply:
    """The answer in an envelope; its texts, which people will see, are printable and short.

    Raises:
        WireError: the envelope breaks a rule.
    """
    header = _read(envelope)
    sentence = None if header.get("fault") is None else heard(_get(header, "fault", dict))
    try:
        values = cleaned(_get(header, "values", dict))
    except ValueError as error:
        raise WireError(f"A message's values are {error}.") from None
    return Reply(
        site=printable(_get(header, "site", str)),
        kind=printable(_get(header, "kind", str)),
        round=_get(header, "round", int),
        layout=printable(_get(header, "layout", str)),
        values=values,
        delta=envelope.vector,
        secure=_from_text(header),
        sentence=sentence,
    )


def finite_or_none(value: Any) -> Any:
    """JSON has no NaN: undefined numbers travel as null, also inside lists and tables."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): finite_or_none(v) for k, v in value.items()}
    return [finite_or_none(v) for v in value] if isinstance(value, list | tuple) else value


def _write(header: Mapping[str, Any], vector: Vector | None) -> Envelope:
    text = json.dumps({"version": VERSION, **finite_or_none(header)}, separators=(",", ":"))
    return Envelope(text, None if vector is None else np.ascontiguousarray(vector, dtype="<f4"))


def _read(envelope: Envelope) -> Mapping[str, Any]:
    if len(envelope.text) > LARGEST_TEXT:
        raise WireError(
            f"A message's text has {len(envelope.text)} characters; at most {LARGEST_TEXT} are "
            "allowed."
        )
    try:
        header = strict_json.loads(envelope.text)
    except (ValueError, RecursionError) as error:
        raise WireError(f"A message's header is not valid JSON ({type(error).__name__}).") from None
    if not isinstance(header, dict) or header.get("version") != VERSION:
        version = header.get("version") if isinstance(header, dict) else None
        text = (
            f"A message has the protocol version {described(version)}; this side speaks {VERSION}; "
            "install the same release on both sides."
        )
        raise WireError(text, say("message.version", version=VERSION))
    return header


def _to_text(messages: tuple[bytes, ...]) -> list[str]:
    return [base64.b64encode(message).decode() for message in messages]


def _from_text(header: Mapping[str, Any]) -> tuple[bytes, ...]:
    texts = _get(header, "secure", list)
    if len(texts) > _MOST_MESSAGES or not all(isinstance(text, str) for text in texts):
        raise WireError(
            f"A message's secure part must be a list of at most {_MOST_MESSAGES} texts."
        )
    try:
        return tuple(base64.b64decode(text, validate=True) for text in texts)
    except ValueError:
        raise WireError("A message's secure part is not base64.") from None


def _get(header: Mapping[str, Any], key: str, kind: type) -> Any:
    value = header.get(key)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise WireError(
            f"A message's {key} is of type {type(value).__name__}; {kind.__name__} is allowed."
        )
    return value
