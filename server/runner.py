"""The process of one run: becomes the ServerApp of a run that waits. Started by the executor, which writes on standard input what it needs to
know, so that the run's token is on no command line.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

from server import app
from server.link import Address, LinkGrid


def main() -> int:
    """Read ``{"superlink", "authority", "token", "runs"}`` as JSON and run it to the end."""
    given = json.loads(sys.stdin.read())
    signal.signal(signal.SIGTERM, _stop)
    grid = LinkGrid(Address(given["superlink"], Path(given["authority"])), given["token"])
    status, details = "failed", "the server was stopped"
    try:
        context = grid.open()
        os.environ[app.ORDER] = str(_order(Path(given["runs"]), context.run_config.get("run")))
        app.app(grid, context)
        status, details = "completed", ""
    except KeyboardInterrupt:
        status, details = "stopped", "stopped by the coordinator"
    except Exception as error:
        details = f"{type(error).__name__}: {error}"
        sys.stderr.write(f"{details}\n")
    finally:
        grid.close(status, details)
    return 0 if status == "completed" else 1


def _order(runs: Path, name: object) -> Path:
    """Path of a run's order; the name comes over the network and must be one of the folders that are there."""
    known = {folder.name: folder for folder in runs.iterdir() if folder.is_dir()}
    if not isinstance(name, str) or name not in known:
        raise ValueError("the run that was submitted has no folder on this server")
    return known[name] / "order.json"


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
