"""The last door of a hospital: the only code of the process with the data that makes a letter which can leave.

The gateway, which has no data, makes one more: a refusal of its own where this process does not answer. This door runs in the process
without network, after all work and out of the study's reach. Every value has a rule under its name
(``client/worker/release_rules.py``); what has none does not leave, and the whole answer is refused. What the policy keeps is taken out. A masked vector
leaves only beside this hospital's own signed word that these very bytes are masked; a plain one only if the policy allows it, within its
limits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from client.policy import daily_limits, stop
from client.site import Site
from client.worker import refusals
from client.worker.release_rules import COUNTS, FEWEST, METRICS, RULES, ReleaseContext
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


def release(site: Site, plan: Question, study: Study, reply: Reply) -> Envelope:
    """The letter of an answer, with everything that the policy keeps taken out.

    Raises:
        OutboxError: the answer holds something that may not leave.
        PolicyError: the hospital was stopped meanwhile, the day's budget is spent, or too few patients stand behind a plain update.
    """
    stop.check(site.state)  # somebody may have pressed the button during the work
    door = ReleaseContext(site, plan, study)
    told = _told(door, reply)
    _check_vector(door, reply)
    heading = plan.round if reply.round else 0, plan.layout if reply.layout else ""
    letter = envelopes.write_reply(
        Reply(site.name, plan.kind, *heading, told, reply.delta, reply.secure)
    )
    if site.counts_days:
        daily_limits.spend(
            site.state,
            site.policy,
            datetime.now(UTC).astimezone().date(),
            letter.size,
            int(plan.kind == "train"),
        )
    return letter


def names(letter: Envelope) -> list[str]:
    """What an answer tells in clear, by name, for the journal."""
    return sorted(envelopes.read_reply(letter).values)


def fault(
    site: Site, error: Exception, study: Study | None = None, step: str = "question"
) -> tuple[Envelope, dict[str, str]]:
    """The letter of a failure, and what it says, for the journal: ``{"fault", "code", "step", "id"}``."""
    sentence, values = refusals.told(site, error, study, step)
    about = {key: text for key, text in values.items() if key != "accused"}
    return envelopes.refusal(site.name, sentence, values), {
        "fault": sentence.render(),
        "code": sentence.code,
        **about,
    }


def _told(door: ReleaseContext, reply: Reply) -> dict[str, Any]:
    rules, told = RULES[door.plan.kind], dict[str, Any]()
    about = reply.round in (0, door.plan.round) and reply.layout in ("", door.plan.layout)
    if reply.kind != door.plan.kind or reply.site != door.site.name or reply.fault or not about:
        raise OutboxError("outbox.question", f"{reply.kind} to {door.plan.kind}")
    values = _snapshot(reply.values)
    shown = _shown(door, values.pop(FEWEST, None))
    for name, value in values.items():
        rule, switch = rules.get(name, (None, ""))
        if rule is None or not rule(door, value):
            raise OutboxError("outbox.value", f"{reply.kind}: {name} = {value!r:.200}")
        if not switch or switch in shown:
            told[name] = _chosen(door, value) if name in ("metrics", "intervals") else value
    if door.plan.kind == "join":
        told |= {switch: "kept" for switch in (COUNTS, METRICS) if switch not in shown}
    return told


def _snapshot(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON has them: what the rules look at is then what leaves."""
    try:
        return dict(json.loads(json.dumps(dict(values))))
    except (TypeError, ValueError, RecursionError) as error:
        raise OutboxError("outbox.value", f"values: {error!r:.200}") from None


def _shown(door: ReleaseContext, fewest: Any) -> set[str]:
    """Which groups of values may leave by themselves: all in a plain study, else by the policy; none over fewer patients than its floor."""
    policy = door.site.policy
    enough = type(fewest) is int and fewest >= policy.floor
    if not door.secure:
        if not enough:
            raise PolicyError("policy.floor", floor=policy.floor)
        return {COUNTS, METRICS}
    allowed = {COUNTS: policy.share_counts, METRICS: policy.share_metrics}
    return {switch for switch, yes in allowed.items() if yes and enough}


def _chosen(door: ReleaseContext, values: Mapping[str, Any]) -> dict[str, Any]:
    allowed = door.site.policy.metrics
    return {name: value for name, value in values.items() if not allowed or name in allowed}


def _said(door: ReleaseContext, blobs: tuple[bytes, ...]) -> list[Signed]:
    """The messages of an answer, bundles opened: each whole, of a kind that the question calls for, in this hospital's name and signed by it."""
    known = {kind.TAG: kind for kind in _SPOKEN[door.plan.kind] if door.secure}
    try:
        items = [
            item
            for blob in blobs
            for item in (Bundle.decode(blob).items if tag_of(blob) == Bundle.TAG else (blob,))
        ]
        found: list[Signed] = [known[tag_of(item)].decode(item) for item in items]
        for message in found:
            message.check_signature(door.site.identity.public)
    except (KeyError, SecureSumError) as error:
        raise OutboxError("outbox.message", repr(error)) from None
    if any(message.site != door.site.name for message in found):
        raise OutboxError("outbox.name")
    return found


def _check_vector(door: ReleaseContext, reply: Reply) -> None:
    """A vector leaves masked, with this hospital's word for these bytes; or plain where study and policy say so, finite and within limits."""
    words = [message for message in _said(door, reply.secure) if isinstance(message, Masked)]
    if reply.delta is None:
        return
    if (
        type(reply.delta) is not np.ndarray
        or reply.delta.dtype != np.float32
        or reply.delta.ndim != 1
    ):
        raise OutboxError("outbox.vector_form")
    if len(words) == 1 and door.secure:
        if words[0].vector != hashlib.sha256(reply.delta.data).digest():
            raise OutboxError("outbox.vector")
        return
    if door.secure or door.plan.kind != "train":
        raise OutboxError("outbox.unmasked")
    _check_plain(door, reply.delta)


def _check_plain(door: ReleaseContext, delta: Any) -> None:
    model, policy = door.plan.model, door.site.policy
    if model is None or delta.shape != model.shape:
        raise OutboxError("outbox.update_form")
    if not np.isfinite(delta).all():
        raise OutboxError("outbox.not_finite")
    norm, largest = float(np.linalg.norm(delta)), float(np.abs(delta).max(initial=0.0))
    if 0 < policy.largest_norm * 1.001 < norm or largest > policy.largest_change:
        raise OutboxError("outbox.too_large", f"norm {norm:g}, largest {largest:g}")
