"""Which studies a named person at this hospital has approved, until when; and the studies that asked without being approved.

A study is what its digest says: one changed setting is another study. What asked lies in ``worker/state/offers``, so that a person can read it
and compare it with the version that was approved last.
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
        return not self.withdrawn and datetime.fromisoformat(
            self.at
        ) <= now < datetime.fromisoformat(self.until)

    def permits(self, use: str, now: datetime) -> bool:
        """Whether it holds for this use."""
        return self.holds(now) and use in (self.use, "evaluate")


def all_of(state: Path) -> tuple[Approval, ...]:
    """Every approval, the oldest first.

    Raises:
        PolicyError: the file is damaged; then nothing is approved.
    """
    try:
        found = locked_json.read(state / NAME)
        return tuple(_approval(entry) for entry in found)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise PolicyError("policy.approvals_unreadable", f"{NAME}: {error!r}") from None


def check(state: Path, study: Study, use: str, now: datetime) -> None:
    """Whether a person has approved this very study for this use.

    Raises:
        ApprovalError: nobody has, or the approval is over; the study is kept for a person to read.
    """
    known = [a for a in all_of(state) if a.digest == study.digest]
    if any(a.permits(use, now) for a in known):
        return
    if any(a.holds(now) for a in known):
        raise ApprovalError("approval.scoring_only")
    if known:
        if known[-1].withdrawn:
            raise ApprovalError("approval.withdrawn")
        raise ApprovalError("approval.ended", f"the approval ended on {known[-1].until[:10]}")
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
    """Studies that asked and are not approved, as ``(when first, study)``, the oldest first; what cannot be read is passed over."""
    known = {a.digest for a in all_of(state)}
    found = []
    for path in sorted((state / OFFERS).glob("*.json")):
        try:
            entry = locked_json.read(path)
            found.append((str(entry["at"]), studies.parse(entry["study"])))
        except (OSError, ValueError, KeyError, TypeError, RecursionError, ConsiliumError):
            continue
    return tuple(
        sorted(
            ((at, study) for at, study in found if study.digest not in known),
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
    made = Approval(
        study.digest, study.name, name, _text(now), _text(until), use, "", study.to_table()
    )
    with locked_json.held(files.private(state) / NAME) as file:
        earlier = tuple(
            replace(a, withdrawn=a.withdrawn or _text(now)) if a.digest == study.digest else a
            for a in all_of(state)
        )
        file.write([vars(a) for a in (*earlier, made)])
    (state / OFFERS / f"{study.digest}.json").unlink(missing_ok=True)
    return made


def withdraw(state: Path, wanted: str, now: datetime) -> tuple[Approval, ...]:
    """Take back every approval that holds for a study of this name, or whose digest begins so; they end with the next question.

    Raises:
        InputError: there is none.
    """
    with locked_json.held(files.private(state) / NAME) as file:
        known = all_of(state)
        chosen = [
            a
            for a in known
            if a.holds(now)
            and (a.name == wanted or (len(wanted) >= 8 and a.digest.startswith(wanted)))
        ]
        if not chosen:
            names = ", ".join(sorted({a.name for a in known if a.holds(now)})) or "none"
            raise InputError(f"No approval holds for {wanted!r}; approved studies: {names}.")
        file.write([vars(replace(a, withdrawn=_text(now)) if a in chosen else a) for a in known])
    return tuple(chosen)


def last(state: Path, name: str) -> Approval | None:
    """The newest approval of a study of this name, whether it holds or not."""
    return next((a for a in reversed(all_of(state)) if a.name == name), None)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """``(place, value before, value after)`` of each setting of two study tables that differs; None where it is not there."""
    one, two = dict(_flat(before, "")), dict(_flat(after, ""))
    return [
        (place, one.get(place), two.get(place))
        for place in sorted(one.keys() | two.keys())
        if one.get(place) != two.get(place)
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
