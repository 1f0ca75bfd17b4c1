"""``consilium site offers, approve, withdraw``: a person decides what this hospital joins."""

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

_LEAST_DIGITS = 8
"""Fewer digits of a digest are taken for a name."""


def offers(arguments: Namespace) -> int:
    """Which studies wait for a person, and which are approved."""
    from client.policy import approvals  # noqa: PLC0415

    state = SiteHome.open(arguments.home.absolute(), "worker").state
    now = datetime.now(UTC)
    waiting = [
        {"study": s.name, "digest": s.digest, "asked": at} for at, s in approvals.offers(state)
    ]
    entries = [
        {**{k: v for k, v in vars(a).items() if k != "table"}, "holds": a.holds(now)}
        for a in approvals.all_of(state)
    ]
    if arguments.json:
        console.out_json({"waiting": waiting, "approvals": entries})
        return 0
    for offer in waiting:
        digest = offer["digest"][:16]
        console.out(f"waits     {offer['study']}  {digest}  asked first on {offer['asked'][:16]}")
    for entry in entries:
        word = "approved" if entry["holds"] else "withdrawn" if entry["withdrawn"] else "ended"
        use = "" if entry["use"] == "train" else ", scoring only"
        console.out(
            f"{word:<9} {entry['name']}  {entry['digest'][:16]}"
            f"  by {entry['by']}, until {entry['until'][:10]}{use}"
        )
    if not waiting and not entries:
        console.out("No study has asked yet.")
    return 0


def approve(arguments: Namespace) -> int:
    """Show a study, or how it differs from the one approved last, ask, and note the approval."""
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.policy import approvals  # noqa: PLC0415

    home = SiteHome.open(arguments.home.absolute(), "worker")
    study = _study(home.state, arguments.study)
    before = approvals.last(home.state, study.name)
    # A changed study needs a new approval, so its reader is shown the changes and not all anew.
    shown = _shown(study, before.table if before else None)
    if not arguments.json:
        console.out(f"study {study.name}  {study.digest}")
        for line in shown:
            console.out(f"  {line}")
    use = "evaluate" if arguments.evaluate_only else "train"
    if not arguments.yes:
        _confirm(use, arguments.by, arguments.days)
    approval = approvals.grant(
        home.state,
        study,
        by=arguments.by,
        use=use,
        now=datetime.now(UTC),
        days=arguments.days,
    )
    audit_log.note(
        home.state,
        event="approved",
        study=approval.name,
        digest=approval.digest,
        by=approval.by,
        until=approval.until,
        user=stop.user(),
    )
    # An administrator who is root would leave files that the worker's user cannot write.
    files.hand_over(home.state, audit_log.NAME, audit_log.HEAD, approvals.NAME)
    if arguments.json:
        console.out_json({k: v for k, v in vars(approval).items() if k != "table"})
    else:
        console.out(
            f"approved by {approval.by} until {approval.until[:10]};"
            " it holds from the next question on"
        )
    return 0


def _confirm(use: str, by: str, days: int) -> None:
    if not sys.stdin.isatty():
        raise InputError(
            "Nobody is at a terminal to confirm the study; run it there, or give --yes if it was"
            " read before."
        )
    if not console.agreed(f"Approve this study for {use} as {by!r} for {days} days? Type yes: "):
        raise InputError("Nothing was approved; type yes to approve.")


def _study(state: Path, text: str) -> Study:
    """A study by file, or one that waits by name or the beginning of its digest.

    Raises:
        InputError: there is none, or several.
    """
    from client.policy import approvals  # noqa: PLC0415
    from common.study import study as studies  # noqa: PLC0415

    if text.endswith(".toml") or Path(text).is_file():
        return studies.read(Path(text))
    waiting = [s for _, s in approvals.offers(state)] + [
        studies.parse(a.table) for a in approvals.all_of(state)
    ]
    fitting = {
        s.digest: s
        for s in waiting
        if s.name == text or (len(text) >= _LEAST_DIGITS and s.digest.startswith(text))
    }
    # A study that waits comes before those of its name that were approved once.
    newest = [s for _, s in approvals.offers(state) if s.digest in fitting]
    chosen = newest or list(fitting.values())
    if len(chosen) != 1:
        names = (
            ", ".join(sorted({f"{s.name} {s.digest[:16]}" for s in chosen or waiting})) or "none"
        )
        raise InputError(
            f"{text!r} fits {len(chosen)} studies; give a study file, or the first digits"
            f" of one of: {names}."
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


def withdraw(arguments: Namespace) -> int:
    """Take back approvals of a study, or take a patient out; from the next question on."""
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.policy import approvals, withdrawals  # noqa: PLC0415

    home = SiteHome.open(arguments.home.absolute(), "worker")
    if (arguments.study is None) == (arguments.patient is None):
        raise InputError("Give either --study NAME or --patient ID.")
    if arguments.patient is not None:
        result, line = _withdraw_patient(home, arguments.patient, arguments.anyway)
    else:
        result, line = _withdraw_study(home, arguments.study)
    files.hand_over(home.state, audit_log.NAME, audit_log.HEAD, approvals.NAME, withdrawals.NAME)
    if arguments.json:
        console.out_json(result)
    else:
        console.out(line)
    return 0


def _withdraw_patient(home: SiteHome, patient: str, anyway: bool) -> tuple[dict[str, Any], str]:
    """The result as JSON, and as a line."""
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.policy import withdrawals  # noqa: PLC0415

    for name in _present(Path(home.settings().data), patient, anyway):
        count = withdrawals.add(home.state, name)
    # The record says how many, never who: it is shown to auditors.
    audit_log.note(home.state, event="patient withdrawn", patients=count, user=stop.user())
    return {"withdrawn_patients": count}, (
        f"the patient's images are used in no further round; {count} patients are withdrawn in all"
    )


def _withdraw_study(home: SiteHome, study: str) -> tuple[dict[str, Any], str]:
    """The result as JSON, and as a line."""
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.policy import approvals  # noqa: PLC0415

    ended = approvals.withdraw(home.state, study, datetime.now(UTC))
    for approval in ended:
        audit_log.note(
            home.state,
            event="withdrawn",
            study=approval.name,
            digest=approval.digest,
            user=stop.user(),
        )
    count = f"{len(ended)} approval{'s' if len(ended) > 1 else ''}"
    return {"study": study, "approvals_ended": len(ended)}, (
        f"{count} of {study} ended; the next question is refused"
    )


def _present(folder: Path, patient: str, anyway: bool) -> list[str]:
    """Under which names a patient has images in the hospital's folder.

    That is the name as given, or the one that the key gives with which the folder was ingested.

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
    listed = patients.listed(folder)
    present = [name for name in names if name in listed]
    if not present and not anyway:
        raise InputError(
            "No image in the hospital's folder is of this patient, so nothing was withdrawn."
            " After an ingest patients have other names there: consilium site pseudonym ID --key"
            " FILE. With --anyway the name is written down for images that come later."
        )
    return present or names


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site offers": offers,
    "consilium site approve": approve,
    "consilium site withdraw": withdraw,
}
