"""A hospital works on what its coordinator signed, and on nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from client.trust import Trust
from common.errors import SignatureError
from common.protocol.envelopes import Question
from common.study import study as studies
from common.trust import certificates, study_signature
from common.trust.study_signature import Statement
from tests import small

NOW = datetime.now(UTC)
CA = certificates.authority("chest-4", NOW, 3650)
SIGNER = certificates.signer(CA, "coordinator", NOW, 365)
TRUST = Trust("chest-4", SIGNER.certificate, CA.certificate)
STUDY = studies.parse(small.TABLE)


def sealed(key: bytes = SIGNER.key, **change: str) -> dict[str, Any]:
    statement = Statement(
        "chest-4", "run-1", STUDY.digest, NOW.isoformat(), (NOW + timedelta(days=7)).isoformat()
    )
    return study_signature.sign(replace(statement, **change), key)


def plan(seal: dict[str, Any]) -> Question:
    return Question("join", STUDY.to_table(), seal=seal)


def test_a_signed_study_is_admitted_under_its_run_s_name() -> None:
    assert TRUST.admit(plan(sealed()), STUDY).run == "run-1"


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
        TRUST.admit(plan(seal), STUDY)


def test_a_study_that_was_changed_on_the_way_is_not_admitted() -> None:
    changed = replace(
        STUDY, federation=replace(STUDY.federation, rounds=STUDY.federation.rounds + 1)
    )
    with pytest.raises(SignatureError, match="that of another study"):
        TRUST.admit(plan(sealed()), changed)


def test_a_hospital_of_another_consortium_does_not_admit_it() -> None:
    other = certificates.authority("chest-4", NOW, 3650)
    with pytest.raises(SignatureError, match="certificate is refused"):
        Trust("chest-4", SIGNER.certificate, other.certificate).admit(plan(sealed()), STUDY)
    with pytest.raises(SignatureError, match='this hospital belongs to "heart-2"'):
        Trust("heart-2", SIGNER.certificate, CA.certificate).admit(plan(sealed()), STUDY)


def test_a_hospital_s_own_certificate_signs_no_studies() -> None:
    key = certificates.private_key("identity")
    granted = certificates.grant(
        CA, certificates.request("north", key), "north", "identity", NOW, 30
    )
    with pytest.raises(SignatureError, match="certificate is refused"):
        Trust("chest-4", granted, CA.certificate).admit(plan(sealed(key)), STUDY)
