"""``consilium server roster``.

Who is on the signed roster, who should be, and the signing itself, with a key that lies elsewhere.

The roster key is plugged in for the minute of signing. Beside it a copy of the last signed roster
is kept: whoever rules the server cannot present an older one, on which a hospital that was shut out
would pass for one that was there all along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from common.errors import CertificateError, ConsiliumError, InputError, SignatureError
from common.storage import files
from common.study.config import closest, shown
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.roster import Roster
from server.host.server_home import ServerHome
from server.host.site_registry import Registry

FILE = "roster.json"
"""The signed roster in HOME, and its copy beside the roster key."""
_LARGEST_KEY = 64 << 10


@dataclass(frozen=True)
class Change:
    """What a signing would change.

    Attributes:
        consortium: its name.
        before: the roster signed last, if there is one.
        sites: identity certificate (PEM) of each hospital that belongs on the roster.
        stale: HOME has an older roster than the one beside the key, or none.
    """

    consortium: str
    before: Roster | None
    sites: Mapping[str, str]
    stale: bool = False

    @property
    def new(self) -> list[str]:
        """Hospitals that are not on the roster yet."""
        return [name for name in self.sites if name not in self._signed_keys]

    @property
    def renewed(self) -> list[str]:
        """Hospitals that enrolled again since, with other keys."""
        return [
            name for name, text in self.sites.items() if self._signed_keys.get(name, text) != text
        ]

    @property
    def removed(self) -> list[str]:
        """Hospitals that are on the roster and will not be."""
        return [name for name in self._signed_keys if name not in self.sites]

    @property
    def nothing(self) -> bool:
        """Whether the roster would stay as it is."""
        return not (self.new or self.renewed or self.removed)

    @property
    def _signed_keys(self) -> Mapping[str, str]:
        return {} if self.before is None else self.before.sites

    def mark(self, name: str) -> str:
        """A hospital's place in this change, in a few words."""
        marks = {"new": self.new, "new key": self.renewed, "removed": self.removed}
        return next((mark for mark, names in marks.items() if name in names), "as before")


def command(home: ServerHome) -> str:
    """What the coordinator types to sign."""
    return f"consilium server roster --home {home.path} --key KEY"


def signed(home: ServerHome) -> dict[str, Any]:
    """The signed roster in HOME as it is sent to hospitals; empty if none was signed yet.

    Raises:
        InputError: the file is damaged.
    """
    path = home.path / FILE
    return _loads(path) if path.exists() else {}


def present(home: ServerHome, now: datetime) -> Roster | None:
    """The roster in HOME, verified.

    Raises:
        InputError: it is damaged or not signed by this consortium's roster key.
    """
    path = home.path / FILE
    return _verified(home, path, now) if path.exists() else None


def look(
    home: ServerHome, now: datetime, key: Path | None = None, without: Sequence[str] = ()
) -> Change:
    """Compare the roster with the registry.

    Args:
        home: the coordinator's.
        now: UTC.
        key: the roster key's file; the copy of the last roster beside it is looked at as well.
        without: hospitals that shall not be on the roster.

    Raises:
        InputError: a roster is damaged, the key is another one, a hospital to be left out is
            unknown.
        ConsiliumError: the registry is damaged.
    """
    before = present(home, now)
    stale = False
    if key is not None:
        _check_key(home, key)
        copy = key.absolute().parent / FILE
        medium = _verified(home, copy, now) if copy.exists() else None
        if medium is not None and (before is None or medium.version > before.version):
            before = medium
            stale = True
    enrolled = {
        n: site.enrolled.identity_certificate
        for n, site in Registry(home.path).load().items()
        if site.enrolled is not None
    }
    eligible = {**enrolled, **({} if before is None else before.sites)}
    for name in without:
        if name not in eligible:
            raise InputError(
                f"--without names {shown(name)}, which is not "
                f"enrolled{closest(name, eligible)}; enrolled: {', '.join(eligible) or 'none'}."
            )
    return Change(
        home.settings.name,
        before,
        {name: text for name, text in sorted(enrolled.items()) if name not in without},
        stale,
    )


