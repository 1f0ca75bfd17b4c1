"""The inner wall made by the system alone, as containers and systemd units make it.

Two users and an empty network namespace.

The worker's own walls (client/isolation/sandbox.py) are not raised here; what holds is what the
hospital's administrator has set up.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import until

HOUSE = Path(__file__).resolve().parents[2]
WORKER_USER = 61001
GATEWAY_USER = 61002
STRANGER = 61003
GROUP = 61010
LOST = [name for name in ("unshare",) if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0,
        reason="only root on Linux may start processes of several users",
    ),
    pytest.mark.skipif(bool(LOST), reason=f"needs the program {' '.join(LOST)}"),
]

# Everything is imported before the user changes: an installation below somebody's home folder is
# closed to the others.
HEAD = """
import encodings.idna, errno, grpc._channel, grpc._server, os, socket, sys, threading, traceback
from pathlib import Path
from client import log_file
from client.isolation import ipc
from client.isolation.ipc import IpcError, WorkerClient
top = Path(sys.argv[1])
listener, user, *groups = map(int, sys.argv[2:])
os.setgroups(groups); os.setgid(user); os.setuid(user)
inner = top / "run" / "worker.sock"
def tried(action):
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"
def read(): (top / "data" / "scan").read_text()
def write(): (top / "data" / "scan").write_text("x")
def connect(): socket.create_connection(("127.0.0.1", listener), 5).close()
def link(part): os.symlink(top / "data" / "scan", top / "logs" / part / f"{part}.log")
def log(part): log_file.append(top / "logs" / part / f"{part}.log", "line")
def look_up(): socket.getaddrinfo("localhost", listener)
"""
WORKER = (
    "ipc.serve(inner, lambda text, vector: (tried(globals()[text]) if text else '', "
    "vector), threading.Event(), print)"
)
GATEWAY = """
print("from outside:", tried(read), tried(write), tried(connect))
worker = WorkerClient(inner, patience=60)
print("asked:", worker.ask("read", None)[0], worker.ask("connect", None)[0])
print("carried:", bytes(worker.ask("", bytes(range(256)) * 20000)[1]) == bytes(range(256)) * 20000)
"""
LOG = """
log(PART)
print("logged")
"""
LINK = """
def taken(part): os.unlink(top / "logs" / part / f"{part}.log")
def moved(part): os.rename(top / "logs" / part, top / "logs" / "other")
print(*(tried(lambda: action(PART)) for action in (taken, link, moved)))
"""
STRANGER_CODE = """
print("from outside:", tried(read))
try:
    WorkerClient(inner, patience=1).ask("read", None)
except IpcError as error:
    print(error.public)
"""


@pytest.fixture
def top() -> Iterator[Path]:
    """A hospital.

    Data that only the worker's user may enter, and a socket's folder that a group shares.
    """
    path = Path(tempfile.mkdtemp())
    path.chmod(0o711)
    for name, user, group, mode in (
        ("data", WORKER_USER, WORKER_USER, 0o700),
        ("run", WORKER_USER, GROUP, 0o2750),
        ("logs", 0, GROUP, 0o750),
        ("logs/worker", WORKER_USER, GROUP, 0o700),
        ("logs/gateway", GATEWAY_USER, GROUP, 0o700),
    ):
        (path / name).mkdir()
        os.chown(path / name, user, group)
        (path / name).chmod(mode)
    (path / "data" / "scan").write_text("pixels")
    os.chown(path / "data" / "scan", WORKER_USER, WORKER_USER)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def command(code: str, top: Path, listener: int, user: int, *groups: int) -> list[str]:
    return [
        sys.executable,
        "-c",
        HEAD + code,
        str(top),
        str(listener),
        str(user),
        *map(str, groups),
    ]


def output(code: str, top: Path, listener: int, user: int, *groups: int) -> list[str]:
    done = subprocess.run(
        command(code, top, listener, user, *groups),
        cwd=HOUSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def worker(top: Path, listener: int) -> Iterator[None]:
    """The worker's user in a network namespace of its own."""
    started = subprocess.Popen(
        ["unshare", "--net", *command(WORKER, top, listener, WORKER_USER, GROUP)], cwd=HOUSE
    )
    until(
        lambda: (top / "run" / "worker.sock").exists() or started.poll() is not None,
        "the worker does not listen",
    )
    assert started.poll() is None, "this kernel does not let root make a network namespace"
    yield
    started.kill()
    started.wait()


@pytest.mark.usefixtures("worker")
def test_envelopes_pass_and_nothing_else_does(top: Path, listener: int) -> None:
    lines = output(GATEWAY, top, listener, GATEWAY_USER, GROUP)
    assert lines[0] == "from outside: EACCES EACCES done"  # the gateway: no data, and the network
    assert lines[1] == "asked: done ENETUNREACH"  # the worker: the data, and no network
    assert lines[2] == "carried: True"


@pytest.mark.usefixtures("worker")
def test_a_user_outside_the_group_cannot_even_ask(top: Path, listener: int) -> None:
    assert output(STRANGER_CODE, top, listener, STRANGER) == [
        "from outside: EACCES",
        "The gateway may not enter the folder of the worker's socket.",
    ]


def test_the_worker_s_user_outside_the_namespace_has_the_network(top: Path, listener: int) -> None:
    """The control.

    It is the namespace that keeps the worker from connecting, and the folder's mode that keeps the
    gateway from reading.
    """
    assert output("print(tried(connect), tried(read))", top, listener, WORKER_USER) == ["done done"]
    (top / "data").chmod(0o755)
    (top / "data" / "scan").chmod(0o644)
    assert output("print(tried(read))", top, listener, GATEWAY_USER) == ["done"]


PARTS = {"worker": (WORKER_USER, GATEWAY_USER), "gateway": (GATEWAY_USER, WORKER_USER)}


@pytest.mark.parametrize("part", sorted(PARTS))
def test_neither_user_can_put_a_link_where_the_other_logs(
    top: Path, listener: int, part: str
) -> None:
    own, other = PARTS[part]
    name = f"PART = {part!r}\n"
    assert output(name + LOG, top, listener, own, GROUP) == ["logged"]
    assert output(name + LINK, top, listener, other, GROUP) == ["EACCES EACCES EACCES"]
    assert output(name + LOG, top, listener, own, GROUP) == ["logged"]
    assert (top / "logs" / part / f"{part}.log").read_text() == "line" * 2


def test_in_a_folder_that_both_may_change_a_link_lies_and_is_not_followed(
    top: Path, listener: int
) -> None:
    """The control: it is the folder's mode that keeps the other user out.

    As one folder for both had it, the worker would have written into its own scan.
    """
    name = "PART = 'worker'\n"
    assert output(name + LOG, top, listener, WORKER_USER, GROUP) == ["logged"]
    for folder in ("logs", "logs/worker"):
        (top / folder).chmod(0o770)
    assert output(name + LINK, top, listener, GATEWAY_USER, GROUP) == ["done done done"]
    (top / "logs" / "other").rename(top / "logs" / "worker")
    plain = "open(top / 'logs' / 'worker' / 'worker.log', 'a').write('line')\n"
    assert output(plain, top, listener, WORKER_USER, GROUP) == []
    assert (top / "data" / "scan").read_text() == "pixelsline"
    refused = "try: log(PART)\nexcept Exception as error: print(type(error).__name__)\n"
    for mode in (0o770, 0o700):
        (top / "logs" / "worker").chmod(mode)
        assert output(name + refused, top, listener, WORKER_USER, GROUP) == ["InputError"]
    assert (top / "data" / "scan").read_text() == "pixelsline"
