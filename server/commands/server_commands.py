"""``consilium provision`` and ``consilium server``: what the coordinator types."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from common.cli import console
from common.errors import InputError
from server.commands import roster_signing, study_runs
from server.commands.provision import provision as make
from server.commands.roster_signing import Change
from server.host.server_home import ServerHome
from server.host.supervisor import Host


def provision(arguments: Namespace) -> int:
    """Make or extend a coordinator's folder."""
    for line in make(
        arguments.consortium,
        arguments.out,
        study_runs.now(),
        single_file=arguments.single_file,
        renew=arguments.renew,
    ):
        console.out(line)
    return 0


def start(arguments: Namespace) -> int:
    """Run the server until it is told to stop."""
    stop = console.stop_event()
    Host(ServerHome.open(arguments.home), console.note, stop).serve()
    console.note("server stopped")
    return 0


def submit(arguments: Namespace) -> int:
    """Sign and queue a study."""
    name = study_runs.submit(
        ServerHome.open(arguments.home),
        study_runs.Submission(
            arguments.study, arguments.name, arguments.rounds, arguments.seed, arguments.days
        ),
        study_runs.now(),
    )
    if arguments.json:
        console.out_json({"run": name})
    else:
        console.out(
            f"{name} is queued; follow it with: consilium server status --home "
            f"{arguments.home} --watch"
        )
    return 0


def status(arguments: Namespace) -> int:
    """Hospitals and runs."""
    home = ServerHome.open(arguments.home)
    while True:
        overview = study_runs.status(home, study_runs.now())
        if arguments.json:
            console.out_json(overview)
        else:
            _print_status(overview)
        if not arguments.watch or not any(
            run["state"] in ("pending", "starting", "running") for run in overview["runs"]
        ):
            return 0
        time.sleep(arguments.every)


def stop(arguments: Namespace) -> int:
    """Stop a run."""
    study_runs.stop(ServerHome.open(arguments.home), arguments.run)
    console.out(f"{arguments.run} stops; the model of its last finished round is kept.")
    return 0


def report(arguments: Namespace) -> int:
    """Where a run's report lies, and what it says in short."""
    folder = study_runs.find(ServerHome.open(arguments.home), arguments.run)
    if not (folder / "report.html").exists():
        raise InputError(
            f"The run {arguments.run!r} has no report yet; see: consilium server status."
        )
    console.out(str(folder / "report.html"))
    return 0


def roster(arguments: Namespace) -> int:
    """Show the signed roster, or sign a new one."""
    home = ServerHome.open(arguments.home)
    now = study_runs.now()
    if arguments.key is None:
        if arguments.without:
            raise InputError(
                "--without takes a hospital off the roster, which has to be signed; "
                "give the roster key too: --key KEY."
            )
        change = roster_signing.look(home, now)
        _print(
            arguments.json,
            roster_signing.to_json(change, change.before, False),
            _overview(home, change),
        )
        return 0
    change = roster_signing.look(home, now, arguments.key, arguments.without)
    if change.nothing:
        if change.stale:
            roster_signing.restore(home, arguments.key)
        _print(
            arguments.json,
            roster_signing.to_json(change, change.before, False),
            [_unchanged(change)],
        )
        return 0
    _confirm_fingerprints(change, arguments.yes)
    signed = roster_signing.sign(home, change, arguments.key, now)
    line = (
        f"Roster version {signed.version} is signed, with {len(signed.sites)} hospitals; "
        "take the medium with the key out and lock it away."
    )
    _print(arguments.json, roster_signing.to_json(change, signed, True), [line])
    return 0


def doctor(arguments: Namespace) -> int:
    """What is wrong with the folder and this machine."""
    from common import checks  # noqa: PLC0415
    from server.commands.server_doctor import examine  # noqa: PLC0415

    with console.work():
        results = examine(arguments.home)
    return checks.show(results, arguments.json)


def _print(as_json: bool, table: dict[str, Any], lines: list[str]) -> None:
    if as_json:
        console.out_json(table)
    else:
        console.out("\n".join(lines))


def _overview(home: ServerHome, change: Change) -> list[str]:
    before = change.before
    head = (
        "No roster is signed yet."
        if before is None
        else f"Roster of {change.consortium}: version {before.version}, signed {before.issued}"
    )
    differences = [f"{name} is enrolled and not on it." for name in change.new]
    differences += [
        f"{name} has enrolled again with another key than the one on it." for name in change.renewed
    ]
    differences += [f"{name} is on it and not enrolled any more." for name in change.removed]
    hospitals = [] if before is None and change.nothing else roster_signing.lines(change)
    return [
        head,
        *hospitals,
        *differences,
        *([] if change.nothing else [f"To sign a new one: {roster_signing.command(home)}"]),
    ]


def _unchanged(change: Change) -> str:
    if change.before is None:
        return "No hospital is enrolled yet; there is nothing to sign."
    restored = "; the server's older copy is replaced" if change.stale else ""
    return (
        f"Nothing has changed since version {change.before.version} was signed on "
        f"{change.before.issued}{restored}."
    )


def _confirm_fingerprints(change: Change, yes: bool) -> None:
    """Let a person compare the fingerprints.

    What is asked goes to stderr, stdout is for the result.
    """
    version = 1 if change.before is None else change.before.version + 1
    console.note(
        "\n".join(
            [
                f"Version {version} of the roster of {change.consortium}:",
                *roster_signing.lines(change),
            ]
        )
    )
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            "Nobody is at a terminal to confirm the fingerprints; run it there, "
            "or give --yes if they were compared before."
        )
    console.note(
        "Telephone each hospital marked new or new key, on a number that you know, "
        "and let it read its fingerprint (consilium site fingerprint)."
    )
    console.note("Type yes if all of them agree:")
    if sys.stdin.readline().strip().lower() != "yes":
        raise InputError("The roster was not signed: the answer was not yes.")


def _print_status(overview: dict[str, Any]) -> None:
    console.out(f"{overview['consortium']}: server {overview['server']}")
    width = max(map(len, overview["sites"]), default=0)
    for name, site in overview["sites"].items():
        console.out(
            f"  {name.ljust(width)}  "
            f"{'connected' if site['online'] else 'not connected'}, {site['state']}"
        )
    for run in overview["runs"]:
        loss = "" if run["loss"] is None else f", loss {run['loss']:.4f}"
        refused = "".join(f", refused {r['site']}: {r['reason']}" for r in run["refused"])
        why = f" ({run['details']})" if run["details"] else ""
        console.out(
            f"  {run['run']}: {run['state']}{why}, round "
            f"{run['round']}/{run['rounds']}{loss}{refused}"
        )


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium provision": provision,
    "consilium server start": start,
    "consilium server submit": submit,
    "consilium server status": status,
    "consilium server stop": stop,
    "consilium server report": report,
    "consilium server roster": roster,
    "consilium server doctor": doctor,
}
