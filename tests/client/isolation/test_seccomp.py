"""Without the filter a connection is made, and behind it none: each refusal has a control."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from client.isolation import landlock, seccomp
from tests.client.isolation.boxed import HEAD, HOUSE, USERS, inside

pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel offers no Landlock")
FAMILIES = "('AF_INET', 'AF_INET6', 'AF_NETLINK', 'AF_PACKET', 'AF_VSOCK')"


@USERS
def test_only_unix_sockets_can_be_opened(user: str) -> None:
    code = (
        user
        + f"""
sandbox.no_network()
def opened(name):
    kind = socket.SOCK_RAW if name == "AF_NETLINK" else socket.SOCK_DGRAM
    return lambda: socket.socket(getattr(socket, name), kind)
print({{tried(opened(name)) for name in {FAMILIES}}})
pairs = (lambda: socket.socketpair(socket.AF_INET), lambda: socket.socketpair())
print(*map(tried, pairs), tried(lambda: socket.socket(socket.AF_UNIX)))
"""
    )
    assert inside(code).splitlines() == ["{'EACCES'}", "EACCES done done"]


@USERS
def test_without_the_wall_a_connection_is_made_and_with_it_none(listener: int, user: str) -> None:
    connect = (
        f"print(tried(lambda: socket.socket(socket.AF_INET).connect(('127.0.0.1', {listener}))))"
    )
    assert inside(user + connect) == "done"
    assert inside(user + "sandbox.no_network()\n" + connect) == "EACCES"


def test_children_threads_and_programs_are_inside_too(listener: int) -> None:
    code = f"""
import subprocess, threading
sandbox.no_network()
connect = "import socket; socket.create_connection(('127.0.0.1', {listener}))"
def dial():
    socket.create_connection(("127.0.0.1", {listener}))
thread = threading.Thread(target=lambda: print(tried(dial)))
thread.start()
thread.join()
program = subprocess.run([sys.executable, "-c", connect], capture_output=True, text=True)
print("PermissionError" in program.stderr)
child = os.fork()
if child == 0:
    os._exit(tried(lambda: socket.socket(socket.AF_INET)) == "EACCES")
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert inside(code).splitlines() == ["EACCES", "True", "1"]


def test_threads_that_run_already_are_inside_too() -> None:
    code = """
import threading
go = threading.Event()
def late():
    go.wait()
    print(tried(lambda: socket.socket(socket.AF_INET)))
threading.Thread(target=late).start()
sandbox.no_network()
go.set()
"""
    assert inside(code) == "EACCES"


CALLS = [*seccomp._ELSEWHERE, *seccomp._URING]
LIBC = """
libc = ctypes.CDLL(None, use_errno=True)
numbers = kernel.machine()
def made(name, *arguments):
    padded = [*arguments, *(0,) * 6][:6]
    result = libc.syscall(ctypes.c_long(numbers[name]), *map(ctypes.c_long, padded))
    return "done" if result != -1 else errno.errorcode[ctypes.get_errno()]
"""


def test_calls_that_reach_another_process_are_refused_in_every_thread() -> None:
    """The control: without the filter each fails for another reason, or does not."""
    code = f"""{LIBC}
import threading
calls = {CALLS}
print(*(made(name, -1) in ("EACCES", "EPERM") for name in calls))
go = threading.Event()
def late():
    go.wait()
    print(*(made(name, -1) for name in calls))
thread = threading.Thread(target=late)
thread.start()
sandbox.no_network()
print(*(made(name, -1) for name in calls))
go.set()
"""
    free, *behind = inside(code).splitlines()
    assert set(free.split()) == {"False"}
    refused = ["EACCES"] * len(seccomp._ELSEWHERE) + ["EPERM"] * len(seccomp._URING)
    assert [line.split() for line in behind] == [refused, refused]


@USERS
def test_nobody_is_reached_through_a_unix_socket(user: str) -> None:
    name = Path(tempfile.mkdtemp()) / "s"
    name.parent.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as outside:
        outside.bind(str(name))
        outside.listen()
        name.chmod(0o777)
        code = f"""
stream = socket.socket(socket.AF_UNIX)
{{wall}}
print(tried(lambda: stream.connect({str(name)!r})))
for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
    print(
        tried(lambda: socket.socket(socket.AF_UNIX, kind)),
        tried(lambda: socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK)),
        tried(lambda: socket.socketpair(socket.AF_UNIX, kind)),
    )
a, b = socket.socketpair()
print(
    tried(lambda: a.sendto(b"x", {str(name)!r})),
    tried(lambda: a.send(b"x")),
    tried(lambda: a.sendmsg([b"x"])),
)
"""
        free = inside(user + code.format(wall="")).splitlines()
        assert free == ["done", "done done done", "done done done", "EISCONN done done"]
        assert inside(user + code.format(wall="sandbox.no_network()")).splitlines() == [
            "EACCES",
            "EACCES EACCES EACCES",
            "EACCES EACCES EACCES",
            "EACCES done done",
        ]


