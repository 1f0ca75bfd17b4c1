"""Walls that a process raises around itself, and that neither it nor its children can take down: no network, and only the files named.

Linux only, no privilege needed, no library needed. Every wall is tried right after it is raised, and a wall that does not hold is an error.
Raise them first, before anything heavy is imported: Landlock and namespaces close in the calling thread only (and the threads that it
starts), so a process that already has others is refused.

Sources: seccomp(2) with linux/seccomp.h, linux/filter.h, linux/audit.h; landlock(7) with linux/landlock.h; network_namespaces(7).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from common.errors import SiteError

_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_CLONE_NEWNET = 0x4000_0000  # linux/sched.h
_AF_UNIX, _AF_INET, _SOCK_STREAM = 1, 2, 1

_MACHINES = {  # linux/audit.h AUDIT_ARCH_*; asm/unistd_64.h and asm-generic/unistd.h
    "x86_64": {"arch": 0xC000_003E, "socket": 41, "socketpair": 53, "seccomp": 317},
    "aarch64": {"arch": 0xC000_00B7, "socket": 198, "socketpair": 199, "seccomp": 277},
}
_IO_URING_SETUP = 425  # the same on every machine, as is Landlock
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446

_LOAD, _EQUAL, _AT_LEAST, _RETURN = (
    0x20,
    0x15,
    0x35,
    0x06,
)  # linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
_ALLOW, _ERRNO, _KILL = (
    0x7FFF_0000,
    0x0005_0000,
    0x8000_0000,
)  # linux/seccomp.h SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS
_NUMBER, _ARCH, _ARGUMENT = (
    0,
    4,
    16,
)  # offsets in struct seccomp_data; the first argument's low half (both machines are little-endian)
_X32 = 0x4000_0000
_FILTER, _ALL_THREADS = 1, 1  # SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC

_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8  # linux/landlock.h LANDLOCK_ACCESS_FS_*
_CHANGE = (
    0x10 | 0x20 | 0x80 | 0x100 | 0x200 | 0x400 | 0x1000
)  # remove folder, file; make folder, file, socket, pipe, link
_DEVICES = 0x40 | 0x800  # make character, block device: handled, granted to nobody
_REFER, _TRUNCATE, _IOCTL = 0x2000, 0x4000, 0x8000
_NEWER = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL}
"""Rights by the version of Landlock that brought them."""
_FILE_RIGHTS = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_SCOPED_SINCE, _SCOPES = 6, 3
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL: neither reaches a process outside the wall."""
_VERSION_FLAG, _PATH_BENEATH = 1, 1

_raised: list[str] = []


class SandboxError(SiteError):
    """A wall cannot be raised here, or does not hold."""


class _Instruction(ctypes.Structure):
    """struct sock_filter (linux/filter.h)."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """struct sock_fprog (linux/filter.h)."""

    _fields_ = (("len", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr (linux/landlock.h); older kernels know a beginning of it."""

    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr (linux/landlock.h), packed."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def no_network() -> None:
    """Only Unix sockets from now on; every other socket(2) and socketpair(2) fails with EACCES, io_uring with EPERM.

    Where the kernel lets this user, the process also moves into a network namespace of its own, in which there is nothing to reach. The
    namespace is an addition; the filter is the wall.

    Raises:
        SandboxError: this kernel or machine has no such filter, or it does not hold.
    """
    table = _machine()
    apart = _alone() and _libc().unshare(_CLONE_NEWNET) == 0
    _no_new_privileges()
    program = _network_filter(table)
    array = (_Instruction * len(program))(*program)
    _system(
        table["seccomp"],
        "seccomp",
        _FILTER,
        _ALL_THREADS,
        ctypes.byref(_Program(len(program), array)),
    )
    if _libc().socket(_AF_INET, _SOCK_STREAM, 0) != -1 or ctypes.get_errno() != errno.EACCES:
        raise SandboxError("wall.network")
    _raised.append(
        "no network: seccomp refuses every socket but Unix sockets"
        + ("; own empty network namespace" if apart else "")
    )


def only_files(
    read: Sequence[Path],
    write: Sequence[Path],
    *,
    devices: Sequence[Path] = (),
    names: Sequence[Path] = (),
    hidden: Sequence[Path] = (),
) -> None:
    """Only these files from now on. Everything else can be neither read, listed, changed nor made; paths that do not exist are left out.

    Symbolic links count as what they point to: link targets outside the folders named stay closed. Rights that the kernel's Landlock does
    not know yet (truncation before version 3, device control before 5) are not guarded there; :func:`standing` tells the version.

    Args:
        read: folders and files that may be read (and programs in them started), with all that is below.
        write: folders and files that may be read and changed, with all that is below.
        devices: device files that may be used, as a GPU's.
        names: folders whose file names may be listed, but not read.
        hidden: folders that must be closed afterwards; tried.

    Raises:
        SandboxError: this kernel has no Landlock, other threads run already, a folder to read lies in one to write, or the wall does not hold.
    """
    version = landlock()
    if not version:
        raise SandboxError("wall.no_landlock")
    if not _alone():
        raise SandboxError("wall.threads")
    _check_apart(read, write)
    full = (
        _READ
        | _LIST
        | _EXECUTE
        | _WRITE
        | _CHANGE
        | _DEVICES
        | sum(right for since, right in _NEWER.items() if version >= since)
    )
    change = _READ | _LIST | _WRITE | _CHANGE | _REFER | _TRUNCATE
    ruleset = _ruleset(full, version)
    try:
        for paths, rights in (
            (read, _READ | _LIST | _EXECUTE),
            (write, change),
            (devices, _READ | _WRITE | _IOCTL),
            (names, _LIST),
        ):
            for path in paths:
                _allow(ruleset, path, rights & full)
        _no_new_privileges()
        _system(_RESTRICT_SELF, "landlock_restrict_self", ctypes.c_int(ruleset), 0)
    finally:
        os.close(ruleset)
    for path in (*hidden, *_root((*read, *write, *names))):
        _check_closed(path)
    _raised.append(
        f"only files named: Landlock version {version}, {len(read)} paths to read, {len(write)} to write"
    )


