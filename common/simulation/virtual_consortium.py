"""A make-believe consortium, so that a simulation's hospitals speak to each other as real ones do.

They have identities and a signed roster. Keys are random and never seeded: they protect nothing
here, and what is trained does not depend on them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from common.errors import InputError
from common.storage import files
from common.study.config import shown
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.roster import Roster

NAME = "simulation"
"""The consortium's name."""
_DAYS = 3650
_LONGEST = 64
"""Bytes of UTF-8 of a name; a certificate takes as many characters (RFC 5280, ub-common-name)."""
_FILES = ("ca.crt", "roster.crt", "roster.json")


def make(folder: Path, sites: Sequence[str], now: datetime) -> None:
    """Write ``ca.crt``, ``roster.crt``, ``roster.json`` (signed) and each hospital's key.

    A hospital's key lies in ``SITE/identity.key`` (Ed25519, PEM). The authority's and the roster's
    private keys are not kept.

    Args:
        folder: a folder of the simulation, new or empty.
        sites: names of the hospitals, each the name of a folder.
        now: UTC.

    Raises:
        InputError: a name does not fit into a certificate, or is that of a file made here.
    """
    for name in sites:
        if len(name.encode("utf-8", "replace")) > _LONGEST or name in _FILES:
            raise InputError(
                f"The hospital folder {shown(name)} has a name that no certificate can carry; give"
                f" it another of 1 to {_LONGEST} bytes."
            )
    folder.mkdir(files.FOLDER, parents=True, exist_ok=True)
    folder.chmod(files.FOLDER)
    ca = certificates.authority(NAME, now, _DAYS)
    signer = certificates.signer(ca, certificates.ROSTER, now, _DAYS)
    members = {}
    for name in sites:
        identity = certificates.signer(ca, name, now, _DAYS)
        members[name] = identity.certificate.decode()
        _write(files.folder(folder / name) / "identity.key", identity.key)
    signed = rosters.sign(Roster(NAME, 1, now.isoformat(timespec="seconds"), members), signer.key)
    contents = (ca.certificate, signer.certificate, rosters.dumps(signed))
    for name, content in zip(_FILES, contents, strict=True):
        _write(folder / name, content)


def _write(path: Path, content: bytes) -> None:
    """Private from its first byte; unlike a real hospital's key it need not outlast a power cut."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, files.FILE), "wb") as file:
        file.write(content)
