"""Denies a process every way to others but its own socket, and gives it an empty network.

Two filters over its system calls: the first before anything else is loaded, the second once its
own socket listens. Sources: seccomp(2) with linux/seccomp.h and linux/filter.h;
network_namespaces(7), unix(7).
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Mapping, Sequence

from client.isolation import kernel
from client.isolation.kernel import SandboxError

_CLONE_NEWNET = 0x4000_0000
"""linux/sched.h."""
_AF_UNIX = 1
_AF_INET = 2
_AF_NETLINK = 16
_AF_VSOCK = 40
_STREAM = 1
_DATAGRAM = 2
_RAW = 3
_PACKETS = 5
"""SOCK_SEQPACKET, which CUDA's driver opens for itself when it starts."""
_KIND = 0xF
"""SOCK_TYPE_MASK of linux/net.h: above it stand flags."""
_TYPE_INTO_TERMINAL = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX of asm-generic/ioctls.h: what they write, a shell takes for typed."""

_ELSEWHERE = (
    "connect",
    "sendmmsg",
    *("shmget", "shmat", "shmctl", "shmdt"),
    *("semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl"),
    *("mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify", "mq_getsetattr"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"),
    *("add_key", "request_key", "keyctl"),
)
"""Calls that reach another process and that a worker never needs."""
_URING = ("io_uring_setup", "io_uring_enter", "io_uring_register")
"""Makes calls that no filter sees; libraries do without it at EPERM."""
_NEW_SOCKETS = ("socket", "bind", "listen")
"""Calls that a worker needs only until it listens."""

# linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, ALU|AND|K, RET|K
_LOAD = 0x20
_EQUAL = 0x15
_AT_LEAST = 0x35
_AND = 0x54
_RETURN = 0x06

# linux/seccomp.h: SECCOMP_RET_ALLOW, _ERRNO, _KILL_PROCESS
_ALLOW = 0x7FFF_0000
_ERRNO = 0x0005_0000
_KILL = 0x8000_0000

# Offsets in struct seccomp_data; of an argument its low half, as both machines are little-endian.
_NUMBER = 0
_ARCH = 4
_ARGUMENT = 16
_ARGUMENT_SIZE = 8
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
    """Nobody can be reached from now on; Unix sockets can be made, and listen.

    What is denied fails with EACCES, io_uring with EPERM. An address of sendmsg(2), with which gRPC
    answers on a connection, lies in memory, where no filter sees it; only datagrams take one
    (unix(7)), and there are none.

    Returns:
        whether the process also has an empty network of its own.

    Raises:
        SandboxError: this kernel or machine has no such filter, or it does not hold.
    """
    table = kernel.machine()
    # The namespace is an addition where the kernel lets this user; the filter is what holds. It
    # would close in the calling thread only.
    separate = kernel.is_single_threaded() and kernel.libc().unshare(_CLONE_NEWNET) == 0
    _install(_network_filter(table), table)
    _check_denied(table, [(name, ()) for name in _ELSEWHERE])
    _check_denied(table, [(name, ()) for name in _URING], errno.EPERM)
    _check_denied(
        table,
        [
            *(("socket", (family, _STREAM)) for family in (_AF_INET, _AF_NETLINK, _AF_VSOCK)),
            *(
                (name, (_AF_UNIX, kind))
                for name in ("socket", "socketpair")
                for kind in (_DATAGRAM, _RAW)
            ),
            *(("sendto", (-1, 0, 0, 0, address)) for address in (1, 1 << 32)),
            *(("ioctl", (-1, request)) for request in _TYPE_INTO_TERMINAL),
        ],
    )
    return separate


def deny_sockets() -> None:
    """No socket can be made or begin to listen from now on; those that listen go on.

    A pair of sockets (socketpair) can be made: it reaches nobody but those who hold it.

    Raises:
        SandboxError: this kernel or machine has no such filter, or it does not hold.
    """
    table = kernel.machine()
    _install([*_head(table), *_denied(table, _NEW_SOCKETS), *_end()], table)
    calls = [(name, ()) for name in _NEW_SOCKETS]
    _check_denied(table, [*calls, ("socket", (_AF_UNIX, _STREAM))])


def _install(program: Sequence[_Instruction], table: Mapping[str, int]) -> None:
    kernel.forbid_new_privileges()
    array = (_Instruction * len(program))(*program)
    kernel.call(
        table["seccomp"],
        "seccomp",
        _SET_FILTER,
        _ALL_THREADS,
        ctypes.byref(_Program(len(program), array)),
    )


def _check_denied(
    table: Mapping[str, int],
    calls: Sequence[tuple[str, Sequence[int]]],
    number: int = errno.EACCES,
) -> None:
    """Make calls that must be denied.

    A filter that the kernel took and that denies nothing is worse than none. The arguments are such
    that the kernel itself would refuse each with another number.
    """
    for name, arguments in calls:
        padded = [*(arguments or (-1,)), *(0,) * 6][:6]
        result = kernel.libc().syscall(
            ctypes.c_long(table[name]), *(ctypes.c_long(value) for value in padded)
        )
        if result != -1 or ctypes.get_errno() != number:
            raise SandboxError("wall.network", f"{name}{tuple(arguments)} was not denied")


def _network_filter(table: Mapping[str, int]) -> list[_Instruction]:
    """Classic BPF over struct seccomp_data; jumps count instructions to skip."""
    return [
        *_head(table),
        *_denied(table, _ELSEWHERE),
        *_denied(table, _URING, errno.EPERM),
        *_unless(table["socket"], _connected_kinds()),
        *_unless(table["socketpair"], _connected_kinds()),
        *_unless(table["sendto"], _no_address()),
        *_unless(table["ioctl"], _no_typing()),
        *_end(),
    ]


def _head(table: Mapping[str, int]) -> list[_Instruction]:
    """Ends the process at a call of another machine's table; then loads the call's number."""
    return [
        _Instruction(_LOAD, 0, 0, _ARCH),
        _Instruction(_EQUAL, 1, 0, table["arch"]),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, _NUMBER),
        _Instruction(_AT_LEAST, 0, 1, _X32),
        _Instruction(_RETURN, 0, 0, _KILL),
    ]


def _denied(
    table: Mapping[str, int], names: Sequence[str], number: int = errno.EACCES
) -> list[_Instruction]:
    return [
        instruction
        for name in names
        for instruction in (
            _Instruction(_EQUAL, 0, 1, table[name]),
            _Instruction(_RETURN, 0, 0, _ERRNO | number),
        )
    ]


def _unless(number: int, conditions: Sequence[_Instruction]) -> list[_Instruction]:
    """Conditions of one call; every path through them returns."""
    return [_Instruction(_EQUAL, 0, len(conditions), number), *conditions]


def _connected_kinds() -> list[_Instruction]:
    """Unix sockets that send nothing before they are connected."""
    return [
        _argument(0),
        _Instruction(_EQUAL, 0, 4, _AF_UNIX),
        _argument(1),
        _Instruction(_AND, 0, 0, _KIND),
        _Instruction(_EQUAL, 2, 0, _STREAM),
        _Instruction(_EQUAL, 1, 0, _PACKETS),
        _refuse(),
        *_end(),
    ]


def _no_address() -> list[_Instruction]:
    """Both halves of the fifth argument are zero, as in send(2)."""
    return [
        _argument(4),
        _Instruction(_EQUAL, 0, 2, 0),
        _argument(4, high=True),
        _Instruction(_EQUAL, 1, 0, 0),
        _refuse(),
        *_end(),
    ]


def _no_typing() -> list[_Instruction]:
    push, linux = _TYPE_INTO_TERMINAL
    return [
        _argument(1),
        _Instruction(_EQUAL, 1, 0, push),
        _Instruction(_EQUAL, 0, 1, linux),
        _refuse(),
        *_end(),
    ]


def _argument(place: int, high: bool = False) -> _Instruction:
    return _Instruction(_LOAD, 0, 0, _ARGUMENT + place * _ARGUMENT_SIZE + (4 if high else 0))


def _refuse() -> _Instruction:
    return _Instruction(_RETURN, 0, 0, _ERRNO | errno.EACCES)


def _end() -> list[_Instruction]:
    return [_Instruction(_RETURN, 0, 0, _ALLOW)]
