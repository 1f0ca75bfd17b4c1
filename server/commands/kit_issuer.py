"""Hospitals' kits of one consortium: each with a new token, and its entry in the registry."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from common.storage import files
from common.trust.consortium import Consortium
from server.commands import kit_writer
from server.host import site_registry
from server.host.site_registry import RegisteredSite


@dataclass(frozen=True)
class KitIssuer:
    """Makes kits: the consortium's settings, its three public certificates, the moment."""

    settings: Consortium
    ca: bytes
    coordinator: bytes
    roster: bytes
    now: datetime
    single_file: bool

    @property
    def until(self) -> datetime:
        """Last moment of a token that is made now."""
        return self.now + timedelta(days=self.settings.token_days)

    def issue(self, site: str, kits: Path) -> str:
        """Write one hospital's kit and return its token."""
        token = secrets.token_urlsafe(32)
        content = kit_writer.contents(
            self.settings,
            site,
            self.ca,
            self.coordinator,
            self.roster,
            token,
            f"{self.until:%Y-%m-%d}",
        )
        kit_writer.write(kits / site, content, single_file=self.single_file)
        return token

    def line(self, site: str, kits: Path) -> str:
        """One line about a new kit."""
        single = f" (and {site}.kit)" if self.single_file else ""
        return (
            f"Kit of {site}: {kits / site}{single}; its token is good once, "
            f"until {self.until:%Y-%m-%d}."
        )

    def issue_all(
        self, draft: Path, registered: Mapping[str, RegisteredSite], names: Sequence[str]
    ) -> dict[str, RegisteredSite]:
        """Write the hospitals' kits into a draft folder.

        Returns:
            their entries for the registry; one that is registered has its enrolment revoked.
        """
        kits = files.folder(draft / "kits")
        entries = {}
        for site in names:
            token = self.issue(site, kits)
            entries[site] = (
                registered[site].renewed(token, self.until)
                if site in registered
                else site_registry.invited(token, self.until)
            )
        return entries
