"""Ports for servers that a test starts a little later, so that nobody else takes them meanwhile."""

from __future__ import annotations

import random
import socket

_PLACES = range(10_000, 30_000)
"""Below those that Linux gives to outgoing connections (32768 to 60999, ip(7)).

A port that was free a moment ago would else become the near end of somebody's connection now and
then, and a server that is to listen there would not start.
"""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, hardly ever those of a test beside this one."""
    doors: list[socket.socket] = []
    draw = random.SystemRandom()
    while len(doors) < count:
        door = socket.socket()
        try:
            door.bind(("0.0.0.0", draw.choice(_PLACES)))
        except OSError:
            door.close()
            continue
        doors.append(door)
    ports: list[int] = [door.getsockname()[1] for door in doors]
    for door in doors:
        door.close()
    return ports
