"""Attacks by a hospital's own process, whose code somebody else has come to write.

A reader with a hole in the worker, which tries to give 32 bytes to anybody of this machine; a
gateway, or a worker, that leaves a link where the other one opens a file.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

from client import log_file
from client.commands import site_processes
from client.home import SiteHome
from client.isolation import landlock
from common.errors import InputError
from tests.redteam.attack import Attack, Off, Play, changed, replaced
from tests.redteam.stage import Stage

HOUSE = Path(__file__).resolve().parents[2]
SIZE = 32
WORKER = "worker of a hospital, taken over"
GATEWAY = "gateway of a hospital, taken over"
SWITCHES: list[str] = []
"""Lines of the process that is taken over, which switch its defences off before it begins."""
WALLS = """
import ctypes, os, socket, sys
from pathlib import Path
from client.isolation import file_access, landlock, sandbox, seccomp
top = Path(sys.argv[1])
secret = bytes.fromhex(sys.argv[2])
home = top / "home"
def quiet(_): pass
def early(): pass
def without(*names): return tuple(name for name in seccomp._ELSEWHERE if name not in names)
libc = ctypes.CDLL(None, use_errno=True)
"""
START = """
file_access.worker([top / "data"], home, home / "run" / "worker.sock").shut(quiet, False)
kept = early()
inner = socket.socket(socket.AF_UNIX)
inner.bind(str(home / "run" / "worker.sock"))
inner.listen()
sandbox.close([sandbox.no_new_sockets], quiet, False)
"""
IPC_PRIVATE = 0
IPC_REMOVE = 0
OPEN_TO_ALL = 0o1666
"""IPC_CREAT with mode 0666 (linux/ipc.h)."""


def _process(stage: Stage, code: str, secret: bytes, *more: object) -> subprocess.Popen[str]:
    """A worker in all its walls, which is then taken over."""
    home = stage.folder / "home"
    for name in ("run", "worker", "logs/worker", "logs/gateway"):
        (home / name).mkdir(parents=True, exist_ok=True)
    words = [str(stage.folder), secret.hex(), *map(str, more)]
    whole = "\n".join((WALLS, *SWITCHES, code))
    return subprocess.Popen(
        [sys.executable, "-c", whole, *words],
        cwd=HOUSE,
        text=True,
        stderr=subprocess.DEVNULL,
    )


def _received(listener: socket.socket) -> bytes:
    """What lies at a listening socket once nobody sends any more."""
    listener.setblocking(False)
    with suppress(BlockingIOError):
        if listener.type == socket.SOCK_DGRAM:
            return listener.recv(SIZE)
        with closing(listener.accept()[0]) as peer:
            return peer.recv(SIZE)
    return b""


def _to(address: str, kind: int, code: str) -> Play:
    """Give the secret to a socket outside the walls."""

    def play(stage: Stage) -> bool:
        name = address.format(folder=stage.folder, pid=os.getpid())
        secret = secrets.token_bytes(SIZE)
        with socket.socket(socket.AF_UNIX, kind) as outside:
            outside.bind(name)
            if kind == socket.SOCK_STREAM:
                outside.listen()
            _process(stage, code, secret, name.replace("\0", "@")).wait()
            return _received(outside) == secret

    return play


NAME = 'name = sys.argv[3].replace("@", "\\0")\n'
KEPT = "early = lambda: socket.socket(socket.AF_UNIX)\n"
CONNECT = f"{NAME}{KEPT}{START}kept.connect(name)\nkept.sendall(secret)\n"
PAIR = f"""{NAME}
early = lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
{START}
kept[0].sendmsg([secret], [], 0, name)
"""
named_socket = _to("{folder}/docker.sock", socket.SOCK_STREAM, CONNECT)
abstract_socket = _to("\0redteam-{pid}", socket.SOCK_STREAM, CONNECT)
datagram = _to("{folder}/log.sock", socket.SOCK_DGRAM, PAIR)


def new_listener(stage: Stage) -> bool:
    """Listen anew, for somebody of this machine who comes and fetches."""
    name = str(stage.folder / "home" / "run" / "door.sock")
    secret = secrets.token_bytes(SIZE)
    code = f"""{NAME}{START}
