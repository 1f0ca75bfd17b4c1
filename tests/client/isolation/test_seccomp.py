"""Without the filter a connection is made, and behind it none: each refusal has a control."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from client.isolation import landlock
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
