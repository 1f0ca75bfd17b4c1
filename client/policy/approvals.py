"""The studies that a named person at this hospital has approved, and those that asked without it.

A study is what its digest says: one changed setting is another study. What asked lies in
``worker/state/offers``, so that a person can read it and compare it with the version that was
approved last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from common.errors import ApprovalError, ConsiliumError, InputError, PolicyError
from common.storage import files, locked_json
from common.study import study as studies
from common.study.study import Study

NAME = "approvals.json"
OFFERS = "offers"
_MOST_OFFERS = 100
_FIELDS = ("digest", "name", "by", "at", "until", "use", "withdrawn")
USES = ("train", "evaluate")


@dataclass(frozen=True)
class Approval:
    """A person's word about one study.

    Attributes:
        digest: of the study.
        name: the study's name.
        by: who approved it.
        at, until: times (ISO 8601, with zone).
        use: "train", or "evaluate" where models may be scored only.
        withdrawn: when it was taken back; empty while it holds.
        table: the study.
    """

    digest: str
    name: str
    by: str
    at: str
    until: str
    use: str
    withdrawn: str
    table: Mapping[str, Any]

    def holds(self, now: datetime) -> bool:
        """Whether it is neither over nor taken back."""
        begins = datetime.fromisoformat(self.at)
        ends = datetime.fromisoformat(self.until)
        return not self.withdrawn and begins <= now < ends

    def permits(self, use: str, now: datetime) -> bool:
        """Whether it holds for this use."""
        return self.holds(now) and use in (self.use, "evaluate")


def all_of(state: Path) -> tuple[Approval, ...]:
    """Every approval, the oldest first.

    Raises:
        PolicyError: the file is damaged; then nothing is approved.
    """
    try:
        entries = locked_json.read(state / NAME)
        return tuple(_approval(entry) for entry in entries)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise PolicyError("policy.approvals_unreadable", f"{NAME}: {error!r}") from None


def check(state: Path, study: Study, use: str, now: datetime) -> None:
    """Whether a person has approved this very study for this use.

    Raises:
        ApprovalError: nobody has, or the approval is over; the study is kept for a person to read.
    """
    earlier = [a for a in all_of(state) if a.digest == study.digest]
    if any(a.permits(use, now) for a in earlier):
        return
    if any(a.holds(now) for a in earlier):
        raise ApprovalError("approval.scoring_only")
    if earlier:
        if earlier[-1].withdrawn:
            raise ApprovalError("approval.withdrawn")
        raise ApprovalError("approval.ended", f"the approval ended on {earlier[-1].until[:10]}")
    # Only a study that the coordinator signed comes as far as this, so nobody else fills the disk.
    offer(state, study, now)
    raise ApprovalError("approval.missing")


def offer(state: Path, study: Study, now: datetime) -> None:
    """Keep a study for a person to read; the oldest go when there are too many."""
    folder = state / OFFERS
    files.private(state)
    files.private(folder)
    path = folder / f"{study.digest}.json"
    if path.exists():
        return
    locked_json.write(path, {"at": now.isoformat(timespec="seconds"), "study": study.to_table()})
    for old in sorted(folder.glob("*.json"), key=lambda p: p.stat().st_mtime)[:-_MOST_OFFERS]:
        old.unlink(missing_ok=True)


def offers(state: Path) -> tuple[tuple[str, Study], ...]:
    """Studies that asked and are not approved, as ``(when first, study)``, the oldest first.

    What cannot be read is passed over.
    """
    approved = {approval.digest for approval in all_of(state)}
    offered = []
    for path in sorted((state / OFFERS).glob("*.json")):
        try:
            entry = locked_json.read(path)
            offered.append((str(entry["at"]), studies.parse(entry["study"])))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ConsiliumError):
            continue
    return tuple(
        sorted(
            ((at, study) for at, study in offered if study.digest not in approved),
            key=lambda pair: pair[0],
        )
    )


def grant(state: Path, study: Study, by: str, use: str, now: datetime, days: int) -> Approval:
    """Write down a person's approval.

    Raises:
        InputError: no name, or an unknown use.
        PolicyError: the list is damaged.
    """
    name = " ".join(by.split())
    if not 2 <= len(name) <= 100 or not name.isprintable():
        raise InputError(
            f"--by is {by[:120]!r}; give the name of the person who approves, 2 to 100 characters."
        )
    if use not in USES:
        raise InputError(f"The use is {use!r}; allowed: {', '.join(USES)}.")
    until = now + timedelta(days=days)
    approval = Approval(
        study.digest, study.name, name, _text(now), _text(until), use, "", study.to_table()
    )
    with locked_json.held(files.private(state) / NAME) as file:
        # One approval holds for a study at a time: an older one for another use ends here.
        earlier = tuple(
            replace(a, withdrawn=a.withdrawn or _text(now)) if a.digest == study.digest else a
            for a in all_of(state)
        )
        file.write([vars(a) for a in (*earlier, approval)])
    (state / OFFERS / f"{study.digest}.json").unlink(missing_ok=True)
    return approval


def withdraw(state: Path, study: str, now: datetime) -> tuple[Approval, ...]:
    """Take back every approval that holds for a study; it ends with the next question.

    Args:
        state: the worker's folder.
        study: the study's name, or how its digest begins, with 8 digits or more.
        now: with zone.

    Raises:
        InputError: there is none.
    """
    with locked_json.held(files.private(state) / NAME) as file:
        every = all_of(state)
        # Fewer digits could stand for a study that nobody meant.
        by_digest = len(study) >= 8
        chosen = [
            a
            for a in every
            if a.holds(now) and (a.name == study or (by_digest and a.digest.startswith(study)))
        ]
        if not chosen:
            names = ", ".join(sorted({a.name for a in every if a.holds(now)})) or "none"
            raise InputError(f"No approval holds for {study!r}; approved studies: {names}.")
        file.write([vars(replace(a, withdrawn=_text(now)) if a in chosen else a) for a in every])
    return tuple(chosen)


def last(state: Path, name: str) -> Approval | None:
    """The newest approval of a study of this name, whether it holds or not."""
    return next((a for a in reversed(all_of(state)) if a.name == name), None)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """``(place, value before, value after)`` of each setting of two study tables that differs.

    None stands where a setting is not there.
    """
    old = dict(_flat(before, ""))
    new = dict(_flat(after, ""))
    return [
        (place, old.get(place), new.get(place))
        for place in sorted(old.keys() | new.keys())
        if old.get(place) != new.get(place)
    ]


def _flat(value: Any, place: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [
            pair
            for key, inner in value.items()
            for pair in _flat(inner, f"{place}.{key}" if place else str(key))
        ]
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return [pair for i, item in enumerate(value) for pair in _flat(item, f"{place}[{i}]")]
    return [(place, value)]


def _approval(entry: Any) -> Approval:
    texts = {field: entry[field] for field in _FIELDS}
    if (
        not all(isinstance(text, str) for text in texts.values())
        or texts["use"] not in USES
        or not isinstance(entry["table"], dict)
    ):
        raise TypeError
    for field in ("at", "until"):
        if datetime.fromisoformat(texts[field]).tzinfo is None:
            raise ValueError
    return Approval(**texts, table=entry["table"])


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
