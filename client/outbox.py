"""The last door of a hospital: the only code that makes a letter which can leave.

It runs in the process without network, after all work and out of the study's reach. Every value has a rule here under its name; what has none
does not leave, and the whole answer is refused. What the policy keeps is taken out. A masked vector leaves only beside this hospital's own
signed word that these very bytes are masked; a plain one only if the policy allows it, within its limits.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import secrets
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from client import budget, stop
from client.policy import OPEN
from client.site import Site
from common import network, sums, wire
from common.errors import ConsiliumError, OutboxError, PolicyError, SiteError
from common.secagg import messages
from common.secagg.form import tag_of
from common.study import Study
from common.wire import Letter, Plan, Reply

_SENTENCE = 500
_MOST = 50
_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")
_PICTURES = ("image", "truth", "prediction", "caption")
_COMPUTE = ("device", "precision", "channels_last", "note", "threads")
_ROOMS = ("client", "common")


@dataclass(frozen=True)
class Door:
    """What the rules look at: the hospital, the question and the study."""

    site: Site
    plan: Plan
    study: Study

    @property
    def secure(self) -> bool:
        """Whether the study's updates are masked."""
        return self.study.secure_aggregation.enabled


Rule = Callable[[Door, Any], bool]
"""Whether a value may leave."""


