"""Denies a process all files but those that it names: Linux's Landlock.

Sources: landlock(7) with linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
import stat
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from client.isolation import kernel

_CREATE_RULESET = 444
_ADD_RULE = 445
_RESTRICT_SELF = 446
"""The same on every machine."""
_VERSION_FLAG = 1
_PATH_BENEATH = 1

# linux/landlock.h LANDLOCK_ACCESS_FS_*
_EXECUTE = 1
_WRITE = 2
_READ = 4
_LIST = 8
_REMOVE_FILE = 0x20
_MAKE_FILE = 0x100
_MAKE_SOCKET = 0x200
# remove folder, file; make folder, file, socket, pipe, link
_CHANGE = 0x10 | _REMOVE_FILE | 0x80 | _MAKE_FILE | _MAKE_SOCKET | 0x400 | 0x1000
# make character, block device: handled, granted to nobody
_DEVICES = 0x40 | 0x800
_REFER = 0x2000
_TRUNCATE = 0x4000
_IOCTL = 0x8000
_NEWER = {2: _REFER, 3: _TRUNCATE, 5: _IOCTL}
"""Rights by the version of Landlock that brought them."""
_FILE_RIGHTS = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
_SCOPED_SINCE = 6
_SCOPES = 3
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL: neither reaches a process outside."""

READ = _READ | _LIST | _EXECUTE
"""Reading files and starting programs in them, with all that is below."""
CHANGE = _READ | _LIST | _WRITE | _CHANGE | _REFER | _TRUNCATE
"""Reading and changing, with all that is below."""
PLAIN = _READ | _LIST | _WRITE | _TRUNCATE | _REMOVE_FILE | _MAKE_FILE | _MAKE_SOCKET
"""Files and sockets in a folder that others look into: no links, no pipes, nothing from elsewhere.

Of two names for one file, both would have to lie in such folders.
"""
DEVICE = _READ | _WRITE | _IOCTL
"""Using device files."""
LIST = _LIST
"""Listing the names of a folder's files."""


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr (linux/landlock.h); older kernels know a beginning of it."""

    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr (linux/landlock.h), packed."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of Landlock that this kernel offers (landlock(7)); 0 if none."""
    if sys.platform != "linux":
        return 0
    offered: int = kernel.libc().syscall(
        ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)
    )
    return max(0, offered)


def restrict(granted: Iterable[tuple[Sequence[Path], int]], version: int) -> None:
    """Only these files from now on; paths that do not exist are left out.

    Args:
        granted: paths and the rights to them.
        version: of Landlock; rights that it does not know are left out.

    Raises:
        SandboxError: the kernel refuses.
    """
    handled = _READ | _LIST | _EXECUTE | _WRITE | _CHANGE | _DEVICES
    handled |= sum(right for since, right in _NEWER.items() if version >= since)
    ruleset = _ruleset(handled, version)
    try:
        for paths, rights in granted:
            for path in paths:
                _allow(ruleset, path, rights & handled)
        kernel.forbid_new_privileges()
        kernel.call(_RESTRICT_SELF, "landlock_restrict_self", ctypes.c_int(ruleset), 0)
    finally:
        os.close(ruleset)


def _ruleset(rights: int, version: int) -> int:
    attributes = _Ruleset(rights, 0, _SCOPES if version >= _SCOPED_SINCE else 0)
    size = 24 if version >= _SCOPED_SINCE else 16 if version >= 4 else 8
    return kernel.call(
        _CREATE_RULESET,
        "landlock_create_ruleset",
        ctypes.byref(attributes),
        ctypes.c_size_t(size),
        ctypes.c_uint32(0),
    )


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    # Absent, or closed to this user anyway: nothing to allow.
    except OSError:
        return
    try:
        folder = stat.S_ISDIR(os.fstat(place).st_mode)
        beneath = _Beneath(rights if folder else rights & _FILE_RIGHTS, place)
        kernel.call(
            _ADD_RULE,
            "landlock_add_rule",
            ctypes.c_int(ruleset),
            _PATH_BENEATH,
            ctypes.byref(beneath),
            0,
        )
    finally:
        os.close(place)
