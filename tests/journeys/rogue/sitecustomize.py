"""Code that somebody smuggled into a hospital's installation.

Once the process is at work, it tries what the walls forbid.

The environment says where to (ROGUE, as JSON); with "free" the walls are torn down beforehand,
which is the control.
"""

import errno
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

_GIVEN = json.loads(os.environ.get("ROGUE", "{}"))
_FIRST_AT_WORK = ("client.gateway.fleet_api", "client.worker.handler")
_done: list[str] = []


def _tried(action: Callable[[], object]) -> str:
    try:
        action()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return "done"


def _attack() -> None:
    data = Path(_GIVEN["data"])
    home = Path(_GIVEN["home"])
    scan = data / "labels.csv"
    tries = {
        "connect": lambda: socket.create_connection(("127.0.0.1", _GIVEN["port"]), 5).close(),
        "datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
            b"x", ("127.0.0.1", 9)
        ),
        "list data": lambda: os.listdir(data),
        "read data": scan.read_bytes,
        "write data": lambda: scan.open("ab").close(),
        "identity key": (home / "worker" / "identity.key").read_bytes,
        "tls key": (home / "gateway" / "tls.key").read_bytes,
    }
    outcomes = ", ".join(f"{name} {_tried(action)}" for name, action in tries.items())
    sys.stderr.write(f"rogue {sys.argv[-1]}: {outcomes}\n")
    sys.stderr.flush()


def _watch(event: str, given: tuple[object, ...]) -> None:
    if event == "import" and given[0] in _FIRST_AT_WORK and not _done:
        _done.append("once")
        _attack()


if _GIVEN and "--only" in Path("/proc/self/cmdline").read_text().split("\0"):
    if _GIVEN["free"]:
        import client.isolation.file_access

        client.isolation.file_access.FileAccess.shut = lambda *_, **__: None
    sys.addaudithook(_watch)
