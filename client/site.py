"""Which hospital this process speaks for: its folders and rules; every default is the strict one.

``client/virtual_site.py`` has the hospitals of a simulation.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

from client import log_file
from client.identity import AnyIdentity, AnyTrust
from client.policy.policy import Policy
from common.storage import files


@dataclass(frozen=True)
class Site:
    """One hospital.

    Attributes:
        name: as it appears in reports.
        folders: its data; several only for the pooled comparison of a simulation.
        state: folder of what it keeps between rounds (optimizer state, its own log); nobody else
            may read it.
        device: "auto", "cpu" or "cuda".
        policy: what the hospital allows.
        identity: what it speaks with in secure sums.
        trust: whose studies the hospital works on.
    """

    name: str
    folders: tuple[Path, ...]
    state: Path
    device: str = "auto"
    policy: Policy = field(default_factory=Policy)
    identity: AnyIdentity = field(kw_only=True)
    trust: AnyTrust = field(kw_only=True)

    @property
    def pooled(self) -> bool:
        """Whether it holds everybody's images, for comparison."""
        return False

    @property
    def resident(self) -> bool:
        """Whether one process answers everything, so that what is kept may stay in memory."""
        return False

    @property
    def spread(self) -> bool:
        """Whether several processes answer for it and share its open secure sums in files."""
        return False

    @property
    def keeps_record(self) -> bool:
        """Whether it writes down what it was asked, and vouches for that with signed heads."""
        return True

    @property
    def counts_days(self) -> bool:
        """Whether what leaves is taken from the day's budget of its policy."""
        return True

    @property
    def needs_approval(self) -> bool:
        """Whether a person must have approved a study before it is answered."""
        return self.policy.approval and self.trust.asks_people

    @property
    def synthetic(self) -> bool:
        """Whether every image is a computed phantom, so that pictures may be shown."""
        return all(only_phantoms(folder) for folder in self.folders)

    def log(self, text: str) -> None:
        """Append a line to the hospital's own log, which may name files and never leaves it."""
        files.private(self.state)
        log_file.append(self.state / "site.log", text + "\n")


def only_phantoms(folder: Path) -> bool:
    """Whether a folder holds computed phantoms and nothing else, so that pictures may be shown.

    The marker file ``PHANTOM``, which the phantom writer leaves, lists the SHA-256 of every image;
    a folder into which somebody has put another image, or changed one, does not pass.
    """
    try:
        seal = json.loads((folder / "PHANTOM").read_text("utf-8"))
        listed = seal.get("sha256") if isinstance(seal, dict) else None
        return bool(listed) and listed == _digests(folder)
    except (OSError, ValueError):
        return False


def _digests(folder: Path) -> dict[str, str]:
    images = (
        f for part in ("dicom", "images") for f in sorted((folder / part).rglob("*")) if f.is_file()
    )
    return {
        f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in images
    }
