"""Which files each of a hospital's two processes may open; closes a process's sandbox around them.

The worker reads the data and writes only what it keeps; the gateway sees neither. Both need Python,
the installed packages and a little of the system. Where the system replaces a file while we run,
its folder is named, since Landlock remembers the file and not its name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from client.home import SiteHome
from client.isolation import sandbox

_ROOT = Path("/")
_HOUSE = Path(__file__).resolve().parent.parent.parent
_SYSTEM = ("usr", "lib", "lib32", "lib64", "bin", "sbin", "proc", "sys", "opt/rocm")
_SETTINGS = (
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "timezone",
    "nsswitch.conf",
    "passwd",
    "group",
    "alternatives",
    "nvidia",
)
_LOOKUP = ("etc", "run/systemd/resolve", "run/NetworkManager", "run/resolvconf")
"""What a name's address needs, and certificates.

The whole of /etc: resolv.conf is replaced by a new file when the network changes.
"""
_PLAIN = ("null", "zero", "full", "random", "urandom")
_GPU = ("nvidia*", "dri", "kfd")
_LIBRARIES = ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "ROCM_PATH")


@dataclass(frozen=True)
class FileAccess:
    """What a process may open: the arguments of :func:`client.isolation.sandbox.only_files`."""

    read: Sequence[Path]
    write: Sequence[Path]
    devices: Sequence[Path]
    names: Sequence[Path]
    shared: Sequence[Path] = ()

    def shut(
        self,
        log: Callable[[str], None],
        required: bool,
        *,
        network: bool = False,
        hidden: Sequence[Path] = (),
    ) -> None:
        """Close the sandbox around this process; it stays closed until the process ends.

        Args:
            log: gets a sentence for each part that is closed or is missing.
            required: a part that cannot be closed is an error.
            network: the network stays open, as for the gateway.
            hidden: folders that must be closed afterwards, as the data for the gateway.

        Raises:
            SandboxError: a part cannot be closed and is required, or one does not hold.
        """
        parts = [] if network else [sandbox.no_network]
        parts.append(
            lambda: sandbox.only_files(
                self.read,
                self.write,
                shared=self.shared,
                devices=self.devices,
                names=self.names,
                hidden=hidden,
            )
        )
        sandbox.close(parts, log, required)


def worker(data: Sequence[Path], home: Path, socket: Path) -> FileAccess:
    """What the worker may open.

    Args:
        data: the hospital's data folders, only to be read.
        home: the hospital's home; of it the worker reads what is its own and what everybody may
            know.
        socket: the socket between worker and gateway.
    """
    own = [
        home / name
        for name in (
            "site.toml",
            "policy.toml",
            "ca.crt",
            "coordinator.crt",
            "roster.crt",
            "worker",
        )
    ]
    kept = [home / "worker" / name for name in ("state", "cache", "tmp")]
    devices = [device for pattern in _GPU for device in (_ROOT / "dev").glob(pattern)]
    read = [*data, *own, *_python(), *_under("", _SYSTEM), *_under("etc", _SETTINGS)]
    # Of the installation's own folder only the names, which Python lists to find our packages.
    return FileAccess(
        read=read,
        write=kept,
        # What the other process, or somebody from outside the walls, opens by name.
        shared=[SiteHome(home).worker_log.parent, socket.parent],
        devices=[*_under("dev", _PLAIN), *devices],
        names=[_HOUSE],
    )


def gateway(home: Path) -> FileAccess:
    """What the gateway may open: nothing of the data and nothing of the worker.

    To connect to the worker's socket, it opens no file.
    """
    own = [home / name for name in ("site.toml", "ca.crt", "coordinator.crt", "gateway")]
    read = [*own, *_python(), *_under("", _SYSTEM), *_under("", _LOOKUP)]
    return FileAccess(
        read=read,
        write=[],
        shared=[SiteHome(home).gateway_log.parent],
        devices=_under("dev", _PLAIN),
        names=[_HOUSE],
    )


def _python() -> Iterator[Path]:
    """Python, the installed packages, and our own two."""
    yield from (
        Path(prefix)
        for prefix in sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})
    )
    yield from (_HOUSE / "client", _HOUSE / "common")
    # Where somebody happens to start us may be the folder above the data.
    here = {Path.cwd(), _HOUSE}
    yield from (
        Path(entry) for entry in sys.path if os.path.isabs(entry) and Path(entry) not in here
    )
    for name in _LIBRARIES:
        yield from (
            Path(entry)
            for entry in os.environ.get(name, "").split(os.pathsep)
            if os.path.isabs(entry)
        )


def _under(folder: str, names: Sequence[str]) -> list[Path]:
    return [_ROOT / folder / name for name in names]
