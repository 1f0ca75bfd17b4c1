"""Attacks on who belongs.

Expired and revoked hospitals, old rosters, rosters of another key, hospitals that the server added.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from client.identity import Identity
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.certificates import Credential
from common.trust.roster import Roster
from tests.redteam.attack import Attack, changed, replaced
from tests.redteam.drive import Puppet, Sum, exact
from tests.redteam.stage import NOW, VICTIM, Stage, certificates_of, keys, roster, seed_of

GONE = ("cedar", "doum")
"""Hospitals that have left; somebody has found their keys."""


def ghosts(
    stage: Stage, held: Mapping[str, Credential], signed: Mapping[str, Any], number: int = 1
) -> bool:
    """A sum of the victim with hospitals that the server plays: it reads every parcel."""
    played = [Puppet(name, seed_of(credential)) for name, credential in held.items()]
    cohort = tuple(sorted((VICTIM, *held)))
    return exact(
        Sum(stage, number, cohort, played, signed=signed).keys().deal().tally(VICTIM).read()
    )


def _made(names: Sequence[str], days: int = 365, before: int = 0) -> dict[str, Credential]:
    """Certificates by the authority's own key, which lies on the server."""
    return {
        name: certificates.signer(keys()["ca"], name, NOW - timedelta(days=before), days)
        for name in names
    }


def _with(made: Mapping[str, Credential], version: int = 2, key: bytes = b"") -> dict[str, Any]:
    listed = certificates_of() | {name: credential.certificate for name, credential in made.items()}
    return roster(listed, version, key)


def expired(stage: Stage) -> bool:
    """Two hospitals whose certificates have run out, with their keys."""
    old = _made(GONE, days=20, before=30)
    listed = certificates_of(VICTIM, "birch") | {
        name: credential.certificate for name, credential in old.items()
    }
    early = rosters.Roster(
        "trial",
        1,
        (NOW - timedelta(days=25)).isoformat(),
        {name: pem.decode() for name, pem in listed.items()},
    )
    return ghosts(stage, old, rosters.sign(early, keys()["roster"].key))


def _revoked(stage: Stage) -> tuple[dict[str, Credential], dict[str, Any]]:
    stolen = {name: keys()[name] for name in GONE}
    return stolen, roster(certificates_of(VICTIM, "birch"), version=2)


def rollback(restart: bool) -> Callable[[Stage], bool]:
    """The roster from before two hospitals were revoked is shown again."""

    def play(stage: Stage) -> bool:
        stolen, newer = _revoked(stage)
        stage.ask(VICTIM, "agree", settings={"roster": newer})
        if restart:
            stage.restart()
        return ghosts(stage, stolen, stage.roster)

    return play


def cached(stage: Stage) -> bool:
    """The victim accepts the newer roster in one run, and is asked with the old one in another."""
    stolen, newer = _revoked(stage)
    stage.ask(VICTIM, "agree", settings={"roster": stage.roster})
    stage.ask(VICTIM, "agree", run="run-2", settings={"roster": newer})
    return ghosts(stage, stolen, stage.roster)


def other_key(stage: Stage) -> bool:
    """A roster under another key that the same authority has certified by the same name."""
    impostor = certificates.signer(keys()["ca"], certificates.ROSTER, NOW, 365)
    made = _made(("x", "y"))
    return ghosts(stage, made, _with(made, key=impostor.key))


def other_authority(stage: Stage) -> bool:
    """Two hospitals certified by another authority, on a roster that the coordinator signed."""
    alien = certificates.authority("trial", NOW, 365)
    made = {name: certificates.signer(alien, name, NOW, 365) for name in ("x", "y")}
    return ghosts(stage, made, _with(made))


def added(stage: Stage) -> bool:
    """The server certifies two hospitals of its own and writes them into the signed roster."""
    made = _made(("x", "y"))
    signed = copy.deepcopy(stage.roster)
    signed["roster"]["sites"] |= {
        name: credential.certificate.decode() for name, credential in made.items()
    }
    return ghosts(stage, made, signed)


def two_of_one_version(stage: Stage) -> bool:
    """Two rosters with one version.

    The hospitals would not notice that they have different ones.
    """
    stage.ask(VICTIM, "agree", settings={"roster": stage.roster})
    stolen, _ = _revoked(stage)
    stage.ask(
        VICTIM, "agree", settings={"roster": roster(certificates_of(VICTIM, *GONE), version=1)}
    )
    return ghosts(stage, stolen, roster(certificates_of(VICTIM, *GONE), version=1))


_NO_MEMORY = changed(Identity, "accept", ("before = self.roster(state, now)", "before = None"))
_UNSIGNED = changed(rosters, "verify", ("_KIND.check(asdict(roster), signature, key)", "pass"))
_ANY_TIME = replaced(certificates, "_in_force", lambda *_: None)
_SAME_VERSION = changed(
    Identity,
    "accept",
    (
        (
            "if before is not None and roster.version == before.version and roster.digest != "
            "before.digest:"
        ),
        "if False:",
    ),
    ("if before is None or roster.version > before.version:", "if True:"),
)
_ANY_AUTHORITY = changed(certificates, "check", ("leaf.verify_directly_issued_by(root)", "pass"))
_READ = Identity.roster


def _first_roster(switches: ExitStack) -> None:
    """Switch: a hospital keeps in memory the roster that it read first."""
    first: dict[Path, Roster] = {}

    def roster(self: Identity, state: Path, now: datetime) -> Roster | None:
        current = _READ(self, state, now)
        return current if current is None else first.setdefault(state, current)

    switches.enter_context(mock.patch.object(Identity, "roster", roster))


ATTACKS = (
    Attack("expired certificates", expired, _ANY_TIME, "thief of old keys with the server"),
    Attack("revoked hospitals through an old roster", rollback(restart=False), _NO_MEMORY),
    Attack(
        "revoked hospitals through an old roster, after a restart",
        rollback(restart=True),
        _NO_MEMORY,
    ),
    Attack("revoked hospitals through the roster of another run", cached, _first_roster),
    Attack("roster under another key of the same authority", other_key, _UNSIGNED),
    Attack("hospitals of another authority on the roster", other_authority, _ANY_AUTHORITY),
    Attack("hospitals added by the server", added, _UNSIGNED),
    Attack("two rosters of one version", two_of_one_version, _SAME_VERSION),
)
