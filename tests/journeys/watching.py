"""What the system knows about running processes.

Command lines, environments, sockets (Linux, proc(5)).
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

_LISTENS = "0A"
_TABLES = ("tcp", "tcp6", "udp", "udp6", "raw", "raw6")


class Socket(NamedTuple):
    """One internet socket: protocol, own address and port, the other side's.

    ``far_port`` is 0 for one that listens.
    """

    table: str
    near: str
    near_port: int
    far: str
    far_port: int
    listens: bool


def members(groups: Iterable[int]) -> list[int]:
    """Every process of these process groups."""
    group_ids = set(groups)
    processes = []
    for entry in os.listdir("/proc"):
        with suppress(OSError, ValueError):
            if (
                entry.isdigit()
                and int(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[2])
                in group_ids
            ):
                processes.append(int(entry))
    return processes


def descendants(process: int) -> list[int]:
    """Every child of a process, and theirs."""
    children = [
        int(child)
        for file in Path(f"/proc/{process}/task").glob("*/children")
        for child in file.read_text().split()
    ]
    return [one for child in children for one in (*descendants(child), child)]


def texts_of(process: int) -> tuple[bytes, bytes]:
    """Command line and environment of a process, as anybody or its user may read them."""
    return Path(f"/proc/{process}/cmdline").read_bytes(), Path(
        f"/proc/{process}/environ"
    ).read_bytes()


def sockets(process: int) -> set[Socket]:
    """The internet sockets that a process holds, of every family
    and in whatever network namespace.
    """
    held = set()
    for entry in os.listdir(f"/proc/{process}/fd"):
        with suppress(OSError):
            held.add(os.readlink(f"/proc/{process}/fd/{entry}"))
    inodes = {link[8:-1] for link in held if link.startswith("socket:[")}
    return {made for inode, made in _all(process) if inode in inodes}


def _all(process: int) -> Iterator[tuple[str, Socket]]:
    for table in _TABLES:
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            near = _place(fields[1])
            far = _place(fields[2])
            yield (
                fields[9],
                Socket(
                    table, *near, *far, listens=fields[3] == _LISTENS and table.startswith("tcp")
                ),
            )


def _place(text: str) -> tuple[str, int]:
    """Address and port of proc(5), whose address is in words of the machine's byte order."""
    address, port = text.split(":")
    raw = b"".join(bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8))
    made = IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw)
    return str(getattr(made, "ipv4_mapped", None) or made), int(port, 16)


class Watch:
    """Looks again and again at the processes of some groups until the block ends.

    Args:
        groups: gives the groups' numbers.
        part: which part a command line is, e.g. "worker".
    """

    def __init__(
        self, groups: Callable[[], Iterable[int]], part: Callable[[str], str], pause: float = 0.1
    ) -> None:
        self._groups = groups
        self._part = part
        self._pause = pause
        self._stop, self._thread = (
            threading.Event(),
            threading.Thread(target=self._look, daemon=True),
        )
        self.sockets: dict[str, set[Socket]] = defaultdict(set)
        self.texts: dict[str, set[bytes]] = defaultdict(set)
        self.looks = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(self._pause):
            for process in members(self._groups()):
                with suppress(OSError):  # it has ended
                    command, environment = texts_of(process)
                    part = self._part(command.replace(b"\0", b" ").decode("utf-8", "replace"))
                    self.texts[part] |= {command, environment}
                    self.sockets[part] |= sockets(process)
            self.looks += 1
