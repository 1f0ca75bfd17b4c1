"""The consortium file: where the coordinator is, who takes part, how long keys hold."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import InputError, StudyError
from common.study import config, toml
from common.study.config import setting, shown
from common.trust.certificates import RESERVED

_HOST = re.compile(
    r"(?=.{1,253}$)"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)


@dataclass(frozen=True, kw_only=True)
class Consortium:
    """The settings of consortium.toml; built by :func:`parse`, which checks them."""

    name: str = setting(doc=f"the consortium's name: {config.NAME_RULE}")
    address: str = setting(doc="host name or IP address that hospitals dial")
    port: int = setting(443, doc="port that hospitals dial", low=1, high=65535)
    link_port: int = setting(
        8000, doc="port of the coordinator's inner service, on its loopback only", low=1, high=65535
    )
    token_days: int = setting(14, doc="days for which a kit's token is good", low=1, high=365)
    certificate_days: int = setting(
        365,
        doc="days for which the certificates of hospitals and of the server are good",
        low=1,
        high=3650,
    )
    ca_days: int = setting(
        3650, doc="days for which the consortium's authority is good", low=1, high=36500
    )
    min_tls: str = setting("1.3", doc="lowest version of TLS", choices=("1.3", "1.2"))
    parallel_studies: int = setting(
        1, doc="studies that run beside each other; more wait", low=1, high=64
    )
    sites: tuple[str, ...] = setting(doc="the hospitals' names, unique without regard to case")

    def to_toml(self) -> str:
        """The file with every default spelled out and every field explained."""
        meanings = {
            f"{place.removeprefix('consortium.')}": doc
            for place, _, _, doc in config.describe(Consortium, "consortium")
        }
        return toml.dumps(
            config.to_table(self),
            {"": "Consortium, as resolved by: consilium provision", **meanings},
        )


def read(path: Path) -> Consortium:
    """Read and check a consortium file.

    Raises:
        InputError: the file cannot be read, is not TOML, or a field is wrong.
    """
    return parse(toml.read(path, "Consortium file"))


def parse(values: Mapping[str, Any]) -> Consortium:
    """Check a consortium given as a table.

    Raises:
        InputError: a field is unknown, missing, of the wrong type or out of range; two hospitals
            have one name.
    """
    try:
        consortium = config.load(Consortium, values, "consortium")
    except StudyError as error:
        raise InputError(str(error)) from None
    check_name(consortium.name, "consortium.name")
    check_address(consortium.address, "consortium.address")
    if consortium.port == consortium.link_port:
        raise InputError(
            f"consortium.port and consortium.link_port are both {consortium.port}; give two "
            "different ports."
        )
    _check_sites(consortium.sites)
    return consortium


def check_name(name: str, place: str) -> None:
    """Whether a consortium or hospital may have this name.

    Raises:
        InputError: it may not.
    """
    if not config.NAME.fullmatch(name):
        raise InputError(f"{place} is {shown(name)}; give {config.NAME_RULE}.")


def check_address(address: str, place: str) -> None:
    """Whether this is a host name (RFC 1123 section 2.1) or an IP address.

    Raises:
        InputError: it is neither.
    """
    if _HOST.fullmatch(address) and not re.fullmatch(r"[0-9.]+", address):
        return
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise InputError(
            f"{place} is {shown(address)}; give a host name or an IP address alone, e.g. "
            '"fl.example.org".'
        ) from None


def _check_sites(sites: tuple[str, ...]) -> None:
    if not sites:
        raise InputError("consortium.sites is []; give the name of one hospital or more.")
    listed: dict[str, str] = {}
    for i, site in enumerate(sites):
        place = f"consortium.sites[{i}]"
        # Names become folders and names in certificates, where case may make no difference.
        key = site.lower()
        check_name(site, place)
        if key in RESERVED or key.endswith(".kit"):
            raise InputError(
                f"{place} is {shown(site)}, which Consilium uses itself; give the hospital "
                "another name."
            )
        if key in listed:
            raise InputError(
                f"{place} is {shown(site)}, but {shown(listed[key])} is listed before; names must "
                "differ in more than case."
            )
        listed[key] = site
