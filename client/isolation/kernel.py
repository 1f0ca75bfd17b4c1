"""The kernel's calls that a sandbox needs; neither privilege nor library is needed for them.

Linux only. Sources: prctl(2), syscall(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

from client.isolation import call_numbers
from common.errors import SiteError

_PR_SET_NO_NEW_PRIVS = 38
"""linux/prctl.h."""
_SOL_SOCKET = 1
_SO_TYPE = 3
_SO_DOMAIN = 39
"""asm-generic/socket.h."""
_MACHINES = {"x86_64": call_numbers.X86_64, "aarch64": call_numbers.AARCH64}


class SandboxError(SiteError):
    """A part of the sandbox cannot be closed here, or does not hold."""


def machine() -> dict[str, int]:
    """This machine's architecture and numbers of system calls.

    Raises:
        SandboxError: it is not one of those that are served.
    """
    table = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or table is None or sys.maxsize < 1 << 32:
        local = f"{sys.platform} on {platform.machine()}"
        raise SandboxError("wall.machine", local, machine=platform.machine())
    return table


def is_single_threaded() -> bool:
    """Whether this process has one thread."""
    return len(os.listdir("/proc/self/task")) == 1


def socket_kind(number: int) -> tuple[int, int] | None:
    """Family and kind of an open file that is a socket (socket(7)); None for any other."""
    kind = ctypes.c_int(0)
    size = ctypes.c_uint32(ctypes.sizeof(kind))
    read = []
    for option in (_SO_DOMAIN, _SO_TYPE):
        place = (ctypes.byref(kind), ctypes.byref(size))
        if libc().getsockopt(number, _SOL_SOCKET, option, *place) != 0:
            return None
        read.append(kind.value)
    return read[0], read[1]


def forbid_new_privileges() -> None:
    """No program that this process starts gets more rights than it has; seccomp and Landlock ask.

    Raises:
        SandboxError: the kernel refuses.
    """
    zero = ctypes.c_ulong(0)
    if libc().prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise SandboxError(
            "wall.privileges", os.strerror(ctypes.get_errno()), number=ctypes.get_errno()
        )


def call(number: int, name: str, *arguments: object) -> int:
    """Make a system call.

    Raises:
        SandboxError: the kernel refuses.
    """
    result: int = libc().syscall(ctypes.c_long(number), *arguments)
    # Of many threads, seccomp gives the number of the one that could not follow.
    if result < 0 or (name == "seccomp" and result > 0):
        raise SandboxError(
            "wall.refused", f"{name}: {os.strerror(ctypes.get_errno())}", number=ctypes.get_errno()
        )
    return result


def libc() -> ctypes.CDLL:
    """The C library that this process has loaded already."""
    return ctypes.CDLL(None, use_errno=True)
