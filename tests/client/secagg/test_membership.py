"""How a hospital stands in its consortium.

The roster it accepts, and the limits that its party keeps.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from client.identity import Identity, Trust, raw_key
from client.policy.policy import Policy
from client.secagg import membership
from client.secagg.sums_in_progress import SharedSumsInProgress, SumsInProgress
from client.site import Site
from client.virtual_site import NoIdentity, VirtualSite
from common.errors import SecureSumError, SignatureError
from common.secagg.messages import Advert, Terms
from common.study.sections import SecureAggregation
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.roster import Roster
from tests.benchmarks import null
from tests.server.parties import agreed

NOW = datetime.now(UTC)
CA = certificates.authority("trial", NOW, 3650)
KEY = certificates.signer(CA, certificates.ROSTER, NOW, 365)
NAMES = ("east", "north", "south", "valley", "west")
SITES = {name: certificates.signer(CA, name, NOW, 365) for name in NAMES}
STUDY = replace(null.study(3), secure_aggregation=SecureAggregation(enabled=True))
TRUST = Trust("trial", b"", CA.certificate)


def signed(version: int, *names: str) -> dict[str, Any]:
    sites = {name: SITES[name].certificate.decode() for name in names or NAMES}
    return rosters.sign(Roster("trial", version, NOW.isoformat(), sites), KEY.key)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    identity = Identity("trial", raw_key(SITES["north"].key), CA.certificate, KEY.certificate)
    return Site("north", (), tmp_path / "state", "cpu", identity=identity, trust=TRUST)


def terms(version: int, cohort: tuple[str, ...] = NAMES, **change: Any) -> Terms:
    digest = Roster(
        "trial",
        version,
        NOW.isoformat(),
        {name: SITES[name].certificate.decode() for name in NAMES},
    ).digest
    return replace(Terms("trial", "run-1", 1, cohort, 4, digest), **change)


def test_a_hospital_without_identity_takes_part_in_no_sum(site: Site) -> None:
    for call in (
        lambda here: membership.accept(here, signed(1)),
        lambda here: membership.participation(here, "run-1", STUDY),
    ):
        with pytest.raises(SecureSumError, match="has no identity for secure sums"):
            call(replace(site, identity=NoIdentity()))


def test_without_a_roster_a_party_says_nothing(site: Site) -> None:
    with pytest.raises(
        SecureSumError,
        match="has no signed roster yet; the first question of a secure sum must bring it",
    ):
        membership.participation(site, "run-1", STUDY).agree([terms(1).encode()])


@pytest.mark.parametrize("signed_", [None, 3, "roster", []])
def test_a_roster_that_is_no_table(site: Site, signed_: object) -> None:
    with pytest.raises(SignatureError, match="not a table"):
        membership.accept(site, signed_)


def test_a_party_speaks_for_the_hospital_on_the_accepted_roster(site: Site) -> None:
    membership.accept(site, signed(2))
    participation = membership.participation(site, "run-1", STUDY)
    [advertised], _ = agreed(participation, [terms(2).encode()])
    advert = Advert.decode(advertised)
    assert advert.site == "north"
    with pytest.raises(SecureSumError, match="not about the signed roster"):
        participation.agree([terms(3, number=2).encode()])


def test_a_newer_roster_holds_for_the_next_sum_of_the_same_party(site: Site) -> None:
    membership.accept(site, signed(2))
    participation = membership.participation(site, "run-1", STUDY)
    participation.agree([terms(2).encode()])
    membership.accept(site, signed(3))
    with pytest.raises(SecureSumError, match="not about the signed roster"):
        participation.agree([terms(2, number=2).encode()])
    assert participation.agree([terms(3, number=2).encode()])


def test_a_hospital_off_the_roster_is_no_member_of_a_cohort(site: Site) -> None:
    membership.accept(site, signed(1, "north", "valley", "west"))
    digest = Roster(
        "trial",
        1,
        NOW.isoformat(),
        {n: SITES[n].certificate.decode() for n in ("north", "valley", "west")},
    ).digest
    with pytest.raises(SecureSumError, match="'east', which the signed roster does not hold"):
        membership.participation(site, "run-1", STUDY).agree([terms(1, roster=digest).encode()])


@pytest.mark.parametrize(("own", "study", "least"), [(3, 3, 3), (4, 3, 4), (3, 5, 5), (5, 4, 5)])
def test_the_stricter_of_policy_and_study_holds(
    site: Site, own: int, study: int, least: int
) -> None:
    membership.accept(site, signed(1))
    participation = membership.participation(
        replace(site, policy=Policy(min_cohort=own)),
        "run-1",
        replace(STUDY, secure_aggregation=SecureAggregation(enabled=True, min_cohort=study)),
    )
    for count in (3, 4, 5):
        cohort = tuple(name for name in NAMES if name in ("north", *NAMES[2:], "east"))[: count - 1]
        cohort = tuple(sorted({*cohort, "north"}))
        cohort = cohort if len(cohort) == count else tuple(sorted({*cohort, "west"}))
        asked = terms(1, cohort, number=count, threshold=count).encode()
        if count >= least:
            assert participation.agree([asked])
        else:
            with pytest.raises(
                SecureSumError,
                match=(
                    f"over {count} hospitals is proposed; this hospital's policy asks for {least}"
                ),
            ):
                participation.agree([asked])


def test_the_policy_s_colluders_raise_the_threshold(site: Site) -> None:
    membership.accept(site, signed(1))
    participation = membership.participation(
        replace(site, policy=Policy(colluders=3)), "run-1", STUDY
    )
    with pytest.raises(SecureSumError, match="threshold 4; 5 to 5 is allowed"):
        participation.agree([terms(1).encode()])
    assert participation.agree([terms(1, threshold=5).encode()])


def test_open_sums_lie_on_disk_in_a_simulation_over_processes_only(site: Site) -> None:
    membership.accept(site, signed(1))
    virtual = VirtualSite(site.name, (), site.state, identity=site.identity)
    for here, kind in (
        (site, SumsInProgress),
        (replace(virtual, resident=True), SumsInProgress),
        (virtual, SharedSumsInProgress),
    ):
        assert type(membership.participation(here, "run-1", STUDY)._sums_in_progress) is kind