door = socket.socket(socket.AF_UNIX)
door.bind(name)
door.listen()
door.settimeout(60)
door.accept()[0].sendall(secret)
"""
    process = _process(stage, code, secret, name)
    fetched = b""
    while process.poll() is None and not fetched:
        with socket.socket(socket.AF_UNIX) as visitor, suppress(OSError):
            visitor.connect(name)
            fetched = visitor.recv(SIZE)
    process.wait()
    return fetched == secret


def shared_memory(stage: Stage) -> bool:
    """Write into memory of System V that somebody outside has left open."""
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    secret = secrets.token_bytes(SIZE)
    segment = libc.shmget(IPC_PRIVATE, SIZE, OPEN_TO_ALL)
    place = libc.shmat(segment, None, 0)
    code = f"""{START}
libc.shmat.restype = ctypes.c_void_p
place = libc.shmat(int(sys.argv[3]), None, 0)
ctypes.memmove(place, secret, len(secret))
"""
    try:
        _process(stage, code, secret, segment).wait()
        return ctypes.string_at(place, SIZE) == secret
    finally:
        libc.shmdt(ctypes.c_void_p(place))
        libc.shmctl(segment, IPC_REMOVE, None)


def message_queue(stage: Stage) -> bool:
    """Put a message into a queue of System V."""
    libc = ctypes.CDLL(None)
    secret = secrets.token_bytes(SIZE)
    queue = libc.msgget(IPC_PRIVATE, OPEN_TO_ALL)
    code = f"""{START}
libc.msgsnd(int(sys.argv[3]), (1).to_bytes(8, "little") + secret, len(secret), 0)
"""
    message = ctypes.create_string_buffer(8 + SIZE)
    no_wait = 0o4000
    try:
        _process(stage, code, secret, queue).wait()
        libc.msgrcv(queue, message, ctypes.c_size_t(SIZE), ctypes.c_long(0), no_wait)
        return message.raw[8:] == secret
    finally:
        libc.msgctl(queue, IPC_REMOVE, None)


# ---- links where the other process opens a file ----


def _record(stage: Stage) -> tuple[SiteHome, Path]:
    """A hospital's folder, and the worker's record in it."""
    home = SiteHome(stage.folder / "home")
    for folder in (home.state, *home.log_folders, home.run):
        folder.mkdir(parents=True)
    record = home.state / "worker.log"
    record.write_text("whole\n")
    return home, record


def _logged(home: SiteHome, record: Path) -> bool:
    """Whether the worker writes into its own record instead of its log."""
    with suppress(InputError):
        site_processes._log(home.worker_log)("worker ready")
    return record.read_text() != "whole\n"


def soft_link(stage: Stage) -> bool:
    """A symbolic link where the worker's log is."""
    home, record = _record(stage)
    home.worker_log.symlink_to(record)
    return _logged(home, record)


def hard_link(stage: Stage) -> bool:
    """A second name of the worker's record where its log is."""
    home, record = _record(stage)
    home.worker_log.hardlink_to(record)
    return _logged(home, record)


def linked_folder(stage: Stage) -> bool:
    """A link in the place of the folder of the worker's log."""
    home, record = _record(stage)
    home.worker_log.parent.rmdir()
    home.worker_log.parent.symlink_to(record.parent)
    return _logged(home, record)


def open_folder(stage: Stage) -> bool:
    """A folder of logs in which another user may put a second name after the worker has looked."""
    home, _ = _record(stage)
    home.worker_log.parent.chmod(0o777)
    with suppress(InputError):
        site_processes._log(home.worker_log)("worker ready")
    return home.worker_log.exists()


