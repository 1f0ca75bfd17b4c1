"""``consilium site enrol, start, fingerprint, studies, doctor``, and the table of all commands.

Nothing heavy is imported at the top: the walls around a process must stand before anything starts
a thread.
"""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from client.commands import approve, audit, ingest, site_processes, view
from client.home import SiteHome
from client.site_settings import SiteSettings
from common.cli import console


def enrol(arguments: Namespace) -> int:
    """Join a consortium."""
    from client.commands import enrol as enrolment  # noqa: PLC0415

    lines = enrolment.enrol(
        kit_path=arguments.kit,
        home=arguments.home,
        data=arguments.data,
        now=datetime.now(UTC),
        proxy=arguments.proxy,
        device=arguments.device,
        walls=arguments.walls,
    )
    for line in lines:
        console.out(line)
    return 0


def start(arguments: Namespace) -> int:
    """Run the worker and the gateway, or one of them, until told to stop."""
    from client.isolation import preflight  # noqa: PLC0415

    stop = console.stop_event()
    home = SiteHome.open(arguments.home.absolute(), arguments.only or "all")
    settings = home.settings()
    preflight.check(home, arguments.only or "all", datetime.now(UTC))
    if arguments.only == "worker":
        site_processes.run_worker(home, settings, stop)
    elif arguments.only == "gateway":
        # An exception, not the event: it must also end a long poll that waits in a library.
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        site_processes.run_gateway(home, settings, stop)
    else:
        site_processes.run_both(home, stop)
    return 0


def studies(arguments: Namespace) -> int:
    """What this hospital was asked."""
    from client.audit import log as audit_log  # noqa: PLC0415

    runs = audit_log.studies(SiteHome.open(arguments.home.absolute(), "worker").state)
    if arguments.json:
        console.out_json({"studies": runs})
        return 0
    for run in runs:
        fault = f", last answer: {run['fault']}" if run["fault"] else ""
        console.out(
            f"{run['run']}  study {run['study'] or '-'}  rounds {run['rounds']}"
            f"  last {run['last'][:19]}{fault}"
        )
    if not runs:
        console.out("No study has asked anything yet.")
    return 0


def fingerprint(arguments: Namespace) -> int:
    """What the coordinator compares by telephone, and what is known of the others."""
    home = SiteHome.open(arguments.home.absolute(), "worker")
    prints = _fingerprints(home, home.settings(), datetime.now(UTC))
    if arguments.json:
        console.out_json(prints)
    else:
        _show_fingerprints(prints)
    return 0


def _show_fingerprints(prints: dict[str, Any]) -> None:
    console.out(f"{prints['site']}  {prints['fingerprint']}")
    if not prints["version"]:
        console.out(
            "No signed roster has come yet;"
            " the others' fingerprints are known with the first study."
        )
        return
    console.out(f"Signed roster, version {prints['version']} of {prints['issued']}:")
    width = max(map(len, prints["sites"]))
    for name, digits in prints["sites"].items():
        remark = "" if name in prints["usable"] else "  (certificate not valid now)"
        console.out(f"  {name.ljust(width)}  {digits}{remark}")
    if prints["sites"].get(prints["site"]) != prints["fingerprint"]:
        console.note(
            "This hospital is not on that roster with its own key;"
            " tell the coordinator by telephone."
        )


def doctor(arguments: Namespace) -> int:
    """What is wrong with the folder, this machine and the connection to the coordinator."""
    from client.commands.site_doctor import examine  # noqa: PLC0415
    from common import checks  # noqa: PLC0415

    with console.work():
        results = examine(arguments.home.absolute(), arguments.only or "all")
    return checks.show(results, arguments.json)


def _fingerprints(home: SiteHome, settings: SiteSettings, now: datetime) -> dict[str, Any]:
    """This hospital's fingerprint and those of the roster.

    ``{"site", "fingerprint", "version", "issued", "sites": {name: fingerprint}, "usable": [name]}``
    with version 0 as long as no roster has come.
    """
    from common.trust import roster as rosters  # noqa: PLC0415

    prints: dict[str, Any] = {
        "site": settings.name,
        "fingerprint": rosters.fingerprint(home.identity_crt.read_bytes()),
        "version": 0,
        "issued": "",
        "sites": {},
        "usable": [],
    }
    if not home.roster_json.exists():
        return prints
    ca = home.ca.read_bytes()
    signed = rosters.loads(home.roster_json.read_bytes())
    roster = rosters.verify(
        signed, home.roster_crt.read_bytes(), ca, consortium=settings.consortium, now=now
    )
    others = {name: rosters.fingerprint(text.encode()) for name, text in roster.sites.items()}
    return {
        **prints,
        "version": roster.version,
        "issued": roster.issued,
        "sites": others,
        "usable": list(rosters.keys(roster, ca, now)),
    }


def _leave(*_: object) -> None:
    raise KeyboardInterrupt


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site enrol": enrol,
    "consilium site start": start,
    "consilium site fingerprint": fingerprint,
    "consilium site studies": studies,
    "consilium site doctor": doctor,
    **approve.COMMANDS,
    **audit.COMMANDS,
    **ingest.COMMANDS,
    **view.COMMANDS,
}
