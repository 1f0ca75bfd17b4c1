"""The sandbox that a process closes around itself: no network, and only the files that it names.

Neither the process nor its children can open it again. Linux only, no privilege needed, no library
needed. Every part is tried right after it is closed, and one that does not hold is an error. Close
it first, before anything heavy is imported: Landlock and namespaces hold for the calling thread
only (and the threads that it starts), so a process that already has others is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from client.isolation import kernel, landlock, seccomp
from client.isolation.kernel import SandboxError

_closed: list[str] = []


def no_network() -> None:
    """Only Unix sockets from now on; where the kernel lets this user, in an empty network.

    Raises:
        SandboxError: this kernel or machine has no such filter, or it does not hold.
    """
    separate = seccomp.deny_network()
    _closed.append(
        "no network: seccomp refuses every socket but Unix sockets"
        + ("; own empty network namespace" if separate else "")
    )


def only_files(
    read: Sequence[Path],
    write: Sequence[Path],
    *,
    devices: Sequence[Path] = (),
    names: Sequence[Path] = (),
    hidden: Sequence[Path] = (),
) -> None:
    """Only these files from now on; nothing else can be read, listed, changed or made.

    Paths that do not exist are left out. Symbolic links count as what they point to: link targets
    outside the folders named stay closed. Rights that the kernel's Landlock does not know yet
    (truncation before version 3, device control before 5) are not guarded there; :func:`standing`
    tells the version.

    Args:
        read: folders and files that may be read (and programs in them started), with all that is
            below.
        write: folders and files that may be read and changed, with all that is below.
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
    _check_apart(read, write)
    landlock.restrict(
        (
            (read, landlock.READ),
            (write, landlock.CHANGE),
            (devices, landlock.DEVICE),
            (names, landlock.LIST),
        ),
        version,
    )
    for path in (*hidden, *_root((*read, *write, *names))):
        _check_closed(path)
    _closed.append(
        f"only files named: Landlock version {version}, "
        f"{len(read)} paths to read, {len(write)} to write"
    )


def standing() -> list[str]:
    """One sentence for each part of the sandbox that this process has closed."""
    return list(_closed)


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


def _check_closed(path: Path) -> None:
    with suppress(PermissionError, FileNotFoundError, NotADirectoryError):
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        raise SandboxError("wall.files", f"{path} could be opened")
