"""What would stop a hospital's processes later, looked at before they start."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from client.home import SiteHome
from common.errors import CertificateError, InputError
from common.trust import certificates

LEAST_DISK = 200 << 20
"""Bytes without which nothing starts: logs, and what the worker keeps between rounds."""


def check(home: SiteHome, part: str, now: datetime) -> None:
    """Look at certificates, disk and data folder.

    Args:
        home: opened for the same ``part``.
        part: "all", "gateway" or "worker".
        now: UTC.

    Raises:
        CertificateError: one of the hospital's certificates has expired or is another consortium's.
        InputError: the disk is full, the data folder is gone.
    """
    settings = home.settings()
    for path, name in own_certificates(home, part, settings.name):
        try:
            certificates.check(path.read_bytes(), home.ca.read_bytes(), name, now)
        except CertificateError as error:
            raise CertificateError(f"{path} cannot be used: {error}") from None
    free = shutil.disk_usage(home.path).free
    if free < LEAST_DISK:
        raise InputError(
            f"The disk of {home.path} has {free >> 20} MiB left; "
            f"at least {LEAST_DISK >> 20} MiB are needed, make room."
        )
    if part != "gateway" and not Path(settings.data).is_dir():
        raise InputError(
            f"The data folder {settings.data} does not exist; "
            f"mount it, or correct data in {home.site_toml}."
        )


def own_certificates(home: SiteHome, part: str, site: str) -> list[tuple[Path, str]]:
    """Each certificate that ``part`` works with, and the name in it."""
    needed = [(home.coordinator, certificates.COORDINATOR)]
    if part != "worker":
        needed.append((home.tls_crt, site))
    if part != "gateway":
        needed += [(home.identity_crt, site), (home.roster_crt, certificates.ROSTER)]
    return needed
