"""Which hospital this process speaks for: the only file that knows whether it is a virtual one of a simulation."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from client import phantoms
from client.trust import Trust
from common.errors import SiteError
from common.simulation.folders import hospital_folders

SITES = "CONSILIUM_SITES"
STATE = "CONSILIUM_STATE"
DEVICE = "CONSILIUM_DEVICE"
RESIDENT = "CONSILIUM_RESIDENT"
"""Environment of a simulation: folder of hospital folders, folder for what hospitals keep, device, "1" if one process plays them all."""
POOLED = "all hospitals pooled"


@dataclass(frozen=True)
class Site:
    """One hospital.

    Attributes:
        name: as it appears in reports.
        folders: its data; several only for the pooled comparison of a simulation.
        state: folder of what it keeps between rounds (optimiser moments, its own log); nobody else may read it.
        device: "auto", "cpu" or "cuda".
        pooled: this is the virtual hospital of a simulation that holds everybody's images.
        trust: whose studies the hospital works on; None in a simulation, where study and hospitals belong to one person.
        resident: this process answers everything that the hospital is asked until the end, so that what it keeps may stay in memory.
    """

    name: str
    folders: tuple[Path, ...]
    state: Path
    device: str = "auto"
    pooled: bool = False
    resident: bool = False
    trust: Trust | None = None

    @property
    def synthetic(self) -> bool:
        """Whether every image is a phantom, so that pictures may be shown: each file is the one that the phantom writer vouched for."""
        return all(phantoms.only(folder) for folder in self.folders)

    def log(self, text: str) -> None:
        """Append a line to the hospital's own log; it may name files and never leaves the hospital."""
        private(self.state)
        with os.fdopen(os.open(self.state / "site.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(text + "\n")


def private(folder: Path) -> None:
    """Make a folder that only this user may enter."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)


def from_node(node_config: Mapping[str, object]) -> Site:
    """The hospital of a Flower node.

    Raises:
        SiteError: the node has no number, or the simulation's environment is missing.
    """
    number, sites = node_config.get("partition-id"), os.environ.get(SITES)
    if not isinstance(number, int) or sites is None:
        raise SiteError(f"This node is not a hospital of a simulation ({SITES} and partition-id are needed).")
    folders, state = hospital_folders(Path(sites)), Path(os.environ[STATE])
    device, resident = os.environ.get(DEVICE, "auto"), os.environ.get(RESIDENT) == "1"
    if number < len(folders):
        return Site(folders[number].name, (folders[number],), state / folders[number].name, device, resident=resident)
    return Site(POOLED, tuple(folders), state / ".pooled", device, pooled=True, resident=resident)
