"""Only the coordinator's signature over this very study, here and now, is accepted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.errors import CertificateError, SignatureError, WireError
from common.trust import certificates, study_signature
from common.trust.study_signature import Statement

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = certificates.authority("chest-4", NOW, 3650)
SIGNER = certificates.signer(CA, "coordinator", NOW, 365)
STATEMENT = Statement(
    "chest-4", "run-1", "ab" * 32, NOW.isoformat(), (NOW + timedelta(days=7)).isoformat()
)


def verify(
    sealed: Any,
    certificate: bytes = SIGNER.certificate,
    study: str = "ab" * 32,
    now: datetime = NOW,
) -> Statement:
    return study_signature.verify(sealed, certificate, CA.certificate, "chest-4", study, now)


def test_what_is_signed_is_verified() -> None:
    assert verify(study_signature.sign(STATEMENT, SIGNER.key)) == STATEMENT


def test_the_signed_bytes_are_fixed() -> None:
    """Another implementation must come to the same bytes."""
    statement = Statement("c", "r", "s", "i", "e")
    assert (
        statement.signed() == b"consilium study v1\0"
        b'{"consortium":"c","expires":"e","issued":"i","run":"r","study":"s"}'
    )


@pytest.mark.parametrize("field", ["consortium", "run", "study", "issued", "expires"])
def test_any_change_breaks_the_signature(field: str) -> None:
    sealed = study_signature.sign(STATEMENT, SIGNER.key)
    sealed["statement"][field] += "0"
    with pytest.raises(SignatureError, match="not signed by the coordinator's key"):
        verify(sealed)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"consortium": "heart-2"},
            r'for consortium "heart-2"; this hospital belongs to "chest-4"',
        ),
        ({"study": "cd" * 32}, "that of another study"),
        ({"issued": (NOW + timedelta(hours=1)).isoformat()}, "signed in the future"),
        ({"expires": (NOW - timedelta(seconds=1)).isoformat()}, "expired on 2026-03-01T11:59:59"),
        ({"expires": "soon"}, 'the time "soon"; ISO 8601'),
        ({"expires": "2027-01-01T00:00:00"}, "without a time zone"),
    ],
)
def test_a_true_signature_over_the_wrong_thing(change: dict[str, str], words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        verify(study_signature.sign(replace(STATEMENT, **change), SIGNER.key))


def test_a_hospital_cannot_sign_for_the_coordinator() -> None:
    key = certificates.private_key("identity")
    certificate = certificates.grant(
        CA, certificates.request("north", key), "north", "identity", NOW, 365
    )
    with pytest.raises(SignatureError, match=r'made for "north"; "coordinator" is needed'):
        verify(study_signature.sign(STATEMENT, key), certificate)


def test_another_consortiums_coordinator_is_refused() -> None:
    other = certificates.signer(
        certificates.authority("chest-4", NOW, 3650), "coordinator", NOW, 365
    )
    with pytest.raises(SignatureError, match="not issued by this consortium"):
        verify(study_signature.sign(STATEMENT, other.key), other.certificate)
    with pytest.raises(SignatureError, match="not signed by the coordinator's key"):
        verify(study_signature.sign(STATEMENT, other.key))


def test_an_expired_coordinator_is_refused() -> None:
    with pytest.raises(SignatureError, match="expired on 2027-03-01"):
        verify(study_signature.sign(STATEMENT, SIGNER.key), now=NOW + timedelta(days=400))


@pytest.mark.parametrize(
    "sealed",
    [
        {},
        [],
        None,
        {"statement": {}, "signature": ""},
        {"statement": [], "signature": ""},
        {"statement": STATEMENT.__dict__ | {"more": "x"}, "signature": ""},
        {"statement": STATEMENT.__dict__ | {"run": 1}, "signature": ""},
        {"statement": STATEMENT.__dict__ | {"run": "x" * 300}, "signature": ""},
        {"statement": STATEMENT.__dict__, "signature": 5},
        {"statement": STATEMENT.__dict__, "signature": "*"},
        {"statement": STATEMENT.__dict__, "signature": "é"},
        {"statement": STATEMENT.__dict__, "signature": "AAAA"},
        {"statement": STATEMENT.__dict__ | {"run": "\ud800"}, "signature": "AAAA"},
    ],
)
def test_malformed(sealed: Any) -> None:
    with pytest.raises(SignatureError):
        verify(sealed)


def test_a_tls_key_does_not_sign_studies() -> None:
    with pytest.raises(CertificateError, match="Ed25519"):
        study_signature.sign(STATEMENT, certificates.private_key("tls"))
    assert issubclass(SignatureError, WireError)
