"""The process of one run: becomes the ServerApp of a run that waits.

The host that starts it writes on its standard input what it must know, so that the run's token is
on no command line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from common.plain_text import printable
from server.host.superlink import Address, LinkGrid

_LONGEST_DETAILS = 2000


def main() -> int:
    """Read ``{"superlink", "authority", "token", "home", "patience"}`` as JSON, run it to the end.

    A person stops it by SIGTERM, or Ctrl-C where the server runs at a terminal. That the SuperLink
    is silent for ``patience`` seconds, or takes no more of the run, comes as an error of
    :mod:`server.host.superlink_retry` and is told by its own sentence.
    """
    settings = json.loads(sys.stdin.read())
    home = Path(settings["home"])
    grid = LinkGrid(
        Address(settings["superlink"], Path(settings["authority"])),
        settings["token"],
        home,
        settings["patience"],
    )
    status = "failed"
    details = "the server was stopped"
    pid: Path | None = None
    signal.signal(signal.SIGTERM, _stop)
    # A server that a script started in the background does not hear Ctrl-C; neither do its runs.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _stop)
    try:
        context = grid.open()
        # Torch comes after the first heartbeat: on a busy machine its import takes longer than
        # the SuperLink waits for one.
        from server import app, session  # noqa: PLC0415

        folder = _folder(home / "runs", context.run_config.get("run"))
        pid = folder / "pid"
        pid.write_text(f"{os.getpid()}\n", "utf-8")
        os.environ[session.REQUEST] = str(folder / "order.json")
        app.app(grid, context)
        status = "completed"
        details = ""
    except KeyboardInterrupt:
        status = "stopped"
        details = "stopped by the coordinator"
    except Exception as error:
        details = printable(f"{type(error).__name__}: {error}", _LONGEST_DETAILS)
        sys.stderr.write(f"{details}\n")
    finally:
        if pid is not None:
            pid.unlink(missing_ok=True)
        grid.close(status, details)
    return 0 if status == "completed" else 1


def _folder(runs: Path, name: object) -> Path:
    """A run's folder.

    The name comes over the network and must be one of the folders that are there.
    """
    folders = {folder.name: folder for folder in runs.iterdir() if folder.is_dir()}
    if not isinstance(name, str) or name not in folders:
        raise ValueError("the run that was submitted has no folder on this server")
    return folders[name]


def _stop(*_: object) -> NoReturn:
    """The first word to stop is heard, and nothing interrupts what is written down because of it.

    A second one is common: after Ctrl-C at the server's terminal comes the server's own SIGTERM.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not SIG_IGN: one that has come already would be told on stderr, with a traceback.
        signal.signal(number, _ignore)
    raise KeyboardInterrupt


def _ignore(*_: object) -> None:
    return


if __name__ == "__main__":
    raise SystemExit(main())