def standing() -> list[str]:
    """One sentence for each wall that this process has raised."""
    return list(_raised)


def landlock() -> int:
    """The version of Landlock that this kernel offers (landlock(7)); 0 if none."""
    return (
        max(
            0,
            _libc().syscall(
                ctypes.c_long(_CREATE_RULESET),
                None,
                ctypes.c_size_t(0),
                ctypes.c_uint32(_VERSION_FLAG),
            ),
        )
        if sys.platform == "linux"
        else 0
    )


def _network_filter(table: dict[str, int]) -> list[_Instruction]:
    """Classic BPF over struct seccomp_data; jumps count instructions to skip."""
    body = [
        _Instruction(_EQUAL, 3, 0, table["socket"]),
        _Instruction(_EQUAL, 2, 0, table["socketpair"]),
        _Instruction(_EQUAL, 5, 0, _IO_URING_SETUP),
        _Instruction(_RETURN, 0, 0, _ALLOW),
        _Instruction(_LOAD, 0, 0, _ARGUMENT),
        _Instruction(_EQUAL, 0, 1, _AF_UNIX),
        _Instruction(_RETURN, 0, 0, _ALLOW),
        _Instruction(_RETURN, 0, 0, _ERRNO | errno.EACCES),
        _Instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM),
    ]
    head = [
        _Instruction(_LOAD, 0, 0, _ARCH),
        _Instruction(_EQUAL, 1, 0, table["arch"]),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, _NUMBER),
        _Instruction(_AT_LEAST, 0, 1, _X32),
        _Instruction(_RETURN, 0, 0, _KILL),
    ]
    return head + body


def _ruleset(rights: int, version: int) -> int:
    attributes = _Ruleset(rights, 0, _SCOPES if version >= _SCOPED_SINCE else 0)
    size = 24 if version >= _SCOPED_SINCE else 16 if version >= 4 else 8
    return _system(
        _CREATE_RULESET,
        "landlock_create_ruleset",
        ctypes.byref(attributes),
        ctypes.c_size_t(size),
        ctypes.c_uint32(0),
    )


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # absent, or closed to this user anyway: nothing to allow
        return
    try:
        folder = stat.S_ISDIR(os.fstat(place).st_mode)
        beneath = _Beneath(rights if folder else rights & _FILE_RIGHTS, place)
        _system(
            _ADD_RULE,
            "landlock_add_rule",
            ctypes.c_int(ruleset),
            _PATH_BENEATH,
            ctypes.byref(beneath),
            0,
        )
    finally:
        os.close(place)


def _check_apart(read: Iterable[Path], write: Sequence[Path]) -> None:
    for one in read:
        for other in write:
            if one.resolve().is_relative_to(other.resolve()):
                raise SandboxError("wall.overlap", f"{one} lies in {other}")


def _root(paths: Iterable[Path]) -> Iterator[Path]:
    """The root folder, which a wall that stands does not let this process list; unless it was asked for."""
    if all(path.resolve() != Path("/") for path in paths):
        yield Path("/")


def _check_closed(path: Path) -> None:
    with suppress(PermissionError, FileNotFoundError, NotADirectoryError):
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        raise SandboxError("wall.files", f"{path} could be opened")


def _machine() -> dict[str, int]:
    table = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or table is None or sys.maxsize < 1 << 32:
        found = f"{sys.platform} on {platform.machine()}"
        raise SandboxError("wall.machine", found, machine=platform.machine())
    return table


def _alone() -> bool:
    """Whether this process has one thread."""
    return len(os.listdir("/proc/self/task")) == 1


def _no_new_privileges() -> None:
    zero = ctypes.c_ulong(0)
    if _libc().prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise SandboxError(
            "wall.privileges", os.strerror(ctypes.get_errno()), number=ctypes.get_errno()
        )


def _system(number: int, name: str, *arguments: object) -> int:
    result: int = _libc().syscall(ctypes.c_long(number), *arguments)
    if result < 0 or (
        name == "seccomp" and result > 0
    ):  # seccomp tells the thread that could not follow
        raise SandboxError(
            "wall.refused", f"{name}: {os.strerror(ctypes.get_errno())}", number=ctypes.get_errno()
        )
    return result


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
