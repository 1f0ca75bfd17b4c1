"""Whether a hospital's two processes run, asked from outside of them.

Nothing is changed by looking.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client.home import SiteHome

RUNNING = "running"
GONE = "not running"
UNKNOWN = "unknown"
_PATIENCE = 0.5


@dataclass(frozen=True)
class Process:
    """The worker or the gateway.

    Attributes:
        state: "running", "not running", or "unknown" where this machine does not show it, as from
            another container.
        pid: its number, if it is seen.
    """

    name: str
    state: str
    pid: int | None = None


def look(home: SiteHome, proc: Path = Path("/proc")) -> tuple[Process, Process]:
    """Worker and gateway of a hospital.

    Args:
        home: the hospital's folder.
        proc: where the system lists its processes (proc(5)).
    """
    seen = dict(_commands(home.path, proc))
    worker = seen.get("worker")
    gateway = seen.get("gateway")
    answers = _answers(home.socket)
    states = [RUNNING if answers else GONE, RUNNING if gateway else GONE]
    if answers is None:
        states[0] = RUNNING if worker else UNKNOWN
    # the worker is in a container of its own, and so would be the gateway
    if (answers and worker is None) or _hides(proc):
        states[1] = RUNNING if gateway else UNKNOWN
    return Process("worker", states[0], worker), Process("gateway", states[1], gateway)


def _answers(path: Path) -> bool | None:
    """Whether somebody listens at the worker's socket; None if this user may not know."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(_PATIENCE)
            client.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError:
        return None
    return True


def _hides(proc: Path) -> bool:
    """Whether this user is not shown other users' processes (proc(5), hidepid)."""
    try:
        (proc / "1" / "cmdline").read_bytes()
    except OSError:
        return True
    return False


def _commands(home: Path, proc: Path) -> Iterator[tuple[str, int]]:
    """``(part, process number)`` of each process that was started as a part of this hospital."""
    for folder in proc.glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            part = _part(words, home, folder)
        # it has ended, or belongs to somebody whose processes are hidden
        except OSError:
            continue
        if part:
            yield part, int(folder.name)


def _part(words: list[bytes], home: Path, folder: Path) -> str:
    """Which part a command line starts: ``consilium site start --home HOME --only PART``."""
    options = {}
    for word, following in zip(words, [*words[1:], b""], strict=True):
        name, equals, value = word.partition(b"=")
        options[name] = value if equals else following
    if b"start" not in words or b"site" not in words or b"--home" not in options:
        return ""
    path = Path(os.fsdecode(options[b"--home"]))
    if not path.is_absolute():
        path = (folder / "cwd").readlink() / path
    only = options.get(b"--only", b"").decode("ascii", "replace")
    return only if path.resolve() == home.resolve() else ""
