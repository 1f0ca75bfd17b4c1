"""Which hospital this process speaks for: the only file that knows whether it is a virtual one of a simulation."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from client import phantoms
from client.identity import Identity, raw_key
from client.policy import policy
from client.policy.policy import OPEN, Policy
from client.trust import Trust
from common.errors import SiteError
from common.simulation import virtual_consortium
from common.simulation.folders import hospital_folders

SITES = "CONSILIUM_SITES"
STATE = "CONSILIUM_STATE"
DEVICE = "CONSILIUM_DEVICE"
RESIDENT = "CONSILIUM_RESIDENT"
"""Environment of a simulation: folder of hospital folders, folder for what hospitals keep, device, "1" if one process plays them all."""
POOLED = "all hospitals pooled"
CONSORTIUM = ".consortium"
"""Folder of a simulation's make-believe consortium in its state folder."""


@dataclass(frozen=True)
class Site:
    """One hospital.

    Attributes:
        name: as it appears in reports.
        folders: its data; several only for the pooled comparison of a simulation.
        state: folder of what it keeps between rounds (optimiser moments, its own log); nobody else may read it.
        device: "auto", "cpu" or "cuda".
        pooled: this is the virtual hospital of a simulation that holds everybody's images.
        policy: what the hospital allows.
        identity: what it speaks with in secure sums; None in a simulation without them.
        trust: whose studies the hospital works on; None in a simulation, where study and hospitals belong to one person.
        resident: this process answers everything that the hospital is asked until the end, so that what it keeps may stay in memory.
    """

    name: str
    folders: tuple[Path, ...]
    state: Path
    device: str = "auto"
    pooled: bool = False
    resident: bool = False
    policy: Policy = field(default_factory=Policy)
    identity: Identity | None = None
    trust: Trust | None = None

    @property
    def synthetic(self) -> bool:
        """Whether every image is a phantom, so that pictures may be shown: each file is the one that the phantom writer vouched for."""
        return all(phantoms.only(folder) for folder in self.folders)

    def log(self, text: str) -> None:
        """Append a line to the hospital's own log; it may name files and never leaves the hospital."""
        private(self.state)
        with os.fdopen(
            os.open(self.state / "site.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600),
            "a",
            encoding="utf-8",
            errors="backslashreplace",
        ) as file:
            file.write(text + "\n")


def private(folder: Path) -> Path:
    """Make a folder that only this user may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    return folder


def hand_over(state: Path, *names: str) -> None:
    """Give files that an administrator has made in the worker's folder to the worker's user, so that the worker can go on with them.

    Only plain files that have no other name: the worker's user could have put a link to somebody else's file there.
    """
    if os.geteuid() != 0:
        return
    owner = state.stat()
    for path in (state / name for name in names):
        if not os.path.lexists(path):
            continue
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.fchown(handle, owner.st_uid, owner.st_gid)
        finally:
            os.close(handle)


def from_node(node_config: Mapping[str, object]) -> Site:
    """The hospital of a Flower node.

    Raises:
        SiteError: the node has no number, or the simulation's environment is missing.
    """
    number, sites = node_config.get("partition-id"), os.environ.get(SITES)
    if not isinstance(number, int) or sites is None:
        raise SiteError("data.not_simulated")
    folders, state = hospital_folders(Path(sites)), Path(os.environ[STATE])
    device, resident = os.environ.get(DEVICE, "auto"), os.environ.get(RESIDENT) == "1"
    if number >= len(folders):
        return Site(
            POOLED,
            tuple(folders),
            state / ".pooled",
            device,
            pooled=True,
            resident=resident,
            policy=OPEN,
        )
    folder, kept = folders[number], state / folders[number].name
    return Site(
        folder.name,
        (folder,),
        kept,
        device,
        resident=resident,
        policy=_rules(folder),
        identity=_identity(state, folder.name),
    )


def _rules(folder: Path) -> Policy:
    """A simulated hospital's policy: policy.toml in its folder, to rehearse a real one; else everything is allowed."""
    own = folder / "policy.toml"
    return policy.read(own) if own.is_file() else OPEN


def _identity(state: Path, name: str) -> Identity | None:
    """What a simulated hospital speaks with, if the simulation made a consortium."""
    made = state / CONSORTIUM
    if not (made / "roster.crt").is_file():
        return None
    key = raw_key((made / name / "identity.key").read_bytes())
    return Identity(
        virtual_consortium.NAME,
        key,
        (made / "ca.crt").read_bytes(),
        (made / "roster.crt").read_bytes(),
    )
