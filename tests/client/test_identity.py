"""Who this hospital speaks with.

The signed roster that it accepts, keeps, and never lets be turned back; and whose studies it works
on.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.identity import Identity, Trust, raw_key
from common.errors import CertificateError, SignatureError
from common.protocol.envelopes import Question
from common.secagg import primitives
from common.study import study as studies
from common.trust import certificates, study_signature
from common.trust import roster as rosters
from common.trust.roster import Roster
from common.trust.study_signature import Statement
from tests import small

NOW = datetime.now(UTC)
CA = certificates.authority("trial", NOW, 3650)
KEY, OTHER_KEY = (certificates.signer(CA, certificates.ROSTER, NOW, 365) for _ in range(2))
SITES = {name: certificates.signer(CA, name, NOW, 365) for name in ("north", "valley", "west")}
SIGNER = certificates.signer(CA, certificates.COORDINATOR, NOW, 365)
TRUST = Trust("trial", SIGNER.certificate, CA.certificate)
STUDY = studies.parse(small.TABLE)
ME = Identity("trial", raw_key(SITES["north"].key), CA.certificate, KEY.certificate)


def signed(
    version: int, *names: str, key: bytes = KEY.key, consortium: str = "trial"
) -> dict[str, Any]:
    sites = {name: SITES[name].certificate.decode() for name in names or SITES}
    return rosters.sign(Roster(consortium, version, NOW.isoformat(), sites), key)


def test_a_hospital_without_a_roster(tmp_path: Path) -> None:
    assert ME.roster(tmp_path / "nothing", NOW) is None


def test_a_roster_is_kept_and_its_keys_are_the_hospitals(tmp_path: Path) -> None:
    ME.accept(signed(3), tmp_path / "state", NOW)
    accepted = ME.roster(tmp_path / "state", NOW)
    assert accepted is not None and accepted.version == 3
    assert ME.keys(accepted, NOW) == {
        name: primitives.ed25519_public(raw_key(one.key)) for name, one in SITES.items()
    }
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_a_newer_one_takes_its_place_and_the_same_again_changes_nothing(tmp_path: Path) -> None:
    ME.accept(signed(3), tmp_path, NOW)
    before = (tmp_path / "roster.json").stat().st_mtime_ns
    ME.accept(signed(3), tmp_path, NOW)
    assert (tmp_path / "roster.json").stat().st_mtime_ns == before
    ME.accept(signed(4, "north", "valley"), tmp_path, NOW)
    accepted = ME.roster(tmp_path, NOW)
    assert accepted is not None and (accepted.version, list(accepted.sites)) == (
        4,
        ["north", "valley"],
    )


def _unsigned(table: dict[str, Any]) -> dict[str, Any]:
    return {"roster": table["roster"], "signature": ""}


def _added(table: dict[str, Any]) -> dict[str, Any]:
    guest = certificates.signer(CA, "guest", NOW, 365).certificate.decode()
    return {
        **table,
        "roster": {**table["roster"], "sites": {**table["roster"]["sites"], "guest": guest}},
    }


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (signed(2), "version 2, and version 3 was seen before"),
        (signed(3, "north", "valley"), "two different rosters of version 3"),
        (signed(4, key=OTHER_KEY.key), "not signed by the consortium's roster key"),
        (signed(4, consortium="other"), 'that of consortium "other"'),
        (_unsigned(signed(4)), "malformed"),
        (_added(signed(4)), "not signed by the consortium's roster key"),
        ({}, "not signed"),
        ({"roster": 3, "signature": "x"}, "malformed"),
    ],
)
def test_a_roster_that_is_refused_leaves_the_one_that_is_kept(
    tmp_path: Path, bad: dict[str, Any], words: str
) -> None:
    ME.accept(signed(3), tmp_path, NOW)
    before = (tmp_path / "roster.json").read_bytes()
    with pytest.raises(SignatureError, match=words):
        ME.accept(bad, tmp_path, NOW)
    assert (tmp_path / "roster.json").read_bytes() == before and sorted(
        p.name for p in tmp_path.iterdir()
    ) == ["roster.json"]


def test_a_key_newly_certified_by_the_authority_is_not_the_pinned_one(tmp_path: Path) -> None:
    """The authority's key is on the server: it could certify a roster key of its own."""
    with pytest.raises(SignatureError, match="not signed by the consortium's roster key"):
        ME.accept(signed(1, key=OTHER_KEY.key), tmp_path, NOW)
    other = Identity("trial", ME.key, CA.certificate, OTHER_KEY.certificate)
    other.accept(signed(1, key=OTHER_KEY.key), tmp_path, NOW)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b'{"roster": {}, "signature": "x"}', b"[" * 100_000]
)
def test_a_damaged_file_stops_the_hospital_and_is_not_replaced(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "roster.json").write_bytes(content)
    for call in (lambda: ME.roster(tmp_path, NOW), lambda: ME.accept(signed(9), tmp_path, NOW)):
        with pytest.raises(SignatureError):
            call()
    assert (tmp_path / "roster.json").read_bytes() == content


