"""Runs code in a process of its own, which may close a sandbox around itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parents[3]
HEAD = """
import ctypes, errno, os, socket, sys
from pathlib import Path
from client.isolation import file_access, kernel, landlock, sandbox
def tried(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
"""
NOBODY = "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
USERS = pytest.mark.parametrize(
    "user",
    [
        "",
        pytest.param(
            NOBODY,
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root may become nobody"),
        ),
    ],
)
ACTIONS = """
def read(name): return lambda: open(place / name / "deep" / "file").read()
def write(name): return lambda: open(place / name / "deep" / "file", "a").write("x")
def make(name): return lambda: open(place / name / "deep" / ("new" + mark), "w")
def names(name): return lambda: os.listdir(place / name)
def remove(name): return lambda: os.unlink(place / name / "deep" / ("old" + mark))
def truncate(name): return lambda: os.truncate(place / name / "deep" / "file", 1)
place, mark = Path(sys.argv[1]), sys.argv[2]
actions = (read, names, write, make, remove, truncate)
kinds = ("open", "kept", "closed", "named")
"""
WALL = """
sandbox.only_files(
    [*file_access.gateway(place).read, place / "open"],
    [place / "kept"],
    names=[place / "named"],
    hidden=[place / "closed"],
)
"""
REPORT = "for kind in kinds: print(kind, *(tried(action(kind)) for action in actions))"


def inside(code: str, *arguments: object) -> str:
    """What a process of its own prints."""
    command = [sys.executable, "-c", HEAD + code, *map(str, arguments)]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
