"""The walls hold, from inside a process that raised them.

Every refusal has a control, the same thing tried without the wall.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.isolation import landlock, sandbox
from client.isolation.kernel import SandboxError

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
pytestmark = pytest.mark.skipif(not landlock.version(), reason="this kernel offers no Landlock")


def inside(code: str, *arguments: object) -> str:
    """What a process of its own prints."""
    command = [sys.executable, "-c", HEAD + code, *map(str, arguments)]
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


FAMILIES = "('AF_INET', 'AF_INET6', 'AF_NETLINK', 'AF_PACKET', 'AF_VSOCK')"


@USERS
def test_only_unix_sockets_can_be_opened(user: str) -> None:
    code = (
        user
        + f"""
sandbox.no_network()
print({{tried(lambda: socket.socket(getattr(socket, name), socket.SOCK_RAW if name == 'AF_NETLINK' else socket.SOCK_DGRAM)) for name in {FAMILIES}}})
print(tried(lambda: socket.socketpair(socket.AF_INET)), tried(lambda: socket.socketpair()), tried(lambda: socket.socket(socket.AF_UNIX)))
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
threading.Thread(target=lambda: print(tried(lambda: socket.create_connection(('127.0.0.1', {listener}))))).start()
print("PermissionError" in subprocess.run([sys.executable, "-c", connect], capture_output=True, text=True).stderr)
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
thread = threading.Thread(target=lambda: (go.wait(), print(tried(lambda: socket.socket(socket.AF_INET)))))
thread.start()
sandbox.no_network()
go.set()
"""
    assert inside(code) == "EACCES"


def test_io_uring_is_refused() -> None:
    code = """
sandbox.no_network()
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(ctypes.c_long(425), 1, ctypes.create_string_buffer(256)), errno.errorcode[ctypes.get_errno()])
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


def test_torch_computes_inside_the_walls() -> None:
    code = """
sandbox.no_network()
here = file_access.worker([], Path("nowhere"), Path("nowhere") / "s")
sandbox.only_files(here.read, [], devices=here.devices, names=here.names)
import torch
torch.set_num_threads(2)
print(int((torch.ones(600, 600) @ torch.ones(600, 600)).sum()))
"""
    assert inside(code) == str(600**3)


@pytest.fixture
def places() -> Iterator[Path]:
    """A folder for each kind; open to everybody, so that only the wall can refuse."""
    top = Path(tempfile.mkdtemp())
    top.chmod(0o755)
    for name in ("open", "kept", "closed", "named"):
        deep = top / name / "deep"
        deep.mkdir(parents=True)
        for file in ("file", "old1", "old2"):
            (deep / file).write_text(name)
            (deep / file).chmod(0o666)
        deep.chmod(0o777)
        deep.parent.chmod(0o777)
    yield top
    shutil.rmtree(top)


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
sandbox.only_files([*file_access.gateway(place).read, place / 'open'], [place / 'kept'], names=[place / 'named'], hidden=[place / 'closed'])
"""
REPORT = "for kind in kinds: print(kind, *(tried(action(kind)) for action in actions))"


@USERS
def test_files_open_as_named_and_in_no_other_way(places: Path, user: str) -> None:
    free = inside(user + ACTIONS + REPORT, places, "1").splitlines()
    assert free == [
        f"{kind} done done done done done done" for kind in ("open", "kept", "closed", "named")
    ]
    assert inside(user + ACTIONS + WALL + REPORT, places, "2").splitlines() == [
        "open done done EACCES EACCES EACCES EACCES",
        "kept done done done done done done",
        "closed EACCES EACCES EACCES EACCES EACCES EACCES",
        "named EACCES done EACCES EACCES EACCES EACCES",
    ]


def test_links_and_renames_lead_nowhere_else(places: Path) -> None:
    (places / "open" / "link").symlink_to(places / "closed")
    code = """
