"""Which hospitals belong to the consortium.

The registry HOME/sites.json, replaced whole and under a lock at every change.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from common.errors import ConsiliumError
from common.storage import files, locked_json

REFUSED = "The coordinator does not accept this kit; ask the coordinator for a new one."
"""The one answer to a wrong name and to a wrong token: whoever guesses learns nothing."""


class AdmissionError(ConsiliumError):
    """A hospital is not admitted.

    Args:
        status: HTTP status of the answer.
        public: sentence for the caller.
        reason: sentence for the coordinator's own log.
    """

    def __init__(self, status: int, public: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.public = public
        self.reason = reason


@dataclass(frozen=True)
class Enrolment:
    """What a hospital enrolled with.

    Digests in hex, the two certificates as PEM, ``at`` in ISO 8601 (UTC).
    """

    at: str
    serial: str
    certificate_sha256: str
    node_key_sha256: str
    identity_sha256: str
    tls_certificate: str
    identity_certificate: str


@dataclass(frozen=True)
class RegisteredSite:
    """One hospital.

    Its token's SHA-256 and last moment, its enrolment, and those that a newer token took the place
    of.
    """

    token_sha256: str
    token_expires: str
    enrolled: Enrolment | None = None
    revoked: tuple[Enrolment, ...] = ()

    def renewed(self, token: str, expires: datetime) -> RegisteredSite:
        """With a new token, the enrolment so far revoked."""
        ended = () if self.enrolled is None else (self.enrolled,)
        return RegisteredSite(digest(token), expires.isoformat(), None, (*self.revoked, *ended))

    def state(self, now: datetime) -> str:
        """For a table of hospitals."""
        if self.enrolled is not None:
            return f"enrolled since {self.enrolled.at[:10]}"
        return (
            "token "
            f"{'expired on' if now > datetime.fromisoformat(self.token_expires) else 'good until'} "
            f"{self.token_expires[:10]}"
        )


def invited(token: str, expires: datetime) -> RegisteredSite:
    """A hospital that has a token and has not used it."""
    return RegisteredSite(digest(token), expires.isoformat())


def digest(token: str) -> str:
    """What is kept of a token: it is 256 random bits, which a plain SHA-256 does not give away."""
    return hashlib.sha256(token.encode()).hexdigest()


def dumps(sites: Mapping[str, RegisteredSite]) -> bytes:
    """The registry's file."""
    return (json.dumps(_table(sites), indent=1) + "\n").encode()


def _table(sites: Mapping[str, RegisteredSite]) -> dict[str, Any]:
    return {name: asdict(site) for name, site in sites.items()}


class Registry:
    """The registry of one coordinator; any number of processes may use it at once."""

    def __init__(self, home: Path) -> None:
        self._path = home / "sites.json"
        self._lock = home / "sites.lock"
        self._holders: tuple[int, dict[str, str]] = (0, {})

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other writers out; not to be entered twice by one caller."""
        with files.alone(self._lock):
            yield

    def load(self) -> dict[str, RegisteredSite]:
        """Every hospital by name.

        Raises:
            ConsiliumError: the file is missing or damaged.
        """
        try:
            return {
                name: _site(entry) for name, entry in json.loads(self._path.read_bytes()).items()
            }
        except OSError as error:
            raise ConsiliumError(
                f"The registry {self._path} cannot be read ({error.strerror}); "
                "give the folder that provision made."
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise ConsiliumError(
                f"The registry {self._path} is damaged; restore it from a backup."
            ) from None

    def add(self, new: Mapping[str, RegisteredSite]) -> None:
        """Enter hospitals.

        Raises:
            ConsiliumError: one of that name, without regard to case, is there already.
        """
        with locked_json.held(self._path, self._lock) as file:
            sites = self.load()
            names = {name.lower() for name in sites}
            for name in new:
                if name.lower() in names:
                    raise ConsiliumError(
                        f"A hospital called {name} is registered already; "
                        "give the new one another name."
                    )
            file.write(_table({**sites, **new}))

    def admit(
        self,
        name: str,
        token: str,
        now: datetime,
        has_same_keys: Callable[[Enrolment], bool],
        enrol: Callable[[Mapping[str, RegisteredSite]], Enrolment],
    ) -> Enrolment:
        """Use a hospital's token, once.

        Args:
            name: the hospital's.
            token: as it came.
            now: UTC.
            has_same_keys: whether an earlier enrolment was made with the keys that came now; it is
                then given again.
            enrol: makes the enrolment; gets the registry as it stands. If it raises, the token
                stays unused.

        Raises:
            AdmissionError: unknown name, wrong or expired token, already enrolled with other keys.
        """
        with locked_json.held(self._path, self._lock) as file:
            sites = self.load()
            site = sites.get(name)
            fits = hmac.compare_digest(digest(token), site.token_sha256 if site else digest(""))
            if site is None or not fits:
                raise AdmissionError(
                    403, REFUSED, f"no hospital is called {name}" if site is None else "wrong token"
                )
            if site.enrolled is not None:
                return _given_again(name, site.enrolled, has_same_keys)
            if now > datetime.fromisoformat(site.token_expires):
                day = site.token_expires[:10]
                raise AdmissionError(
                    403,
                    f"This kit's token expired on {day}; ask the coordinator for a new kit.",
                    f"token expired on {day}",
                )
            enrolled = enrol(sites)
            file.write(_table({**sites, name: replace(site, enrolled=enrolled)}))
            return enrolled

    def is_revoked(self, serial: str) -> bool:
        """Whether no enrolled hospital has, or still has, the certificate of this serial number.

        Args:
            serial: in hex.
        """
        number = _normal(serial)
        return all(
            site.enrolled is None or _normal(site.enrolled.serial) != number
            for site in self.load().values()
        )

    def holder(self, serial: str) -> str | None:
        """The enrolled hospital whose certificate has this serial number; None if nobody's has.

        The file is read again when it has changed.

        Args:
            serial: in hex.
        """
        change = self._path.stat().st_mtime_ns
        if self._holders[0] != change:
            enrolled = {name: site.enrolled for name, site in self.load().items()}
            holders = {_normal(e.serial): name for name, e in enrolled.items() if e is not None}
            self._holders = (change, holders)
        return self._holders[1].get(_normal(serial))

    def status(self, now: datetime) -> dict[str, str]:
        """Each hospital's state in a few words."""
        return {name: site.state(now) for name, site in self.load().items()}


def _given_again(
    name: str, enrolled: Enrolment, has_same_keys: Callable[[Enrolment], bool]
) -> Enrolment:
    if has_same_keys(enrolled):
        return enrolled
    public = (
        f"{name} is already enrolled with other keys; ask the coordinator for a new kit, "
        "which ends the earlier enrolment."
    )
    raise AdmissionError(409, public, "already enrolled with other keys")


def _normal(serial: str) -> str:
    return serial.replace(":", "").lower().lstrip("0")


def _site(entry: dict[str, Any]) -> RegisteredSite:
    enrolled = entry["enrolled"]
    revoked = tuple(Enrolment(**ended) for ended in entry.get("revoked", []))
    datetime.fromisoformat(entry["token_expires"])
    return RegisteredSite(
        entry["token_sha256"],
        entry["token_expires"],
        None if enrolled is None else Enrolment(**enrolled),
        revoked,
    )
