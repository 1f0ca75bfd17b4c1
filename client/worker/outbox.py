"""The outbox: the only code of the process with the data that makes an envelope which can leave.

The gateway, which has no data, makes one more: a refusal of its own where this process does not
answer. The outbox runs in the process without network, after all work and out of the study's
reach. Every value has a rule under its name (``client/worker/release_rules.py``); what has none
does not leave, and the whole answer is refused. What the policy keeps is taken out. A masked vector
leaves only beside this hospital's own signed word that these very bytes are masked; a plain one
only if the policy allows it, within its limits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from client.policy import daily_limits, stop
from client.site import Site
from client.worker import refusals
from client.worker.release_rules import (
    COUNTS,
    FEWEST,
    METRICS,
    RULES,
    ReleaseContext,
    without_counts,
)
from common.errors import OutboxError, PolicyError, SecureSumError
from common.protocol import envelopes
from common.protocol.envelopes import Envelope, Question, Reply
from common.secagg.encoding import tag_of
from common.secagg.messages import Advert, Bundle, Confirm, Masked, Parcel, Reveal, Signed
from common.study.study import Study

_SPOKEN: Mapping[str, tuple[type[Signed], ...]] = {
    "join": (),
    "agree": (Advert, Parcel, Confirm, Reveal),
    "tally": (Masked,),
    "train": (Masked,),
    "evaluate": (Masked,),
}
"""Kind of question: the messages of secure sums that may answer it."""


def release(site: Site, question: Question, study: Study, reply: Reply) -> Envelope:
    """The envelope of an answer, with everything that the policy keeps taken out.

    Raises:
        OutboxError: the answer holds something that may not leave.
        PolicyError: the hospital was stopped meanwhile, the day's budget is spent, or too few
            patients stand behind a plain update.
    """
    # Once more after admission: somebody may have stopped the hospital during the work.
    stop.check(site.state)
    context = ReleaseContext(site, question, study)
    values = _released_values(context, reply)
    _check_vector(context, reply)
    # The heading is the question's own, so that an answer cannot carry anything in it.
    envelope = envelopes.write_reply(
        Reply(
            site.name,
            question.kind,
            question.round if reply.round else 0,
            question.layout if reply.layout else "",
            values=values,
            delta=reply.delta,
            secure=reply.secure,
        )
    )
    if site.counts_days:
        daily_limits.spend(
            site.state,
            site.policy,
            datetime.now(UTC).astimezone().date(),
            size=envelope.size,
            rounds=int(question.kind == "train"),
        )
    return envelope


def names(envelope: Envelope) -> list[str]:
    """What an answer tells in clear, by name, for the audit log."""
    return sorted(envelopes.read_reply(envelope).values)


def fault(
    site: Site, error: Exception, study: Study | None = None, step: str = "question"
) -> tuple[Envelope, dict[str, str]]:
    """The envelope of a failure, and ``{"fault", "code", "step", "id"}`` for the audit log."""
    sentence, values = refusals.refusal(site, error, study, step)
    entry = {"fault": sentence.render(), "code": sentence.code}
    entry |= {key: text for key, text in values.items() if key != "accused"}
    return envelopes.write_refusal(site.name, sentence, values), entry


def _released_values(context: ReleaseContext, reply: Reply) -> dict[str, Any]:
    _check_heading(context, reply)
    rules = RULES[context.question.kind]
    values = _snapshot(reply.values)
    shown = _shown(context, values.pop(FEWEST, None))
    released: dict[str, Any] = {}
    # Every value is looked at, also those that the policy keeps: one without a rule is a fault.
    for name, value in values.items():
        rule, switch = rules.get(name, (None, ""))
        if rule is None or not rule(context, value):
            raise OutboxError("outbox.value", f"{reply.kind}: {name} = {value!r:.200}")
        if not switch or switch in shown:
            chosen = _chosen(context, value) if name in ("metrics", "intervals") else value
            released[name] = chosen if COUNTS in shown else without_counts(chosen)
    if context.question.kind == "join":
        released |= {switch: "kept" for switch in (COUNTS, METRICS) if switch not in shown}
    return released


def _check_heading(context: ReleaseContext, reply: Reply) -> None:
    question = context.question
    fits = reply.round in (0, question.round) and reply.layout in ("", question.layout)
    if reply.kind != question.kind or reply.site != context.site.name or reply.fault or not fits:
        raise OutboxError("outbox.question", f"{reply.kind} to {question.kind}")


def _snapshot(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON has them."""
    # A value of a type of its own could show the rules one thing and the wire another.
    try:
        return dict(json.loads(json.dumps(dict(values))))
    except (TypeError, ValueError, RecursionError) as error:
        raise OutboxError("outbox.value", f"values: {error!r:.200}") from None


