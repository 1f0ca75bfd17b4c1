"""A hospital's folder HOME: its settings, where each file lies, and whether secrets are secret."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from common.errors import InputError, StudyError
from common.study import config, toml
from common.study.config import setting, shown
from common.trust.consortium import check_address, check_name, table

T = TypeVar("T")
PARTS = ("all", "gateway", "worker")
"""Whose files are looked at: under two users each sees only its own."""


_EMPTY = ("run", "logs")
"""Folders that hold nothing that would be missed."""


class Route(Protocol):
    """What is needed to reach the coordinator; kits and sites both have it."""

    @property
    def consortium(self) -> str:
        """The consortium's name."""

    @property
    def address(self) -> str:
        """Host name or IP address."""

    @property
    def port(self) -> int:
        """TCP port."""

    @property
    def min_tls(self) -> str:
        """Lowest version of TLS."""

    @property
    def proxy(self) -> str:
        """URL, "" for that of the environment, or "none"."""


@dataclass(frozen=True, kw_only=True)
class KitSettings:
    """kit.toml, as the coordinator made it."""

    name: str = setting(doc="the hospital's name")
    consortium: str = setting(doc="the consortium's name")
    address: str = setting(doc="the coordinator's host name or IP address")
    port: int = setting(443, doc="the coordinator's port", low=1, high=65535)
    min_tls: str = setting("1.3", doc="lowest version of TLS", choices=("1.3", "1.2"))
    proxy: str = setting(
        "",
        doc='web proxy, e.g. "http://proxy.example.org:3128"; "": from HTTPS_PROXY and NO_PROXY; "none": no proxy',
    )


@dataclass(frozen=True, kw_only=True)
class SiteSettings(KitSettings):
    """HOME/site.toml."""

    data: str = setting(doc="folder with the scans; only ever read")
    device: str = setting("auto", doc="where models are trained", choices=("auto", "cpu", "cuda"))
    threads: int = setting(
        0,
        doc="processor threads of training; 0: all cores that the worker may use",
        low=0,
        high=1024,
    )
    walls: str = setting(
        "required",
        doc="whether to refuse to start where the kernel lacks a wall",
        choices=("required", "where possible"),
    )
    poll: float = setting(
        0.1,
        doc="longest time between two questions to the coordinator while nothing happens, in seconds",
        low=0.01,
        high=60.0,
    )

    def to_toml(self) -> str:
        """The file with every default spelled out and every field explained."""
        meanings = {
            place.removeprefix("site."): doc
            for place, _, _, doc in config.describe(SiteSettings, "site")
        }
        return toml.dumps(
            config.to_table(self),
            {"": "This hospital, as made by: consilium site enrol", **meanings},
        )


def settings(cls: type[T], values: dict[str, Any], where: str) -> T:
    """Check kit.toml ("kit") or site.toml ("site").

    Raises:
        InputError: a field is unknown, missing, of the wrong type or out of range.
    """
    try:
        found: Any = config.load(cls, values, where)
    except StudyError as error:
        raise InputError(str(error)) from None
    check_name(found.name, f"{where}.name")
    check_name(found.consortium, f"{where}.consortium")
    check_address(found.address, f"{where}.address")
    _check_proxy(found.proxy, f"{where}.proxy")
    result: T = found
    return result


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
        """The inner wall's socket."""
        return self.run / "worker.sock"

    @property
    def logs(self) -> Path:
        """Folder of logs."""
        return self.path / "logs"

    @property
    def gateway_log(self) -> Path:
        """The gateway's log."""
        return self.logs / "gateway.log"

    @property
    def worker_log(self) -> Path:
        """The worker's log."""
        return self.logs / "worker.log"

    @property
    def enrolling(self) -> Path:
        """There while an enrolment is unfinished."""
        return self.path / "enrolling.json"

    def settings(self) -> SiteSettings:
        """Read site.toml.

        Raises:
            InputError: it cannot be read or a field is wrong.
        """
        return settings(SiteSettings, table(self.site_toml, "Site file"), "site")

    @classmethod
    def open(cls, path: Path, part: str = "all") -> SiteHome:
        """An enrolled hospital's folder, after a look at every file that ``part`` needs and at who may read it.

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
                f"{path} is a coordinator's folder; for it the commands are those of: consilium server."
            )
        if home.enrolling.exists():
            raise InputError(
                f"{path} is only half enrolled; run consilium site enrol with the same kit and folder again."
            )
        for file, forbidden in home._needed(part):
            _check_mode(file, forbidden)
        return home

    def _needed(self, part: str) -> Iterator[tuple[Path, int]]:
        """Each path and the permission bits that it must not have; a shared group may pass through HOME and run, and write logs."""
        yield from ((self.path, 0o027), (self.run, 0o027), (self.logs, 0o007))
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
    try:
        found = path.stat()
    except FileNotFoundError:
        if path.name in _EMPTY:
            raise InputError(
                f"{path} is missing; make it again: mkdir -m 700 {path}, as the user that works there."
            ) from None
        raise InputError(
            f"{path} is missing; restore it from a backup, or ask the coordinator for a new kit and enrol in a new folder."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be looked at ({error.strerror}); run this as the user that enrolled."
        ) from None
    mode = stat.S_IMODE(found.st_mode)
    if mode & forbidden:
        allowed = (0o777 if stat.S_ISDIR(found.st_mode) else 0o666) & ~forbidden
        raise InputError(
            f"{path} has mode {mode:04o}; at most {allowed:04o} is allowed, run: chmod {mode & ~forbidden:04o} {path}"
        )


def _check_proxy(proxy: str, place: str) -> None:
    if proxy in ("", "none"):
        return
    parts = urlsplit(proxy)
    try:
        fits = (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and bool(parts.port)
            and parts.path in ("", "/")
        )
    except ValueError:
        fits = False
    if not fits:
        value = shown(proxy) if "@" not in proxy else "not such a URL"
        raise InputError(
            f'{place} is {value}; give a URL with a port, e.g. "http://proxy.example.org:3128", "none", or "" for the environment\'s.'
        )