@pytest.mark.parametrize(
    ("kind", "number"), [("SOCK_STREAM", "ENOTSUP"), ("SOCK_SEQPACKET", "ENOTCONN")]
)
def test_of_the_kinds_that_are_left_none_takes_an_address(kind: str, number: str) -> None:
    """No filter sees the address of sendmsg, so the kernel itself must refuse it.

    The control: a datagram, without the filter, goes there.
    """
    code = """
import tempfile
name = tempfile.mkdtemp() + "/s"
outside = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
outside.bind(name)
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
    print(tried(lambda: datagram.sendmsg([b"x"], [], 0, name)), outside.recv(9))
outside.close()
os.unlink(name)
sandbox.no_network()
"""
    behind = f"""
outside = socket.socket(socket.AF_UNIX, socket.{kind})
outside.bind(name)
outside.listen()
sender = socket.socket(socket.AF_UNIX, socket.{kind})
a, b = socket.socketpair(socket.AF_UNIX, socket.{kind})
print(tried(lambda: sender.sendmsg([b"x"], [], 0, name)))
a.sendmsg([b"mine"])
tried(lambda: a.sendmsg([b"x"], [], 0, name))
outside.setblocking(False)
print(b.recv(4), tried(outside.accept))
"""
    lines = inside(code + behind).splitlines()
    assert lines == ["done b'x'", number, "b'mine' EAGAIN"]


def test_an_address_above_four_gigabytes_is_one_too() -> None:
    code = f"""{LIBC}
a, b = socket.socketpair()
def sent(address): return made("sendto", a.fileno(), 0, 0, 0, address)
print(sent(0), sent(1), sent(1 << 32))
sandbox.no_network()
print(sent(0), sent(1), sent(1 << 32))
"""
    free, behind = inside(code).splitlines()
    assert free.split()[0] == "done" and "EACCES" not in free
    assert behind == "done EACCES EACCES"


def test_nothing_is_typed_into_a_terminal() -> None:
    code = """
import fcntl, pty
master, slave = pty.openpty()
sandbox.no_network()
for request in seccomp_requests:
    print(tried(lambda: fcntl.ioctl(slave, request, b"x")))
print(os.isatty(slave))
"""
    requests = f"seccomp_requests = {seccomp._TYPE_INTO_TERMINAL}\n"
    assert inside(requests + code).splitlines() == ["EACCES", "EACCES", "True"]


def test_once_the_socket_listens_there_is_no_other() -> None:
    code = """
import threading
inner = socket.socket(socket.AF_UNIX)
inner.bind("")
early = socket.socket(socket.AF_UNIX)
inner.listen()
visitor = socket.socket(socket.AF_UNIX)
visitor.connect(inner.getsockname())
sandbox.no_network()
print(tried(lambda: socket.socket(socket.AF_UNIX)))
go = threading.Event()
def late():
    go.wait()
    print(tried(lambda: socket.socket(socket.AF_UNIX)), tried(early.listen))
threading.Thread(target=late).start()
sandbox.no_new_sockets()
print(
    tried(lambda: socket.socket(socket.AF_UNIX)),
    tried(lambda: early.bind("")),
    tried(inner.listen),
)
taken, _ = inner.accept()
taken.sendmsg([b"hello"])
print(visitor.recv(9), tried(socket.socketpair))
go.set()
"""
    assert inside(code).splitlines() == [
        "done",
        "EACCES EACCES EACCES",
        "b'hello' done",
        "EACCES EACCES",
    ]


@pytest.mark.parametrize(
    ("hole", "words"),
    [
        ("seccomp._denied = lambda *_: []", "connect"),
        ("seccomp._connected_kinds = seccomp._end", "socket"),
        ("seccomp._no_address = seccomp._end", "sendto"),
        ("seccomp._no_typing = seccomp._end", "ioctl"),
    ],
)
def test_a_filter_that_lets_a_call_through_is_noticed(hole: str, words: str) -> None:
    code = f"""
from client.isolation import seccomp
{hole}
try:
    sandbox.no_network()
except kernel.SandboxError as error:
    print(error.local)
"""
    assert inside(code).startswith(words) and inside(code).endswith("was not denied")


def test_an_earlier_filter_with_other_numbers_does_not_confuse_it() -> None:
    """As systemd and container engines put one around the whole worker (seccomp(2))."""
    code = """
from client.isolation import seccomp
table = kernel.machine()
names = ("ptrace", "keyctl", *seccomp._URING)
for number in (errno.EPERM, errno.ENOSYS):
    earlier = seccomp._denied(table, names, number)
    seccomp._install([*seccomp._head(table), *earlier, *seccomp._end()], table)
sandbox.no_network()
print(len(sandbox.standing()))
"""
    assert inside(code) == "1"


def test_a_second_filter_that_lets_sockets_through_is_noticed() -> None:
    code = """
from client.isolation import seccomp
seccomp._denied = lambda *_: []
try:
    sandbox.no_new_sockets()
except kernel.SandboxError as error:
    print(error)
print(sandbox.standing())
"""
    assert inside(code).splitlines() == [
        "The wall against the network does not hold: a call that it must refuse went through.",
        "[]",
    ]


def test_io_uring_is_refused() -> None:
    code = """
sandbox.no_network()
libc = ctypes.CDLL(None, use_errno=True)
result = libc.syscall(ctypes.c_long(425), 1, ctypes.create_string_buffer(256))
print(result, errno.errorcode[ctypes.get_errno()])
"""
    assert inside(code) == "-1 EPERM"


@pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="only x86-64 has a second table of system calls"
)
@pytest.mark.parametrize("wall", ["", "sandbox.no_network()\n"])
def test_the_other_table_of_system_calls_is_no_way_out(wall: str) -> None:
    code = HEAD + wall + "ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 | 41), 2, 1, 0)"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOUSE, capture_output=True, check=False)
    assert done.returncode == (-signal.SIGSYS if wall else 0)