print(tried(lambda: os.listdir(place / "open" / "link")))
print(tried(lambda: os.link(place / "open" / "deep" / "file", place / "kept" / "copy")) in ("EACCES", "EXDEV"))
print(tried(lambda: os.rename(place / "open" / "deep" / "file", place / "kept" / "copy")) in ("EACCES", "EXDEV"))
print(tried(lambda: os.rename(place / "kept" / "deep" / "file", place / "kept" / "copy")))
"""
    assert inside(ACTIONS + WALL + code, places, "1").splitlines() == [
        "EACCES",
        "True",
        "True",
        "done",
    ]


def test_the_gateway_can_still_look_up_names_and_import(tmp_path: Path) -> None:
    code = """
here = file_access.gateway(Path(sys.argv[1]))
sandbox.only_files(here.read, here.write, devices=here.devices, names=here.names)
import cryptography.x509, grpc, numpy, client.isolation.ipc
print(all(Path(name).read_bytes() is not None for name in ("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf") if Path(name).exists()))
print(socket.gethostbyname("localhost"))
open("/dev/null", "w").write("x")
"""
    assert inside(code, tmp_path).splitlines() == ["True", "127.0.0.1"]


def test_children_cannot_read_either(places: Path) -> None:
    code = """
import subprocess
print("PermissionError" in subprocess.run([sys.executable, "-c", f"open({str(place / 'closed' / 'deep' / 'file')!r})"], capture_output=True, text=True).stderr)
"""
    assert inside(ACTIONS + WALL + code, places, "1") == "True"


def test_a_wall_raised_too_late_is_refused(tmp_path: Path) -> None:
    code = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
try:
    sandbox.only_files([], [])
except kernel.SandboxError as error:
    print(error)
print(sandbox.standing())
"""
    assert inside(code).splitlines() == [
        (
            "Walls between files were to be raised after other threads had been started; "
            "raise them first."
        ),
        "[]",
    ]


def test_data_inside_a_folder_to_write_is_refused(tmp_path: Path) -> None:
    code = """
try:
    sandbox.only_files([Path(sys.argv[1]) / "state" / "data"], [Path(sys.argv[1]) / "state"])
except kernel.SandboxError as error:
    print(error.public)
"""
    assert (
        inside(code, tmp_path)
        == "A folder that is only to be read lies in one that may be written to."
    )


def test_a_closed_folder_that_is_open_is_noticed(places: Path) -> None:
    code = """
try:
    sandbox.only_files([place], [], hidden=[place / "closed"])
except kernel.SandboxError as error:
    print(error.public)
"""
    assert (
        inside(ACTIONS + code, places, "1")
        == "The wall between files does not hold: a closed folder could be opened."
    )


@pytest.mark.parametrize("version", range(1, 8))
def test_every_version_of_landlock_is_served(places: Path, version: int) -> None:
    """An older kernel refuses a rule with a right that it does not know.

    Here the rights and the structure's length are compared.
    """
    code = f"""
asked = []
real, landlock.version = kernel.call, lambda: {version}
def noted(number, name, *arguments):
    if number == landlock._CREATE_RULESET:
        asked.append((arguments[0]._obj.fs, arguments[1].value))
    return real(number, name, *arguments)
kernel.call = noted
"""
    report = (
        "print(*asked[0])\nprint(tried(read('open')), tried(read('closed')), "
        "tried(write('open')), tried(write('kept')))"
    )
    rights = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}.get(version, 0xFFFF)
    size = 8 if version < 4 else 16 if version < 6 else 24
    assert inside(ACTIONS + code + WALL + report, places, "1").splitlines() == [
        f"{rights} {size}",
        "done EACCES EACCES done",
    ]


def test_a_kernel_without_walls_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "version", lambda: 0)
    with pytest.raises(SandboxError, match="offers no Landlock"):
        sandbox.only_files([], [])
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(
        SandboxError, match="on this kind of machine; they need 64-bit Linux on x86_64 or aarch64"
    ):
        sandbox.no_network()
    assert sandbox.standing() == []


def test_what_stands_is_told(tmp_path: Path) -> None:
    lines = inside(
        "sandbox.no_network(); sandbox.only_files([], [])\nprint('\\n'.join(sandbox.standing()))"
    ).splitlines()
    assert lines[0].startswith("no network: seccomp") and lines[1].startswith(
        "only files named: Landlock version"
    )