def gateway_s_link(stage: Stage) -> bool:
    """A gateway within its walls, of the same user as the worker, links the worker's log."""
    home, record = _record(stage)
    code = """
file_access.gateway(home).shut(quiet, False, network=True)
os.symlink(home / "worker" / "state" / "worker.log", home / "logs" / "worker" / "worker.log")
"""
    _process(stage, code, b"").wait()
    # Outside the walls, as the process that starts both opens it for the worker's own output.
    return home.worker_log.is_symlink() and home.worker_log.samefile(record)


def worker_s_link(stage: Stage) -> bool:
    """A worker within its walls leads the gateway to another socket of this machine."""
    code = f"""{START}
(home / "run" / "worker.sock").unlink()
os.symlink(top / "docker.sock", home / "run" / "worker.sock")
"""
    _process(stage, code, b"").wait()
    return (stage.folder / "home" / "run" / "worker.sock").is_symlink()


def _line(*lines: str) -> Off:
    """Switch: lines of the process that is taken over.

    A rule that is gone would be noticed when it is tried, so that is switched off with it.
    """
    tried = "seccomp._check_denied = lambda *_: None"
    return replaced(sys.modules[__name__], "SWITCHES", [tried, *lines])


_CONNECTIONS = 'seccomp._ELSEWHERE = without("connect")'
_ANY_KIND = "seccomp._connected_kinds = seccomp._end"
_ABSTRACT = ("landlock._SCOPES = 0", "seccomp._CLONE_NEWNET = 0")
"""Abstract names are those of a network namespace (unix(7))."""
_MEMORY = 'seccomp._ELSEWHERE = without("shmat")'
_MESSAGES = 'seccomp._ELSEWHERE = without("msgsnd")'
_DOORS = "seccomp._NEW_SOCKETS = ()"
_LINKS = "landlock.PLAIN = landlock.CHANGE"
_GATEWAY_WRITES = (
    "plain = file_access.gateway\n"
    "def wide(home):\n"
    "    made = plain(home)\n"
    "    return file_access.FileAccess(made.read, [home / 'logs'], made.devices, made.names)\n"
    "file_access.gateway = wide"
)

_BEHIND_LANDLOCK = (
    Attack("a link in the other's logs", gateway_s_link, _line(_GATEWAY_WRITES), GATEWAY, False),
    Attack("a link in the socket's place", worker_s_link, _line(_LINKS), WORKER, False),
)
ATTACKS = (
    Attack("a named socket of the host", named_socket, _line(_CONNECTIONS), WORKER, False),
    Attack(
        "an abstract socket of the host",
        abstract_socket,
        _line(_CONNECTIONS, *_ABSTRACT),
        WORKER,
        False,
    ),
    Attack("a datagram with its address", datagram, _line(_ANY_KIND), WORKER, False),
    Attack("a door of its own", new_listener, _line(_DOORS), WORKER, False),
    Attack("memory of System V", shared_memory, _line(_MEMORY), WORKER, False),
    Attack("a message of System V", message_queue, _line(_MESSAGES), WORKER, False),
    Attack(
        "a link at the worker's log",
        soft_link,
        replaced(log_file, "_LOG", log_file._LOG & ~os.O_NOFOLLOW),
        GATEWAY,
        False,
    ),
    Attack(
        "a second name of the record at the worker's log",
        hard_link,
        replaced(log_file, "_check", lambda *_: None),
        GATEWAY,
        False,
    ),
    Attack(
        "a link at the folder of the worker's log",
        linked_folder,
        replaced(log_file, "_FOLDER", log_file._FOLDER & ~os.O_NOFOLLOW),
        GATEWAY,
        False,
    ),
    Attack(
        "a folder of logs that others may change",
        open_folder,
        changed(log_file, "open_own", ("status.st_mode & 0o022", "False")),
        GATEWAY,
        False,
    ),
    *(_BEHIND_LANDLOCK if landlock.version() else ()),
)
