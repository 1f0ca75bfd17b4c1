"""``consilium site offers, approve, withdraw``: a person's word on what this hospital takes part in."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client.home import SiteHome
from client.policy import stop
from common.cli import console
from common.errors import InputError
from common.storage import files

if TYPE_CHECKING:
    from common.study.study import Study


def offers(given: Namespace) -> int:
    """Which studies wait for a person, and which are approved."""
    from client.policy import approvals  # noqa: PLC0415

    state, now = SiteHome.open(given.home.absolute(), "worker").state, datetime.now(UTC)
    waiting = [
        {"study": s.name, "digest": s.digest, "asked": at} for at, s in approvals.offers(state)
    ]
    known = [
        {**{k: v for k, v in vars(a).items() if k != "table"}, "holds": a.holds(now)}
        for a in approvals.all_of(state)
    ]
    if given.json:
        console.out_json({"waiting": waiting, "approvals": known})
        return 0
    for offer in waiting:
        console.out(
            f"waits     {offer['study']}  {offer['digest'][:16]}  asked first on {offer['asked'][:16]}"
        )
    for entry in known:
        word = "approved" if entry["holds"] else "withdrawn" if entry["withdrawn"] else "ended"
        use = "" if entry["use"] == "train" else ", scoring only"
        console.out(
            f"{word:<9} {entry['name']}  {entry['digest'][:16]}  by {entry['by']}, until {entry['until'][:10]}{use}"
        )
    if not waiting and not known:
        console.out("No study has asked yet.")
    return 0


def approve(given: Namespace) -> int:
    """Show a study, or how it differs from the one approved last, ask, and write the approval down."""
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.policy import approvals  # noqa: PLC0415

    home = SiteHome.open(given.home.absolute(), "worker")
    study = _study(home.state, given.study)
    before = approvals.last(home.state, study.name)
    shown = _shown(study, before.table if before else None)
    if not given.json:
        console.out(f"study {study.name}  {study.digest}")
        for line in shown:
            console.out(f"  {line}")
    use = "evaluate" if given.evaluate_only else "train"
    if not given.yes and not sys.stdin.isatty():
        raise InputError(
            "Nobody is at a terminal to confirm the study; run it there, or give --yes if it was read before."
        )
    if not given.yes and not console.agreed(
        f"Approve this study for {use} as {given.by!r} for {given.days} days? Type yes: "
    ):
        raise InputError("Nothing was approved; type yes to approve.")
    made = approvals.grant(home.state, study, given.by, use, datetime.now(UTC), given.days)
    audit_log.note(
        home.state,
        event="approved",
        study=made.name,
        digest=made.digest,
        by=made.by,
        until=made.until,
        user=stop.user(),
    )
    files.hand_over(home.state, audit_log.NAME, audit_log.HEAD, approvals.NAME)
    if given.json:
        console.out_json({k: v for k, v in vars(made).items() if k != "table"})
    else:
        console.out(
            f"approved by {made.by} until {made.until[:10]}; it holds from the next question on"
        )
    return 0


def _study(state: Path, wanted: str) -> Study:
    """A study by file, or one that waits by name or the beginning of its digest.

    Raises:
        InputError: there is none, or several.
    """
    from client.policy import approvals  # noqa: PLC0415
    from common.study import study as studies  # noqa: PLC0415

    if wanted.endswith(".toml") or Path(wanted).is_file():
        return studies.read(Path(wanted))
    waiting = [s for _, s in approvals.offers(state)] + [
        studies.parse(a.table) for a in approvals.all_of(state)
    ]
    found = {
        s.digest: s
        for s in waiting
        if s.name == wanted or (len(wanted) >= 8 and s.digest.startswith(wanted))
    }
    newest = [s for _, s in approvals.offers(state) if s.digest in found]
    chosen = newest or list(found.values())
    if len(chosen) != 1:
        names = (
            ", ".join(sorted({f"{s.name} {s.digest[:16]}" for s in chosen or waiting})) or "none"
        )
        raise InputError(
            f"{wanted!r} fits {len(chosen)} studies; give a study file, or the first digits of one of: {names}."
        )
    return chosen[0]


def _shown(study: Study, before: Any) -> list[str]:
    """The whole study, or what differs from the one before."""
    from client.policy import approvals  # noqa: PLC0415
    from common.study.config import shown  # noqa: PLC0415

    changes = approvals.differences(before or {}, study.to_table())
    if before is None:
        return [f"{place} = {shown(value)}" for place, _, value in changes]
    if not changes:
        return ["the same as the study that was approved last"]
    return [
        "changed since the study that was approved last:",
        *(f"{place}: {_side(old)} -> {_side(new)}" for place, old, new in changes),
    ]


def _side(value: Any) -> str:
    from common.study.config import shown  # noqa: PLC0415

    return "nothing" if value is None else shown(value)


def withdraw(given: Namespace) -> int:
    """Take back approvals of a study, or take a patient out; both hold from the next question on."""
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.policy import approvals, withdrawals  # noqa: PLC0415

    home = SiteHome.open(given.home.absolute(), "worker")
    state = home.state
    if (given.study is None) == (given.patient is None):
        raise InputError("Give either --study NAME or --patient ID.")
    if given.patient is not None:
        for name in _present(Path(home.settings().data), given.patient, given.anyway):
            count = withdrawals.add(state, name)
        told: dict[str, Any] = {"withdrawn_patients": count}
        audit_log.note(state, event="patient withdrawn", patients=count, user=stop.user())
        line = f"the patient's images are used in no further round; {count} patients are withdrawn in all"
    else:
        ended = approvals.withdraw(state, given.study, datetime.now(UTC))
        for approval in ended:
            audit_log.note(
                state,
                event="withdrawn",
                study=approval.name,
                digest=approval.digest,
                user=stop.user(),
            )
        told = {"study": given.study, "approvals_ended": len(ended)}
        line = f"{len(ended)} approval{'s' if len(ended) > 1 else ''} of {given.study} ended; the next question is refused"
    files.hand_over(state, audit_log.NAME, audit_log.HEAD, approvals.NAME, withdrawals.NAME)
    if given.json:
        console.out_json(told)
    else:
        console.out(line)
    return 0


def _present(folder: Path, patient: str, anyway: bool) -> list[str]:
    """Under which names a patient has images in the hospital's folder: as given, or by the key with which the folder was ingested.

    Raises:
        InputError: there are none, so that nothing would be withdrawn.
    """
    from client.dataset import patients  # noqa: PLC0415
    from client.deidentify.pseudonyms import Pseudonyms  # noqa: PLC0415

    key = folder.with_name(f"{folder.name}.key")
    names = [
        patient.strip(),
        *([Pseudonyms.open(key).patient(patient.strip(), "")] if key.is_file() else []),
    ]
    there = patients.listed(folder)
    found = [name for name in names if name in there]
    if not found and not anyway:
        raise InputError(
            "No image in the hospital's folder is of this patient, so nothing was withdrawn. After an ingest patients have other names there: "
            "consilium site pseudonym ID --key FILE. With --anyway the name is written down for images that come later."
        )
    return found or names


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site offers": offers,
    "consilium site approve": approve,
    "consilium site withdraw": withdraw,
}
