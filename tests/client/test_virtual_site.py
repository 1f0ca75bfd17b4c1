"""The hospitals of a simulation.

Each has what the simulation gave it, and what it lacks refuses.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from client import virtual_site
from client.identity import Identity
from client.policy.policy import OPEN, Policy
from client.virtual_site import CONSORTIUM, POOLED, NoIdentity, VirtualSite, VirtualTrust, from_node
from common.errors import SecureSumError, SiteError
from common.protocol.envelopes import Question
from common.simulation import virtual_consortium
from common.study import study as studies
from common.trust.roster import Roster
from tests import small

NOW = datetime.now(UTC)
STUDY = studies.parse(small.TABLE)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    small.federation(tmp_path / "sites", 2, 2)
    for name, value in (
        (virtual_site.SITES, tmp_path / "sites"),
        (virtual_site.STATE, tmp_path / "state"),
    ):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv(virtual_site.DEVICE, "cpu")
    monkeypatch.setenv(virtual_site.RESIDENT, "1")
    return tmp_path / "state"


def node(number: object = 0) -> VirtualSite:
    return from_node({"partition-id": number})


def test_a_hospital_of_a_plain_simulation(state: Path) -> None:
    site = node(1)
    assert (site.name, site.device, site.state, site.policy) == (
        "site1",
        "cpu",
        state / "site1",
        OPEN,
    )
    assert (
        site.identity == NoIdentity()
        and site.trust == VirtualTrust()
        and site.resident
        and not site.spread
    )
    assert not (site.pooled or site.keeps_record or site.counts_days or site.needs_approval)


def test_a_policy_beside_the_images_is_rehearsed(state: Path) -> None:
    (state.parent / "sites" / "site0" / "policy.toml").write_text("max_rounds = 7\n")
    site = node(0)
    assert site.policy == Policy(max_rounds=7) and site.counts_days and not site.needs_approval
    assert node(1).policy == OPEN


def test_a_hospital_of_a_simulated_consortium_speaks_and_keeps_a_record(state: Path) -> None:
    virtual_consortium.make(state / CONSORTIUM, ["site0", "site1"], NOW)
    one, two = node(0), node(1)
    assert (
        isinstance(one.identity, Identity)
        and one.identity != two.identity
        and len(one.identity.public) == 32
    )
    assert one.keeps_record and not one.counts_days


def test_the_pooled_hospital_is_none_of_the_consortium(state: Path) -> None:
    virtual_consortium.make(state / CONSORTIUM, ["site0", "site1"], NOW)
    site = node(2)
    assert (site.name, len(site.folders), site.pooled) == (POOLED, 2, True)
    assert site.identity == NoIdentity() and not site.keeps_record


def test_other_engines_spread_a_hospital_over_processes(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(virtual_site.RESIDENT, "0")
    assert node(0).spread and not node(0).resident


@pytest.mark.parametrize("number", [None, "0", 1.0])
def test_a_node_without_a_number_is_no_hospital(state: Path, number: object) -> None:
    with pytest.raises(SiteError, match="not a hospital of a simulation"):
        node(number)


def test_outside_a_simulation_there_is_no_virtual_hospital(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(virtual_site.SITES)
    with pytest.raises(SiteError, match=virtual_site.SITES):
        node(0)


def test_what_is_not_said_is_as_at_a_real_hospital(tmp_path: Path) -> None:
    site = VirtualSite("north", (), tmp_path)
    assert site.policy == Policy() and site.keeps_record and site.counts_days and site.spread


def test_whoever_has_no_identity_refuses_whatever_needs_one(tmp_path: Path) -> None:
    none, roster = NoIdentity(), Roster("trial", 1, NOW.isoformat(), {"north": "a certificate"})
    calls: list[Any] = [
        lambda: none.key,
        lambda: none.public,
        lambda: none.consortium,
        lambda: none.accept({}, tmp_path, NOW),
    ]
    for call in calls:
        with pytest.raises(SecureSumError, match="has no identity for secure sums"):
            call()
    assert none.roster(tmp_path, NOW) is None and none.keys(roster, NOW) == {} and not fields(none)


def test_every_study_of_a_simulation_is_admitted_without_a_run_s_name() -> None:
    statement = VirtualTrust().admit(Question("join", STUDY.to_table()), STUDY)
    assert (statement.run, statement.study) == ("", STUDY.digest)
    assert VirtualTrust().is_from(("whoever",)) and not VirtualTrust().asks_people