def _shown(context: ReleaseContext, fewest: Any) -> set[str]:
    """Which groups of values may leave by themselves.

    All in a plain study, else by the policy; none over fewer patients than its floor.
    """
    policy = context.site.policy
    enough = type(fewest) is int and fewest >= policy.floor
    if not context.secure:
        if not enough:
            raise PolicyError("policy.floor", floor=policy.floor)
        return {COUNTS, METRICS}
    allowed = {COUNTS: policy.share_counts, METRICS: policy.share_metrics}
    return {switch for switch, yes in allowed.items() if yes and enough}


def _chosen(context: ReleaseContext, values: Mapping[str, Any]) -> dict[str, Any]:
    allowed = context.site.policy.metrics
    return {name: value for name, value in values.items() if not allowed or name in allowed}


def _signed_messages(context: ReleaseContext, blobs: tuple[bytes, ...]) -> list[Signed]:
    """The messages of an answer, bundles opened.

    Each is whole, of a kind that the question calls for, in this hospital's name and signed by it.
    """
    kinds = {kind.TAG: kind for kind in _SPOKEN[context.question.kind] if context.secure}
    messages: list[Signed] = []
    try:
        for blob in _items(blobs):
            message = kinds[tag_of(blob)].decode(blob)
            message.check_signature(context.site.identity.public)
            messages.append(message)
    except (KeyError, SecureSumError) as error:
        raise OutboxError("outbox.message", repr(error)) from None
    if any(message.site != context.site.name for message in messages):
        raise OutboxError("outbox.name")
    return messages


def _items(blobs: tuple[bytes, ...]) -> Iterator[bytes]:
    for blob in blobs:
        yield from Bundle.decode(blob).items if tag_of(blob) == Bundle.TAG else (blob,)


def _check_vector(context: ReleaseContext, reply: Reply) -> None:
    """Whether the answer's vector may leave.

    Masked, with this hospital's word for these bytes; or plain where study and policy say so,
    finite and within limits.
    """
    messages = _signed_messages(context, reply.secure)
    words = [message for message in messages if isinstance(message, Masked)]
    if reply.delta is None:
        return
    if (
        type(reply.delta) is not np.ndarray
        or reply.delta.dtype != np.float32
        or reply.delta.ndim != 1
    ):
        raise OutboxError("outbox.vector_form")
    if len(words) == 1 and context.secure:
        if words[0].vector != hashlib.sha256(reply.delta.data).digest():
            raise OutboxError("outbox.vector")
        return
    if context.secure or context.question.kind != "train":
        raise OutboxError("outbox.unmasked")
    _check_plain(context, reply.delta)


def _check_plain(context: ReleaseContext, delta: Any) -> None:
    model = context.question.model
    policy = context.site.policy
    if model is None or delta.shape != model.shape:
        raise OutboxError("outbox.update_form")
    if not np.isfinite(delta).all():
        raise OutboxError("outbox.not_finite")
    norm = float(np.linalg.norm(delta))
    largest = float(np.abs(delta).max(initial=0.0))
    # A tenth of a percent: the change was scaled down to the norm in single precision.
    if 0 < policy.largest_norm * 1.001 < norm or largest > policy.largest_change:
        raise OutboxError("outbox.too_large", f"norm {norm:g}, largest {largest:g}")
