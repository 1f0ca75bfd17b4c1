"""``consilium site``: what a hospital's IT types. The two processes of a site are started through here as well, one command each.

Nothing heavy is imported at the top: the walls around a process must stand before anything starts a thread.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client.commands import approve, audit, ingest, view
from client.home import SiteHome
from client.site_settings import SiteSettings
from common.cli import console

_PARTS = ("worker", "gateway")
_WAIT = 5.0
_FAREWELL = 30.0
"""Seconds that worker and gateway have to end once they are told to."""


def enrol(given: Namespace) -> int:
    """Join a consortium."""
    from client.commands import enrol as enrolment  # noqa: PLC0415

    lines = enrolment.enrol(
        given.kit, given.home, given.data, datetime.now(UTC), given.proxy, given.device, given.walls
    )
    for line in lines:
        console.out(line)
    return 0


def start(given: Namespace) -> int:
    """Run the worker and the gateway, or one of them, until told to stop."""
    from client.isolation import preflight  # noqa: PLC0415

    stop = console.stop_event()
    home = SiteHome.open(given.home.absolute(), given.only or "all")
    settings = home.settings()
    preflight.check(home, given.only or "all", datetime.now(UTC))
    if given.only == "worker":
        _worker(home, settings, stop)
    elif given.only == "gateway":
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        _gateway(home, settings, stop)
    else:
        _both(home, stop)
    return 0


def studies(given: Namespace) -> int:
    """What this hospital was asked."""
    from client.audit import log as audit_log  # noqa: PLC0415

    found = audit_log.studies(SiteHome.open(given.home.absolute(), "worker").state)
    if given.json:
        console.out_json({"studies": found})
        return 0
    for study in found:
        fault = f", last answer: {study['fault']}" if study["fault"] else ""
        console.out(
            f"{study['run']}  study {study['study'] or '-'}  rounds {study['rounds']}  last {study['last'][:19]}{fault}"
        )
    if not found:
        console.out("No study has asked anything yet.")
    return 0


def fingerprint(given: Namespace) -> int:
    """What the coordinator compares by telephone, and what is known of the others."""
    home = SiteHome.open(given.home.absolute(), "worker")
    found = _fingerprints(home, home.settings(), datetime.now(UTC))
    if given.json:
        console.out_json(found)
        return 0
    console.out(f"{found['site']}  {found['fingerprint']}")
    if not found["version"]:
        console.out(
            "No signed roster has come yet; the others' fingerprints are known with the first study."
        )
        return 0
    console.out(f"Signed roster, version {found['version']} of {found['issued']}:")
    width = max(map(len, found["sites"]))
    for name, digits in found["sites"].items():
        console.out(
            f"  {name.ljust(width)}  {digits}{'' if name in found['usable'] else '  (certificate not valid now)'}"
        )
    if found["sites"].get(found["site"]) != found["fingerprint"]:
        console.note(
            "This hospital is not on that roster with its own key; tell the coordinator by telephone."
        )
    return 0


def doctor(given: Namespace) -> int:
    """What is wrong with the folder, this machine and the way out."""
    from client.commands.site_doctor import examine  # noqa: PLC0415
    from common import checks  # noqa: PLC0415

    with console.work():
        found = examine(given.home.absolute(), given.only or "all")
    return checks.show(found, given.json)


def _fingerprints(home: SiteHome, settings: SiteSettings, now: datetime) -> dict[str, Any]:
    """``{"site", "fingerprint", "version", "issued", "sites": {name: fingerprint}, "usable": [name]}``; version 0: no roster has come yet."""
    from common.trust import roster as rosters  # noqa: PLC0415

    own = rosters.fingerprint(home.identity_crt.read_bytes())
    found: dict[str, Any] = {
        "site": settings.name,
        "fingerprint": own,
        "version": 0,
        "issued": "",
        "sites": {},
        "usable": [],
    }
    if not home.roster_json.exists():
        return found
    ca, signed = home.ca.read_bytes(), rosters.loads(home.roster_json.read_bytes())
    roster = rosters.verify(signed, home.roster_crt.read_bytes(), ca, settings.consortium, now)
    others = {name: rosters.fingerprint(text.encode()) for name, text in roster.sites.items()}
    return {
        **found,
        "version": roster.version,
        "issued": roster.issued,
        "sites": others,
        "usable": list(rosters.keys(roster, ca, now)),
    }


def _worker(home: SiteHome, settings: SiteSettings, stop: threading.Event) -> None:
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.identity import Identity, Trust, raw_key  # noqa: PLC0415
    from client.policy import policy  # noqa: PLC0415
    from client.site import Site  # noqa: PLC0415
    from client.worker import process  # noqa: PLC0415

    authority, rules = home.ca.read_bytes(), policy.read(home.policy_toml)
    trust = Trust(settings.consortium, home.coordinator.read_bytes(), authority)
    identity = Identity(
        settings.consortium,
        raw_key(home.identity_key.read_bytes()),
        authority,
        home.roster_crt.read_bytes(),
    )
    site = Site(
        settings.name,
        (Path(settings.data),),
        home.state,
        settings.device,
        policy=rules,
        identity=identity,
        trust=trust,
    )
    audit_log.note(home.state, event="started")
    audit_log.note(
        home.state, event="policy", digest=hashlib.sha256(home.policy_toml.read_bytes()).hexdigest()
    )
    process.run(
        site,
        home.path,
        home.socket,
        _log(home.worker_log),
        settings.walls == "required",
        stop,
        threads=settings.threads,
    )
    audit_log.note(home.state, event="ended")


def _gateway(home: SiteHome, settings: SiteSettings, stop: threading.Event) -> None:
    from client.isolation import file_access  # noqa: PLC0415

    log = _log(home.gateway_log)
    file_access.gateway(home.path).shut(
        log, settings.walls == "required", network=True, hidden=[Path(settings.data)]
    )
    _carry(home, settings, stop)


def _carry(home: SiteHome, settings: SiteSettings, stop: threading.Event) -> None:
    from client.gateway import connection, relay  # noqa: PLC0415  # after the wall
    from client.gateway.fleet_api import Fleet, node_key  # noqa: PLC0415
    from client.isolation.ipc import WorkerClient  # noqa: PLC0415

    log, key = _log(home.gateway_log), node_key(home.node_key)
    with connection.client(settings, home.ca.read_bytes(), (home.tls_crt, home.tls_key)) as http:
        fleet = Fleet(
            connection.base_url(settings),
            http,
            key,
            stop,
            lambda error: log(connection.explain(error, settings)),
        )
        relay.run(settings.name, fleet, WorkerClient(home.socket), settings.poll, stop, log)


def _both(home: SiteHome, stop: threading.Event) -> None:
    """Start both processes and start anew the one that ends."""
    command = [
        sys.executable,
        "-c",
        "from common.cli.main import main; raise SystemExit(main())",
        "site",
        "start",
        "--home",
        str(home.path),
        "--only",
    ]
    running: dict[str, subprocess.Popen[bytes]] = {}
    console.note(f"worker and gateway start; their logs are in {home.logs}")
    pause = 0.0
    while not stop.wait(pause):
        ended = [part for part in _PARTS if part not in running or running[part].poll() is not None]
        for part in ended:
            if part in running:
                console.note(
                    f"the {part} ended with code {running[part].returncode}; it is started again"
                )
            with (home.logs / f"{part}.log").open("ab") as log:
                running[part] = subprocess.Popen(
                    [*command, part], stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
        pause = _WAIT if ended and pause else 0.5
    for process in reversed(running.values()):
        process.terminate()
    for process in running.values():
        try:
            process.wait(_FAREWELL)
        except (
            subprocess.TimeoutExpired
        ):  # e.g. a gateway that takes its leave of a coordinator which does not answer
            process.kill()
            process.wait()
    console.note("site stopped")


def _leave(*_: object) -> None:
    raise KeyboardInterrupt


def _log(path: Path) -> Callable[[str], None]:
    """A log with the time in front; it can name files, and stays at the hospital."""

    def write(text: str) -> None:
        line = f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n"
        with os.fdopen(
            os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8"
        ) as file:
            file.write(line)

    return write


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
