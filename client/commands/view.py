"""``consilium site status, view, stop, resume``: what a hospital's people see of it, and their button to stop it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from client.home import SiteHome
from common.cli import console

_EVERY = 2.0
"""Seconds between two looks."""


def status(given: Namespace) -> int:
    """What runs, what left, what was refused, what is spent; once, or again and again."""
    from client.view import terminal  # noqa: PLC0415
    from client.view.status import Viewer  # noqa: PLC0415

    stop = console.stop_event() if given.watch else None
    viewer = Viewer(SiteHome.open(given.home.absolute(), "worker"))
    while True:
        found = viewer.look(datetime.now(UTC))
        if given.json:
            console.out_json(found.to_json())
        else:
            clear = "\033[H\033[2J" if stop and sys.stdout.isatty() else ""
            console.out(clear + "\n".join(terminal.lines(found)))
        sys.stdout.flush()
        if stop is None or stop.wait(_EVERY):
            return 0


def stop(given: Namespace) -> int:
    """Stop answering, from the next question on."""
    from client.view import button  # noqa: PLC0415

    state = SiteHome.open(given.home.absolute(), "worker").state
    made = button.stop(state, given.reason, datetime.now(UTC), console.note)
    return _say(
        given,
        {"stopped": vars(made)},
        f"stopped at {made.at} by {made.by}; nothing is answered until consilium site resume",
    )


def resume(given: Namespace) -> int:
    """Answer again."""
    from client.view import button  # noqa: PLC0415

    state = SiteHome.open(given.home.absolute(), "worker").state
    ended = button.resume(state)
    line = (
        "this hospital was not stopped"
        if ended is None
        else f"resumed; it was stopped at {ended.at} by {ended.by}"
    )
    return _say(given, {"stopped": None, "ended": vars(ended) if ended else None}, line)


def view(given: Namespace) -> int:
    """Show the page until told to stop."""
    from client.view import page_server  # noqa: PLC0415

    ended = console.stop_event()
    home = SiteHome.open(given.home.absolute(), "worker")
    with page_server.open_view(home, given.host, given.port) as server:
        if not server.loopback:
            console.note(
                f"warning: {given.host} is not this machine alone; whoever is on the way can read this page and its key. "
                "Use it on a network that is yours, or reach 127.0.0.1 through ssh -L."
            )
        console.out(server.address)
        sys.stdout.flush()
        console.note(
            "open this address in a browser of this machine; it holds the key, so do not pass it on. Ctrl-C ends it"
        )
        ended.wait()
    return 0


def _say(given: Namespace, told: dict[str, Any], line: str) -> int:
    if given.json:
        console.out_json(told)
    else:
        console.out(line)
    return 0


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site status": status,
    "consilium site view": view,
    "consilium site stop": stop,
    "consilium site resume": resume,
}
