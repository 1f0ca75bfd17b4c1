"""``consilium site status, view, stop, resume``: what a hospital's people see, and can stop."""

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


def status(arguments: Namespace) -> int:
    """What runs, what left, what was refused, what is spent; once, or again and again."""
    from client.view import terminal  # noqa: PLC0415
    from client.view.status import Viewer  # noqa: PLC0415

    # Without --watch Ctrl-C ends the command as any other: nothing waits.
    stop = console.stop_event() if arguments.watch else None
    viewer = Viewer(SiteHome.open(arguments.home.absolute(), "worker"))
    while True:
        snapshot = viewer.look(datetime.now(UTC))
        if arguments.json:
            console.out_json(snapshot.to_json())
        else:
            # A terminal that is redrawn, a file or pipe that grows.
            clear = console.clear() if stop and sys.stdout.isatty() else ""
            console.out(clear + "\n".join(terminal.lines(snapshot)))
        sys.stdout.flush()
        if stop is None or stop.wait(_EVERY):
            return 0


def stop(arguments: Namespace) -> int:
    """Stop answering, from the next question on."""
    from client.view import button  # noqa: PLC0415

    state = SiteHome.open(arguments.home.absolute(), "worker").state
    stopped = button.stop(state, arguments.reason, datetime.now(UTC), console.note)
    line = f"stopped at {stopped.at} by {stopped.by}; nothing is answered until"
    return _answer(arguments, {"stopped": vars(stopped)}, f"{line} consilium site resume")


def resume(arguments: Namespace) -> int:
    """Answer again."""
    from client.view import button  # noqa: PLC0415

    state = SiteHome.open(arguments.home.absolute(), "worker").state
    ended = button.resume(state)
    line = (
        "this hospital was not stopped"
        if ended is None
        else f"resumed; it was stopped at {ended.at} by {ended.by}"
    )
    result = {"stopped": None, "ended": vars(ended) if ended else None}
    return _answer(arguments, result, line)


def view(arguments: Namespace) -> int:
    """Show the page until told to stop."""
    from client.view import page_server  # noqa: PLC0415

    ended = console.stop_event()
    home = SiteHome.open(arguments.home.absolute(), "worker")
    with page_server.open_view(home, arguments.host, arguments.port) as server:
        if not server.loopback:
            console.note(
                f"warning: {arguments.host} is not this machine alone; whoever is on the way can"
                " read this page and its key. Use it on a network that is yours, or reach 127.0.0.1"
                " through ssh -L."
            )
        console.out(server.address)
        sys.stdout.flush()  # whoever started this through a pipe waits for the address
        console.note(
            "open this address in a browser of this machine; it holds the key, so do not pass it"
            " on. Ctrl-C ends it"
        )
        ended.wait()
    return 0


def _answer(arguments: Namespace, result: dict[str, Any], line: str) -> int:
    if arguments.json:
        console.out_json(result)
    else:
        console.out(line)
    return 0


COMMANDS: dict[str, Callable[[Namespace], int]] = {
    "consilium site status": status,
    "consilium site view": view,
    "consilium site stop": stop,
    "consilium site resume": resume,
}
