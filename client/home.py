"""A hospital's folder HOME: where each file lies, and whether secrets are secret."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from client.site_settings import SiteSettings, settings
from common.errors import InputError
from common.study import toml

_EMPTY = ("run", "logs")
"""Folders that hold nothing that would be missed."""
_SHARED = 0o027
"""Bits that a folder which both users pass through must not have: what lies there cannot be put out
of its place by the other."""


@dataclass(frozen=True)
class SiteHome:
    """Where each file of a hospital lies."""

    path: Path

    @property
    def site_toml(self) -> Path:
        """Settings; written last, so that a HOME which has it is complete."""
        return self.path / "site.toml"

    @property
    def ca(self) -> Path:
        """The consortium's authority."""
        return self.path / "ca.crt"

    @property
    def coordinator(self) -> Path:
        """Certificate of the key that signs studies."""
        return self.path / "coordinator.crt"

    @property
    def roster_crt(self) -> Path:
        """Certificate of the key that signs rosters, pinned: as it came with the kit, for good."""
        return self.path / "roster.crt"

    @property
    def policy_toml(self) -> Path:
        """The hospital's own rules."""
        return self.path / "policy.toml"

    @property
    def gateway(self) -> Path:
        """The gateway's own folder."""
        return self.path / "gateway"

    @property
    def tls_key(self) -> Path:
        """Key of the client certificate."""
        return self.gateway / "tls.key"

    @property
    def tls_crt(self) -> Path:
        """Client certificate."""
        return self.gateway / "tls.crt"

    @property
    def node_key(self) -> Path:
        """Flower's node key."""
        return self.gateway / "node.key"

    @property
    def worker(self) -> Path:
        """The worker's own folder."""
        return self.path / "worker"

    @property
    def identity_key(self) -> Path:
        """Key that speaks for the hospital."""
        return self.worker / "identity.key"

    @property
    def identity_crt(self) -> Path:
        """Certificate of the hospital's identity."""
        return self.worker / "identity.crt"

    @property
    def state(self) -> Path:
        """What the worker keeps between rounds."""
        return self.worker / "state"

    @property
    def roster_json(self) -> Path:
        """The signed roster that the worker accepted last."""
        return self.state / "roster.json"

    @property
    def run(self) -> Path:
        """Folder of sockets and process numbers."""
        return self.path / "run"

    @property
    def socket(self) -> Path:
        """The socket between gateway and worker."""
        return self.run / "worker.sock"

    @property
    def logs(self) -> Path:
        """Folder of logs: one folder for each process, which the other can neither read nor change.

        Under two users neither of them owns this one.
        """
        return self.path / "logs"

    @property
    def gateway_log(self) -> Path:
        """The gateway's log."""
        return self.logs / "gateway" / "gateway.log"

    @property
    def worker_log(self) -> Path:
        """The worker's log."""
        return self.logs / "worker" / "worker.log"

    @property
    def log_folders(self) -> tuple[Path, Path]:
        """Each process's own folder of logs."""
        return self.worker_log.parent, self.gateway_log.parent

    @property
    def enrolling(self) -> Path:
        """There while an enrolment is unfinished."""
        return self.path / "enrolling.json"

    def settings(self) -> SiteSettings:
        """Read site.toml.

        Raises:
            InputError: it cannot be read or a field is wrong.
        """
        return settings(SiteSettings, toml.read(self.site_toml, "Site file"), "site")

    @classmethod
    def open(cls, path: Path, part: str = "all") -> SiteHome:
        """An enrolled hospital's folder, once every file of ``part`` is there and private.

        Args:
            path: the folder.
            part: "all", "gateway" or "worker"; under two users each sees only its own files.

        Raises:
            InputError: a file is missing, or open to others.
        """
        home = cls(path)
        if not path.is_dir():
            raise InputError(
                f"{path} is not a folder; give the one that consilium site enrol made."
            )
        if (path / "consortium.toml").is_file():
            raise InputError(
                f"{path} is a coordinator's folder; "
                "for it the commands are those of: consilium server."
            )
        if home.enrolling.exists():
            raise InputError(
                f"{path} is only half enrolled; "
                "run consilium site enrol with the same kit and folder again."
            )
        for file, forbidden in home._forbidden_modes(part):
            _check_mode(file, forbidden)
        return home

    def _forbidden_modes(self, part: str) -> Iterator[tuple[Path, int]]:
        """Each path that ``part`` needs, and the permission bits that it must not have."""
        # Where gateway and worker are two users, their shared group passes through these.
        yield from ((self.path, _SHARED), (self.run, _SHARED), (self.logs, _SHARED))
        yield from ((self.site_toml, 0o027), (self.ca, 0o022), (self.coordinator, 0o022))
        if part in ("all", "gateway"):
            yield from (
                (self.gateway, 0o077),
                (self.tls_key, 0o077),
                (self.tls_crt, 0o022),
                (self.node_key, 0o077),
            )
        if part in ("all", "worker"):
            yield from ((self.roster_crt, 0o022), (self.policy_toml, 0o027))
            yield from (
                (self.worker, 0o077),
                (self.state, 0o077),
                (self.identity_key, 0o077),
                (self.identity_crt, 0o022),
            )


def _check_mode(path: Path, forbidden: int) -> None:
    status = _status(path)
    mode = stat.S_IMODE(status.st_mode)
    if mode & forbidden:
        allowed = (0o777 if stat.S_ISDIR(status.st_mode) else 0o666) & ~forbidden
        raise InputError(
            f"{path} has mode {mode:04o}; at most {allowed:04o} is allowed, "
            f"run: chmod {mode & ~forbidden:04o} {path}"
        )


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except FileNotFoundError:
        if path.name in _EMPTY:
            raise InputError(
                f"{path} is missing; make it again: mkdir -m 700 {path}, "
                "as the user that works there."
            ) from None
        raise InputError(
            f"{path} is missing; restore it from a backup, "
            "or ask the coordinator for a new kit and enrol in a new folder."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be looked at ({error.strerror}); run this as the user that enrolled."
        ) from None
