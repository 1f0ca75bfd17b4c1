"""The hospitals of a simulation: what they have for people, a signature and a certified key.

Study and hospitals of a simulation belong to one person, who has nobody to ask. This is the only
file that knows a simulation's environment, and no process of an enrolled hospital imports it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from client.identity import AnyIdentity, AnyTrust, Identity, raw_key
from client.policy import policy
from client.policy.policy import OPEN, Policy
from client.site import Site
from common.errors import SecureSumError, SiteError
from common.protocol.envelopes import Question
from common.sentences.table import say
from common.simulation import virtual_consortium
from common.simulation.folders import hospital_folders
from common.study.study import Study
from common.trust.roster import Roster
from common.trust.study_signature import Statement

SITES = "CONSILIUM_SITES"
STATE = "CONSILIUM_STATE"
DEVICE = "CONSILIUM_DEVICE"
RESIDENT = "CONSILIUM_RESIDENT"
"""Environment of a simulation.

Folder of hospital folders, folder for what hospitals keep, device, "1" if one process plays all.
"""
POOLED = "all hospitals pooled"
CONSORTIUM = ".consortium"
"""Folder of a simulation's make-believe consortium in its state folder."""
_POLICY = "policy.toml"


@dataclass(frozen=True)
class VirtualTrust:
    """Every study is admitted, under a run without a name, and nobody is asked."""

    @property
    def asks_people(self) -> bool:
        """There is nobody to ask."""
        return False

    def admit(self, question: Question, study: Study) -> Statement:
        """A statement that nobody signed: about this study, for good."""
        return Statement("", "", study.digest, "", "")

    def is_from(self, fingerprints: Collection[str]) -> bool:
        """A policy that is rehearsed may name the real coordinator's key, which is not here."""
        return True


@dataclass(frozen=True)
class NoIdentity:
    """A hospital that speaks with nobody: it has no roster, and whatever needs a key is refused."""

    @property
    def consortium(self) -> str:
        """None to name.

        Raises:
            SecureSumError: always.
        """
        raise _speechless()

    @property
    def key(self) -> bytes:
        """None to sign with.

        Raises:
            SecureSumError: always.
        """
        raise _speechless()

    @property
    def public(self) -> bytes:
        """None to check signatures with.

        Raises:
            SecureSumError: always.
        """
        raise _speechless()

    def accept(self, signed: Mapping[str, Any], state: Path, now: datetime) -> None:
        """Take no roster, since nothing could be done with it.

        Raises:
            SecureSumError: always.
        """
        raise _speechless()

    def roster(self, state: Path, now: datetime) -> Roster | None:
        """None was accepted."""
        return None

    def keys(self, roster: Roster, now: datetime) -> dict[str, bytes]:
        """Nobody's keys are vouched for."""
        return {}


@dataclass(frozen=True, kw_only=True)
class VirtualSite(Site):
    """A hospital of a simulation.

    Attributes:
        identity: in the simulation's make-believe consortium; by default there is none.
        trust: by default every study is admitted.
        pooled: it holds everybody's images.
        resident: this process plays the hospital until the end.
        keeps_record: as at an enrolled hospital.
        counts_days: as at an enrolled hospital.
    """

    identity: AnyIdentity = NoIdentity()
    trust: AnyTrust = VirtualTrust()
    pooled: bool = False
    resident: bool = False
    keeps_record: bool = True
    counts_days: bool = True

    @property
    def spread(self) -> bool:
        """Whether an engine may give it another process for every question."""
        return not self.resident


def from_node(node_config: Mapping[str, object]) -> VirtualSite:
    """The hospital of a Flower node.

    Raises:
        SiteError: the node has no number, or the simulation's environment is missing.
    """
    number = node_config.get("partition-id")
    sites = os.environ.get(SITES)
    if not isinstance(number, int) or sites is None:
        raise SiteError("data.not_simulated")
    folders = hospital_folders(Path(sites))
    state = Path(os.environ[STATE])
    device = os.environ.get(DEVICE, "auto")
    resident = os.environ.get(RESIDENT) == "1"
    # The node after the last hospital is the pooled comparison, if the simulation has one.
    if number >= len(folders):
        return _pooled(tuple(folders), state / ".pooled", device, resident)
    return _hospital(folders[number], state, device, resident)


def _pooled(folders: tuple[Path, ...], state: Path, device: str, resident: bool) -> VirtualSite:
    """All images at one place: neither a hospital of the consortium nor one with a policy."""
    return VirtualSite(
        POOLED,
        folders,
        state,
        device,
        policy=OPEN,
        pooled=True,
        resident=resident,
        keeps_record=False,
        counts_days=False,
    )


def _hospital(folder: Path, state: Path, device: str, resident: bool) -> VirtualSite:
    """One hospital.

    With policy.toml in its folder it rehearses a real one's rules, with a consortium a real one's
    voice and record.
    """
    own = folder / _POLICY
    consortium = state / CONSORTIUM
    speaks = (consortium / "roster.crt").is_file()
    return VirtualSite(
        folder.name,
        (folder,),
        state / folder.name,
        device,
        policy=_rules(own),
        identity=_identity(consortium, folder.name) if speaks else NoIdentity(),
        resident=resident,
        keeps_record=speaks,
        counts_days=own.is_file(),
    )


def _rules(own: Path) -> Policy:
    """A hospital's policy: its own, to rehearse a real one; else everything is allowed."""
    return policy.read(own) if own.is_file() else OPEN


def _identity(consortium: Path, name: str) -> Identity:
    """What a hospital of the simulation's make-believe consortium speaks with."""
    key = raw_key((consortium / name / "identity.key").read_bytes())
    authority, roster_key = ((consortium / file).read_bytes() for file in ("ca.crt", "roster.crt"))
    return Identity(virtual_consortium.NAME, key, authority, roster_key)


def _speechless() -> SecureSumError:
    return SecureSumError(say("sum.no_identity"))