def _whole(door: Door, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1 << 40


def _number(door: Door, value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _flag(door: Door, value: Any) -> bool:
    return isinstance(value, bool)


def _sentences(door: Door, value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST and all(_sentence(text) for text in value)


def _sentence(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= _SENTENCE and text.isprintable()


def _counted(door: Door, value: Any) -> bool:
    return isinstance(value, Mapping) and all(_NAME.fullmatch(str(name)) and _whole(door, count) for name, count in value.items())


def _metrics(door: Door, value: Any) -> bool:
    known = network.task(door.study).higher_is_better
    return isinstance(value, Mapping) and all(name in known and (v is None or isinstance(v, float | int)) for name, v in value.items())


def _intervals(door: Door, value: Any) -> bool:
    known = network.task(door.study).higher_is_better
    return isinstance(value, Mapping) and all(
        name in known and len(pair) == 2 and all(_number(door, end) for end in pair) for name, pair in value.items()
    )


def _compute(door: Door, value: Any) -> bool:
    plain = all(_sentence(v) or _number(door, v) or isinstance(v, bool) for v in value.values()) if isinstance(value, Mapping) else False
    return plain and set(value) <= set(_COMPUTE)


def _examples(door: Door, value: Any) -> bool:
    """Pictures leave only where every image of the folder is a phantom."""
    return door.site.synthetic and all(set(e) <= set(_PICTURES) for e in value)


COUNTS, METRICS = "counts", "metrics"
_KEPT: Rule = lambda door, value: value == "kept"  # noqa: E731
_RULES: Mapping[str, Mapping[str, tuple[Rule, str]]] = {
    "join": {
        **dict.fromkeys(sums.COUNTS, (_whole, COUNTS)),
        "reasons": (_sentences, COUNTS),
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


def release(site: Site, plan: Plan, study: Study, reply: Reply) -> Letter:
    """The letter of an answer, with everything that the policy keeps taken out.

    Raises:
        OutboxError: the answer holds something that may not leave.
        PolicyError: the hospital was stopped meanwhile, the day's budget is spent, or too few patients stand behind a plain update.
    """
    stop.check(site.state)  # somebody may have pressed the button during the work
    door = Door(site, plan, study)
    told = _told(door, reply)
    _check_vector(door, reply)
    letter = wire.write_reply(replace(reply, values=told))
    if site.policy is not OPEN:  # a simulation without a policy has no days
        budget.spend(site.state, site.policy, datetime.now(UTC).astimezone().date(), letter.size, int(plan.kind == "train"))
    return letter


def names(letter: Letter) -> list[str]:
    """What an answer tells in clear, by name, for the journal."""
    return sorted(wire.read_reply(letter).values)


def fault(site: Site, error: Exception) -> tuple[Letter, dict[str, str]]:
    """The letter of a failure: one public sentence, a code, the room where it happened, and an id under which the hospital's log has the rest.

    Returns:
        the letter, and what it says: ``{"fault", "code", "room", "id"}``.
    """
    said = {"fault": _public(site, error), "code": _code(error), "room": _room(error), "id": secrets.token_hex(4)}
    with contextlib.suppress(OSError):  # a full disk
        site.log(f"[{said['id']}] {_local(error)}")
    accused = getattr(error, "accused", "")
    values = {key: said[key] for key in ("code", "room", "id")} | ({"accused": accused} if accused else {})
    return wire.write_reply(Reply(site.name, "", values=values, fault=said["fault"])), said


def _told(door: Door, reply: Reply) -> dict[str, Any]:
    rules, told = _RULES[door.plan.kind], dict[str, Any]()
    if reply.kind != door.plan.kind or reply.site != door.site.name or reply.fault:
        raise OutboxError("An answer is not to the question that was asked; nothing of it has left.", f"{reply.kind} to {door.plan.kind}")
    values = dict(reply.values)
    shown = _shown(door, values.pop(FEWEST, None))
    for name, value in values.items():
        rule, switch = rules.get(name, (_nothing, ""))
        if not rule(door, value):
            raise OutboxError(
                "An answer holds a value that has no leave to go; nothing of it has left.", f"{reply.kind}: {name} = {value!r:.200}"
            )
        if not switch or switch in shown:
            told[name] = _chosen(door, value) if name in ("metrics", "intervals") else value
    if door.plan.kind == "join":
        told |= {switch: "kept" for switch in (COUNTS, METRICS) if switch not in shown}
    return told


def _shown(door: Door, fewest: int | None) -> set[str]:
    """Which groups of values may leave by themselves: all in a plain study, else by the policy; none over fewer patients than its floor."""
    policy = door.site.policy
    if fewest is None:
        return set()
    enough = fewest >= policy.floor
    if not door.secure:
        if not enough:
            raise PolicyError(
                f"Without secure aggregation numbers over fewer than {policy.floor} patients of this hospital would leave; "
                "its policy (floor) forbids it. Switch secure aggregation on."
            )
        return {COUNTS, METRICS}
    allowed = {COUNTS: policy.share_counts, METRICS: policy.share_metrics}
    return {switch for switch, yes in allowed.items() if yes and enough}


def _chosen(door: Door, values: Mapping[str, Any]) -> dict[str, Any]:
    allowed = door.site.policy.metrics
    return {name: value for name, value in values.items() if not allowed or name in allowed}


def _nothing(door: Door, value: Any) -> bool:
    return False


def _check_vector(door: Door, reply: Reply) -> None:
    """A vector leaves masked, with this hospital's word for these bytes; or plain where study and policy say so, finite and within limits."""
    kinds = messages.kinds(reply.secure)
    strangers = set(kinds) - _SPOKEN[door.plan.kind]
    if strangers or (not door.secure and kinds):
        raise OutboxError("An answer holds a message that its question does not call for; nothing of it has left.", f"{sorted(strangers)}")
    if reply.delta is None:
        return
    if kinds.count("Masked") == 1 and door.secure:
        word = next(messages.Masked.decode(m) for m in reply.secure if tag_of(m) == messages.Masked.TAG)
        if word.site != door.site.name or word.vector != hashlib.sha256(reply.delta.data).digest():
            raise OutboxError("A vector is not the one that was masked; nothing of it has left.")
        return
    if door.secure or door.plan.kind != "train":
        raise OutboxError("A vector would leave without masks; nothing of it has left.")
    _check_plain(door, reply.delta)


def _check_plain(door: Door, delta: Any) -> None:
    model, policy = door.plan.model, door.site.policy
    if model is None or delta.dtype != np.float32 or delta.shape != model.shape:
        raise OutboxError("An update has another form than the model's float32 vector; nothing of it has left.")
    if not np.isfinite(delta).all():
        raise OutboxError("An update holds NaN or infinity; nothing of it has left. Lower the learning rate.")
    norm, largest = float(np.linalg.norm(delta)), float(np.abs(delta).max(initial=0.0))
    if 0 < policy.largest_norm * 1.001 < norm or largest > policy.largest_change:
        raise OutboxError(
            "An update is larger than this hospital's policy allows; nothing of it has left.", f"norm {norm:g}, largest {largest:g}"
        )


_SPOKEN: Mapping[str, set[str]] = {
    "join": set(),
    "agree": {"Advert", "Parcel", "Confirm", "Reveal", "Bundle"},
    "tally": {"Masked"},
    "train": {"Masked"},
    "evaluate": {"Masked"},
}
"""Kind of question: the messages of secure sums that may answer it."""


def _public(site: Site, error: Exception) -> str:
    """A sentence for the coordinator: that of the error if it is one of ours, without a number of a hospital that keeps its counts."""
    if not isinstance(error, ConsiliumError):
        return f"The hospital's work failed ({type(error).__name__}); its own log says why."
    text = error.public if isinstance(error, SiteError) else str(error)
    numbers = isinstance(error, SiteError) and not isinstance(error, PolicyError) and any(letter.isdigit() for letter in text)
    if (numbers and not site.policy.share_counts) or not _sentence(text):
        return "The hospital's data do not serve this study; its own log says why."
    return text


def _code(error: Exception) -> str:
    return error.code if isinstance(error, ConsiliumError) else "unexpected"


def _local(error: Exception) -> str:
    if isinstance(error, ConsiliumError):
        return str(getattr(error, "local", error))
    return "".join(traceback.format_exception(error))


def _room(error: Exception) -> str:
    """The innermost file of ours that the error passed, as a module's name; it says nothing about data."""
    frames = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [name for name in frames if str(name).split(".", maxsplit=1)[0] in _ROOMS]
    return str(ours[-1]) if ours else ""