def test_a_kept_file_that_somebody_changed_is_refused(tmp_path: Path) -> None:
    ME.accept(signed(3), tmp_path, NOW)
    table = json.loads((tmp_path / "roster.json").read_text())
    table["roster"]["version"] = 1
    (tmp_path / "roster.json").write_text(json.dumps(table))
    with pytest.raises(SignatureError, match="not signed by"):
        ME.roster(tmp_path, NOW)


def test_a_hospital_whose_certificate_has_expired_has_no_key(tmp_path: Path) -> None:
    short = certificates.signer(CA, "valley", NOW, 1)
    sites = {name: one.certificate.decode() for name, one in {**SITES, "valley": short}.items()}
    ME.accept(rosters.sign(Roster("trial", 1, NOW.isoformat(), sites), KEY.key), tmp_path, NOW)
    later = NOW + timedelta(days=2)
    accepted = ME.roster(tmp_path, later)
    assert (
        accepted is not None
        and set(ME.keys(accepted, NOW)) == set(SITES)
        and set(ME.keys(accepted, later)) == {"north", "west"}
    )


def test_the_pinned_certificate_may_not_have_expired(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="roster key's certificate is refused"):
        ME.accept(signed(1), tmp_path, NOW + timedelta(days=400))


def test_the_raw_key(tmp_path: Path) -> None:
    assert len(ME.key) == 32 and repr(ME.key) not in repr(ME)
    for bad in (b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        with pytest.raises(CertificateError):
            raw_key(bad)


def test_another_kind_of_key_is_no_identity() -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    made = ec.generate_private_key(ec.SECP256R1())
    form = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(CertificateError, match="Ed25519"):
        raw_key(made.private_bytes(*form))


def test_the_public_key_is_that_of_the_key() -> None:
    assert ME.public == primitives.ed25519_public(ME.key)


def sealed(key: bytes = SIGNER.key, **change: str) -> dict[str, Any]:
    statement = Statement(
        "trial", "run-1", STUDY.digest, NOW.isoformat(), (NOW + timedelta(days=7)).isoformat()
    )
    return study_signature.sign(replace(statement, **change), key)


def question(seal: dict[str, Any]) -> Question:
    return Question("join", STUDY.to_table(), seal=seal)


def test_a_signed_study_is_admitted_under_its_run_s_name() -> None:
    assert TRUST.admit(question(sealed()), STUDY).run == "run-1"


@pytest.mark.parametrize(
    ("seal", "words"),
    [
        ({}, "The study is not signed"),
        (sealed(consortium="heart-2"), 'for consortium "heart-2"'),
        (sealed(study="ab" * 32), "that of another study"),
        (sealed(expires=(NOW - timedelta(minutes=1)).isoformat()), "expired on"),
        (sealed(issued=(NOW + timedelta(hours=1)).isoformat()), "signed in the future"),
        (
            sealed(certificates.signer(CA, "coordinator", NOW, 30).key),
            "not signed by the coordinator's key",
        ),
        ({**sealed(), "more": 1}, "a statement and a signature are expected"),
    ],
)
def test_anything_else_is_not(seal: dict[str, Any], words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        TRUST.admit(question(seal), STUDY)


def test_a_study_that_was_changed_on_the_way_is_not_admitted() -> None:
    changed = replace(
        STUDY, federation=replace(STUDY.federation, rounds=STUDY.federation.rounds + 1)
    )
    with pytest.raises(SignatureError, match="that of another study"):
        TRUST.admit(question(sealed()), changed)


def test_a_hospital_of_another_consortium_does_not_admit_it() -> None:
    other = certificates.authority("trial", NOW, 3650)
    with pytest.raises(SignatureError, match="certificate is refused"):
        Trust("trial", SIGNER.certificate, other.certificate).admit(question(sealed()), STUDY)
    with pytest.raises(SignatureError, match='this hospital belongs to "heart-2"'):
        Trust("heart-2", SIGNER.certificate, CA.certificate).admit(question(sealed()), STUDY)


def test_a_hospital_s_own_certificate_signs_no_studies() -> None:
    key = certificates.private_key("identity")
    granted = certificates.grant(
        CA, certificates.request("north", key), "north", "identity", NOW, 30
    )
    with pytest.raises(SignatureError, match="certificate is refused"):
        Trust("trial", granted, CA.certificate).admit(question(sealed(key)), STUDY)


def test_the_coordinator_s_key_is_known_by_its_fingerprint() -> None:
    own, others = rosters.fingerprint(SIGNER.certificate), rosters.fingerprint(KEY.certificate)
    assert TRUST.is_from((others, own)) and not TRUST.is_from((others,)) and not TRUST.is_from(())
    assert TRUST.asks_people
