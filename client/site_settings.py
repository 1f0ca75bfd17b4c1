"""A hospital's settings (kit.toml, site.toml), and how the coordinator is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from common.errors import InputError, StudyError
from common.study import config, toml
from common.study.config import setting, shown
from common.trust.consortium import check_address, check_name

T = TypeVar("T")


class Route(Protocol):
    """What is needed to reach the coordinator; kits and hospitals both have it."""

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
        doc=(
            'web proxy, e.g. "http://proxy.example.org:3128"; "": from HTTPS_PROXY and NO_PROXY; '
            '"none": no proxy'
        ),
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
        doc=(
            "longest time between two questions to the coordinator while nothing happens, "
            "in seconds"
        ),
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
        loaded: Any = config.load(cls, values, where)
    except StudyError as error:
        raise InputError(str(error)) from None
    check_name(loaded.name, f"{where}.name")
    check_name(loaded.consortium, f"{where}.consortium")
    check_address(loaded.address, f"{where}.address")
    _check_proxy(loaded.proxy, f"{where}.proxy")
    checked: T = loaded
    return checked


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
        # A proxy's URL may hold a password, and this sentence ends up in logs.
        value = shown(proxy) if "@" not in proxy else "not such a URL"
        raise InputError(
            f'{place} is {value}; give a URL with a port, e.g. "http://proxy.example.org:3128", '
            '"none", or "" for the environment\'s.'
        )
