"""``consilium provision`` and ``consilium server``: what the coordinator types."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from common import console
from common.errors import InputError
from server import desk
from server.host import Home, Host
from server.provision import provision as make


def provision(given: Namespace) -> int:
    """Make or extend a coordinator's folder."""
    for line in make(given.consortium, given.out, desk.now(), single_file=given.single_file, renew=given.renew):
        console.out(line)
    return 0


def start(given: Namespace) -> int:
    """Run the server until it is told to stop."""
    stop = console.stop_event()
    Host(Home.open(given.home), console.note, stop).serve()
    console.note("server stopped")
    return 0


def submit(given: Namespace) -> int:
    """Sign and queue a study."""
    name = desk.submit(Home.open(given.home), desk.Submission(given.study, given.name, given.rounds, given.seed, given.days), desk.now())
    if given.json:
        console.out_json({"run": name})
    else:
        console.out(f"{name} is queued; follow it with: consilium server status --home {given.home} --watch")
    return 0


def status(given: Namespace) -> int:
    """Hospitals and runs."""
    home = Home.open(given.home)
    while True:
        found = desk.status(home, desk.now())
        if given.json:
            console.out_json(found)
        else:
            _show(found)
        if not given.watch or not any(run["state"] in ("pending", "starting", "running") for run in found["runs"]):
            return 0
        time.sleep(given.every)


def stop(given: Namespace) -> int:
    """Stop a run."""
    desk.stop(Home.open(given.home), given.run)
    console.out(f"{given.run} stops; the model of its last finished round is kept.")
    return 0


def report(given: Namespace) -> int:
    """Where a run's report lies, and what it says in short."""
    folder = desk.find(Home.open(given.home), given.run)
    if not (folder / "report.html").exists():
        raise InputError(f"The run {given.run!r} has no report yet; see: consilium server status.")
    console.out(str(folder / "report.html"))
    return 0


def doctor(given: Namespace) -> int:
    """What is wrong with the folder and this machine."""
    from common import checks  # noqa: PLC0415
    from server.doctor import examine  # noqa: PLC0415

    with console.work():
        found = examine(given.home)
    return checks.show(found, given.json)


def _show(found: dict[str, Any]) -> None:
    console.out(f"{found['consortium']}: server {found['server']}")
    width = max(map(len, found["sites"]), default=0)
    for name, site in found["sites"].items():
        console.out(f"  {name.ljust(width)}  {'connected' if site['online'] else 'not connected'}, {site['state']}")
    for run in found["runs"]:
        loss = "" if run["loss"] is None else f", loss {run['loss']:.4f}"
        refused = "".join(f", refused {r['site']}: {r['reason']}" for r in run["refused"])
        why = f" ({run['details']})" if run["details"] else ""
        console.out(f"  {run['run']}: {run['state']}{why}, round {run['round']}/{run['rounds']}{loss}{refused}")


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium provision": provision,
    "consilium server start": start,
    "consilium server submit": submit,
    "consilium server status": status,
    "consilium server stop": stop,
    "consilium server report": report,
    "consilium server doctor": doctor,
}