def sign(home: ServerHome, change: Change, key: Path, now: datetime) -> Roster:
    """Sign exactly what was looked at as the next version; put it into HOME and beside the key.

    Raises:
        InputError: no hospital would be on the roster, or a hospital's certificate is not the
            consortium's.
        ConsiliumError: HOME or the key's folder cannot be written; the same command can be run
            again.
    """
    if not change.sites:
        raise InputError("A roster needs one hospital at least; enrol hospitals first.")
    version = 1 if change.before is None else change.before.version + 1
    roster = Roster(change.consortium, version, now.isoformat(timespec="seconds"), change.sites)
    try:
        sealed = rosters.sign(roster, _read_key(key))
        rosters.verify(
            sealed, _pinned(home), home.authority.read_bytes(), change.consortium, now, version
        )
    except SignatureError as error:
        raise InputError(f"No roster was signed. {error}") from None
    _write(key.absolute().parent / FILE, rosters.dumps(sealed))
    _write(home.path / FILE, rosters.dumps(sealed))
    return roster


def restore(home: ServerHome, key: Path) -> None:
    """Put the roster beside the key, which :func:`look` found to be the newer one, into HOME.

    Raises:
        ConsiliumError: HOME cannot be written.
    """
    _write(home.path / FILE, (key.absolute().parent / FILE).read_bytes())


def for_study(home: ServerHome, now: datetime) -> dict[str, Any]:
    """The signed roster for a study whose sums are masked.

    Raises:
        InputError: there is none, it is not valid, or it lacks a hospital that is enrolled; the
            sentence says what to run.
    """
    change = look(home, now)
    if change.before is None:
        raise InputError(
            "secure_aggregation.enabled needs a signed roster, and there is none yet; "
            f"run: {command(home)}."
        )
    lacking = [*change.new, *change.renewed]
    if lacking:
        raise InputError(
            f"The signed roster lacks {', '.join(lacking)} as enrolled now; run: {command(home)}. "
            "To end an enrolment instead, renew the hospital's kit and keep it."
        )
    return signed(home)


def to_json(change: Change, roster: Roster | None, done: bool) -> dict[str, Any]:
    """``{"consortium", "version", "issued", "sites": {name.

    Fingerprint}, "new", "renewed", "removed", "signed"}``; version 0: none yet.
    """
    sites = (
        {}
        if roster is None
        else {name: rosters.fingerprint(text.encode()) for name, text in roster.sites.items()}
    )
    return {
        "consortium": change.consortium,
        "version": 0 if roster is None else roster.version,
        "issued": "" if roster is None else roster.issued,
        "sites": sites,
        "new": change.new,
        "renewed": change.renewed,
        "removed": change.removed,
        "signed": done,
    }


def lines(change: Change) -> list[str]:
    """Each hospital with its fingerprint and its mark, removed ones too."""
    before = {} if change.before is None else change.before.sites
    sites = dict(sorted({**before, **change.sites}.items()))
    width = max(map(len, sites), default=0)
    return [
        f"  {n.ljust(width)}  {rosters.fingerprint(text.encode())}  {change.mark(n)}"
        for n, text in sites.items()
    ]


def _check_key(home: ServerHome, key: Path) -> None:
    if certificates.public_bytes(_read_key(key)) != certificates.key_in(_pinned(home)):
        raise InputError(
            f"{key} is not this consortium's roster key; give the roster.key that "
            f"provision made together with {home.path}."
        )


def _read_key(key: Path) -> bytes:
    try:
        if key.stat().st_size > _LARGEST_KEY:
            raise CertificateError(
                f"{key} is too large for a key; give the roster.key that provision made."
            )
        return key.read_bytes()
    except OSError as error:
        raise InputError(
            f"The roster key {key} cannot be read ({error.strerror}); "
            "plug in the medium with roster.key."
        ) from None


def _pinned(home: ServerHome) -> bytes:
    try:
        return (home.path / "roster.crt").read_bytes()
    except OSError as error:
        raise InputError(
            f"{home.path / 'roster.crt'} cannot be read ({error.strerror}); "
            "restore it from a backup."
        ) from None


def _loads(path: Path) -> dict[str, Any]:
    try:
        return rosters.loads(path.read_bytes())
    except (OSError, SignatureError) as error:
        raise InputError(
            f"The roster {path} cannot be used ({error}); restore it from a backup."
        ) from None


def _verified(home: ServerHome, path: Path, now: datetime) -> Roster:
    try:
        return rosters.verify(
            _loads(path), _pinned(home), home.authority.read_bytes(), home.settings.name, now
        )
    except SignatureError as error:
        raise InputError(f"{path} cannot be used: {error} Restore it from a backup.") from None


def _write(path: Path, content: bytes) -> None:
    try:
        files.replace(path, content)
    except OSError as error:
        raise ConsiliumError(
            f"{path} cannot be written ({error.strerror or error}); "
            "mend that and run the same command again."
        ) from None
