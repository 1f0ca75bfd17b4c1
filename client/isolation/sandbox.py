"""The sandbox that a process closes around itself: no network, and only the files that it names.

Neither the process nor its children can open it again. Linux only, no privilege needed, no library
needed. Every part is tried right after it is closed, and one that does not hold is an error. Close
it first, before anything heavy is imported: Landlock and namespaces hold for the calling thread
only (and the threads that it starts), so a process that already has others is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from client.isolation import kernel, landlock, seccomp
from client.isolation.kernel import SandboxError

_closed: list[str] = []
_LATER = {
    3: "truncating files that may be read",
    5: "controlling devices that may be read",
    6: "signals to this user's other processes",
}
"""What Landlock guards since which version."""
_HARMLESS = (None, (1, 1), (1, 5))
"""No socket at all, or one that sends to nobody but the one it is connected to.

The family is AF_UNIX, the kind SOCK_STREAM or SOCK_SEQPACKET (unix(7)).
"""


def no_network() -> None:
    """Nobody can be reached from now on; where the kernel lets this user, in an empty network.

    Unix sockets can be made and can listen, until :func:`no_new_sockets`.

    Raises:
        SandboxError: this kernel or machine has no such filter, it does not hold, or this process
            was started with an open socket that sends to any address.
    """
    _check_inherited()
    separate = seccomp.deny_network()
    _closed.append(
        "no network: seccomp refuses every socket but Unix sockets, every connection, and memory, "
        "messages and keys shared with other processes"
        + ("; own empty network namespace" if separate else "")
    )


def no_new_sockets() -> None:
    """No socket is made or begins to listen from now on, in any thread; those that listen go on.

    Raises:
        SandboxError: this kernel or machine has no such filter, or it does not hold.
    """
    seccomp.deny_sockets()
    _closed.append("no new sockets: seccomp refuses socket, bind and listen")


def close(parts: Iterable[Callable[[], None]], log: Callable[[str], None], required: bool) -> None:
    """Close parts of the sandbox.

    Args:
        parts: each closes one.
        log: gets a sentence for each part that is closed or is missing.
        required: a part that cannot be closed is an error.

    Raises:
        SandboxError: a part cannot be closed and is required, or one does not hold.
    """
    before = len(_closed)
    for part in parts:
        try:
            part()
        except SandboxError as error:
            if required:
                raise
            log(f"a wall is missing: {error.local}")
    for sentence in _closed[before:]:
        log(f"wall: {sentence}")


def only_files(
    read: Sequence[Path],
    write: Sequence[Path],
    *,
    shared: Sequence[Path] = (),
    devices: Sequence[Path] = (),
    names: Sequence[Path] = (),
    hidden: Sequence[Path] = (),
) -> None:
    """Only these files from now on; nothing else can be read, listed, changed or made.

    Paths that do not exist are left out. Symbolic links count as what they point to: link targets
    outside the folders named stay closed. :func:`standing` tells the kernel's version of Landlock
    and what it does not guard yet.

    Args:
        read: folders and files that may be read (and programs in them started), with all that is
            below.
        write: folders and files that may be read and changed, with all that is below.
        shared: folders that others look into: the same, but no links and no pipes.
        devices: device files that may be used, as a GPU's.
        names: folders whose file names may be listed, but not read.
        hidden: folders that must be closed afterwards; tried.

    Raises:
        SandboxError: this kernel has no Landlock, other threads run already, a folder to read lies
            in one to write, or the sandbox does not hold.
    """
    version = landlock.version()
    if not version:
        raise SandboxError("wall.no_landlock")
    if not kernel.is_single_threaded():
        raise SandboxError("wall.threads")
    _check_apart(read, (*write, *shared))
    landlock.restrict(
        (
            (read, landlock.READ),
            (write, landlock.CHANGE),
            (shared, landlock.PLAIN),
            (devices, landlock.DEVICE),
            (names, landlock.LIST),
        ),
        version,
    )
    _check_closed([*hidden, *_root((*read, *write, *shared, *names))])
    _check_linkless(shared)
    _closed.append(
        f"only files named: Landlock version {version}, "
        f"{len(read)} paths to read, {len(write) + len(shared)} to write" + _unguarded(version)
    )


def standing() -> list[str]:
    """One sentence for each part of the sandbox that this process has closed."""
    return list(_closed)


def _unguarded(version: int) -> str:
    """What this kernel's Landlock leaves open; the versions are those of landlock(7)."""
    lacking = [part for since, part in _LATER.items() if version < since]
    return f"; this kernel leaves open: {', '.join(lacking)}" if lacking else ""


def _check_inherited() -> None:
    """Sockets that were open before the filter are out of its reach."""
    for number in map(int, os.listdir("/proc/self/fd")):
        if (kind := kernel.socket_kind(number)) not in _HARMLESS:
            raise SandboxError("wall.network", f"socket {number} was open before: {kind}")


def _check_apart(read: Iterable[Path], write: Sequence[Path]) -> None:
    # Landlock adds rights up: what is below a folder to write can be written to.
    for readable in read:
        for writable in write:
            if readable.resolve().is_relative_to(writable.resolve()):
                raise SandboxError("wall.overlap", f"{readable} lies in {writable}")


def _root(paths: Iterable[Path]) -> Iterator[Path]:
    """The root folder, to be tried; unless it was asked for."""
    if all(path.resolve() != Path("/") for path in paths):
        yield Path("/")


def _check_closed(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(PermissionError, FileNotFoundError, NotADirectoryError):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            raise SandboxError("wall.files", f"{path} could be opened")


def _check_linkless(folders: Iterable[Path]) -> None:
    for folder in folders:
        link = folder / f".tried-{os.getpid()}"
        with suppress(PermissionError, FileNotFoundError, NotADirectoryError):
            link.symlink_to(folder)
            link.unlink()
            raise SandboxError("wall.files", f"a link could be made in {folder}")
