"""Read a kit, a folder or one ``.kit`` file, without trusting it.

Only the names of a kit, only small files, and certificates that fit each other are accepted.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from zlib import error as ZlibError

from client.site_settings import KitSettings, settings
from common.errors import CertificateError, InputError
from common.study import toml
from common.trust import certificates

_NEEDED = ("kit.toml", "ca.crt", "coordinator.crt", "roster.crt", "token")
_ALLOWED = (*_NEEDED, "README.md")
_LARGEST = 64 << 10
"""Bytes of one file in a kit."""
_DAMAGED = (zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError, ValueError)
_AGAIN = "ask the coordinator for it again"


@dataclass(frozen=True)
class Kit:
    """A checked kit; the token never shows in its text form."""

    settings: KitSettings
    ca: bytes
    coordinator: bytes
    roster: bytes
    token: str = field(repr=False)


def read(path: Path, now: datetime) -> Kit:
    """Read and check a kit.

    Raises:
        InputError: it is missing, incomplete or damaged, or holds what no kit holds.
        CertificateError: its certificates are not the consortium's or not valid now.
    """
    try:
        contents = _folder(path) if path.is_dir() else _archive(path)
    except OSError as error:
        raise InputError(
            f"The kit {path} cannot be read ({error.strerror});"
            " give the folder or .kit file that the coordinator sent."
        ) from None
    try:
        values = toml.loads(contents["kit.toml"].decode())
        token = contents["token"].decode("ascii").strip()
    except ValueError:  # not TOML, not text
        raise InputError(f"The kit {path} is damaged; {_AGAIN}.") from None
    if not token:
        raise InputError(f"The kit {path} has an empty token; {_AGAIN}.")
    kit = Kit(
        settings=settings(KitSettings, values, "kit"),
        ca=contents["ca.crt"],
        coordinator=contents["coordinator.crt"],
        roster=contents["roster.crt"],
        token=token,
    )
    try:
        certificates.check_authority(kit.ca, now)
        certificates.check(kit.coordinator, kit.ca, certificates.COORDINATOR, now)
        certificates.check(kit.roster, kit.ca, certificates.ROSTER, now)
        certificates.check_key(kit.roster, "identity")
    except CertificateError as error:
        raise CertificateError(f"The kit {path} cannot be used: {error}") from None
    return kit


def _folder(path: Path) -> dict[str, bytes]:
    present = [name for name in _NEEDED if (path / name).is_file()]
    _check_complete(path, present)
    return {
        name: _small(path, name, (path / name).stat().st_size, (path / name).read_bytes)
        for name in present
    }


def _archive(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise InputError(
            f"The kit {path} is not there; give the folder or .kit file that the coordinator sent."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if any(name not in _ALLOWED for name in names) or len(set(names)) != len(names):
                raise InputError(
                    f"The kit {path} holds other files than {', '.join(_ALLOWED)};"
                    f" do not use it, {_AGAIN}."
                )
            _check_complete(path, names)
            return {
                e.filename: _small(path, e.filename, e.file_size, partial(_unpack, archive, e))
                for e in entries
            }
    except _DAMAGED:
        raise InputError(f"The kit {path} is damaged or not a kit; {_AGAIN}.") from None


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    # With a limit: without one zipfile unpacks all there is before it cuts at the stated size.
    with archive.open(entry) as file:
        return file.read(_LARGEST)


def _small(path: Path, name: str, size: int, content: Callable[[], bytes]) -> bytes:
    if size > _LARGEST:
        raise InputError(
            f"{name} in the kit {path} has {size} bytes; at most {_LARGEST} are allowed, {_AGAIN}."
        )
    return content()


def _check_complete(path: Path, names: list[str]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(f"The kit {path} lacks {', '.join(missing)}; {_AGAIN}.")
