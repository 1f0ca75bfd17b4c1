"""Denies a process the network: a filter over its system calls, and an empty network of its own.

Sources: seccomp(2) with linux/seccomp.h and linux/filter.h; network_namespaces(7).
"""

from __future__ import annotations

import ctypes
import errno

from client.isolation import kernel
from client.isolation.kernel import SandboxError

_CLONE_NEWNET = 0x4000_0000
"""linux/sched.h."""
_AF_UNIX = 1
_AF_INET = 2
_SOCK_STREAM = 1
_IO_URING_SETUP = 425
"""The same on every machine."""

# linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K
_LOAD = 0x20
_EQUAL = 0x15
_AT_LEAST = 0x35
_RETURN = 0x06

# linux/seccomp.h: SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS
_ALLOW = 0x7FFF_0000
_ERRNO = 0x0005_0000
_KILL = 0x8000_0000

# Offsets in struct seccomp_data; of the first argument its low half, as both machines are
# little-endian.
_NUMBER = 0
_ARCH = 4
_ARGUMENT = 16
_X32 = 0x4000_0000
"""Numbers from here on are those of a second table of system calls (asm/unistd.h)."""
_SET_FILTER = 1
_ALL_THREADS = 1
"""SECCOMP_SET_MODE_FILTER and SECCOMP_FILTER_FLAG_TSYNC."""


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


def deny_network() -> bool:
    """Only Unix sockets from now on.

    Every other socket(2) and socketpair(2) fails with EACCES, io_uring with EPERM.

    Returns:
        whether the process also has an empty network of its own.

    Raises:
        SandboxError: this kernel or machine has no such filter, or it does not hold.
    """
    table = kernel.machine()
    # The namespace is an addition where the kernel lets this user; the filter is what holds. It
    # would close in the calling thread only.
    separate = kernel.is_single_threaded() and kernel.libc().unshare(_CLONE_NEWNET) == 0
    kernel.forbid_new_privileges()
    program = _network_filter(table)
    array = (_Instruction * len(program))(*program)
    kernel.call(
        table["seccomp"],
        "seccomp",
        _SET_FILTER,
        _ALL_THREADS,
        ctypes.byref(_Program(len(program), array)),
    )
    # Tried at once: a filter that the kernel took and that denies nothing is worse than none.
    if kernel.libc().socket(_AF_INET, _SOCK_STREAM, 0) != -1 or ctypes.get_errno() != errno.EACCES:
        raise SandboxError("wall.network")
    return separate


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
