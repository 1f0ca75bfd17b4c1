"""Statements are signed over exact bytes, each kind under its own words, and checked once."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from common.errors import CertificateError, SignatureError
from common.sentences.table import say
from common.trust import certificates, keys, statements, study_signature, tree_heads
from common.trust import roster as rosters
from common.trust.roster import Roster
from common.trust.statements import StatementKind
from common.trust.study_signature import Statement
from common.trust.tree_heads import Head

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SEED = bytes(range(32))
PEM = keys.private_pem(Ed25519PrivateKey.from_private_bytes(SEED))
CA = certificates.authority("chest-4", NOW, 3650)
SIGNER = certificates.signer(CA, "coordinator", NOW, 365)
SAID = {
    "unsigned": say("signature.unsigned"),
    "foreign": say("signature.key"),
    "refused": say("signature.certificate"),
}
KIND = StatementKind(
    b"consilium test v1\0", "letter", "words", "coordinator", "coordinator", "test key", **SAID
)
FIELDS = {"b": "2", "a": 1}


def test_signatures_made_by_earlier_versions_still_hold() -> None:
    """Ed25519 draws nothing: the same fields and key give the same 64 bytes for ever."""
    head = Head("north", "trial", "run-1", 3, 41, "ab" * 32, "2026-03-01T12:00:00+00:00")
    roster = Roster("c", 3, "2026-03-01T12:00:00+00:00", {"south": "S", "north": "N"})
    made = (
        study_signature.sign(Statement("c", "r", "s", "i", "e"), PEM),
        rosters.sign(roster, PEM),
        tree_heads.sign(head, SEED),
    )
    assert [one["signature"] for one in made] == [
        "amYhpTCSyztgmIOaCZqqRu3gYhqzn/k4/NcAqlTIJl4wEJddd1DGsbAjW3BE1TwJ1UMtU2b9MY21l2P1f23mAw==",
        "QYNEMWdU0zZ93RKy8uXP5xHnv0l8CxobO/CqPN1Q93eCXOArd7osY45sXo9o1jpaMCqsTw0+3KVj1Eb7D9/uBA==",
        "i/lKlmHotW15PqkEbjQqUDxRh8mjjqUH2HzsTprkhxle44XsDzwjZ7p6L3ab+FG8A/Zhm3KyjTVJUDmRl37RAw==",
    ]


def test_the_signed_bytes_are_the_context_and_canonical_json() -> None:
    assert (
        statements.signed(b"c\0", {"b": "é", "a": {"z": 1, "y": 2}})
        == b'c\0{"a":{"y":2,"z":1},"b":"\\u00e9"}'
    )


def test_a_sealed_statement_is_opened_and_holds() -> None:
    sealed = KIND.seal(FIELDS, SIGNER.key)
    inner, signature = KIND.opened(sealed, ("a", "b"))
    KIND.check(inner, signature, KIND.signer(SIGNER.certificate, CA.certificate, NOW))
    assert inner == FIELDS


def test_a_signature_fits_neither_other_fields_nor_another_kind_nor_another_key() -> None:
    key = statements.public_key(SIGNER.certificate)
    signature = base64.b64decode(KIND.seal(FIELDS, SIGNER.key)["signature"])
    other = StatementKind(
        b"consilium test v2\0", "letter", "words", "coordinator", "coordinator", "test key", **SAID
    )
    KIND.check(FIELDS, signature, key)
    for kind, fields, public in (
        (KIND, FIELDS | {"a": 2}, key),
        (other, FIELDS, key),
        (
            KIND,
            FIELDS,
            statements.public_key(certificates.signer(CA, "coordinator", NOW, 365).certificate),
        ),
    ):
        with pytest.raises(SignatureError, match="The letter is not signed by the test key"):
            kind.check(fields, signature, public)


@pytest.mark.parametrize(
    ("sealed", "words"),
    [
        (None, "a words and a signature"),
        ({"words": FIELDS}, "a words and a signature"),
        ({"words": FIELDS, "signature": "", "more": 1}, "a words and a signature"),
        ({"words": [], "signature": ""}, "must hold a, b"),
        ({"words": {"a": 1}, "signature": ""}, "must hold a, b"),
        ({"words": FIELDS, "signature": 5}, "not base64"),
        ({"words": FIELDS, "signature": ""}, "not base64"),
        ({"words": FIELDS, "signature": "*"}, "not base64"),
        ({"words": FIELDS, "signature": "A" * 260}, "not base64"),
    ],
)
def test_another_form_is_refused(sealed: Any, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        KIND.opened(sealed, ("a", "b"))


def test_only_a_certificate_of_this_signer_that_is_valid_now_counts() -> None:
    other = certificates.authority("chest-4", NOW, 3650)
    for certificate, now, words in (
        (certificates.signer(CA, "roster", NOW, 365).certificate, NOW, 'made for "roster"'),
        (
            certificates.signer(other, "coordinator", NOW, 365).certificate,
            NOW,
            "not issued by this consortium",
        ),
        (SIGNER.certificate, NOW + timedelta(days=400), "expired"),
        (certificates.server(CA, "coordinator", NOW, 365).certificate, NOW, "has no Ed25519 key"),
    ):
        with pytest.raises(SignatureError, match=words):
            KIND.signer(certificate, CA.certificate, now)


def test_a_raw_key_signs_and_checks() -> None:
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    signature = statements.sign(b"x", SEED)
    assert statements.holds(b"x", signature, public)
    for content, sent, key in (
        (b"y", signature, public),
        (b"x", "*", public),
        (b"x", None, public),
        (b"x", signature, b"short"),
    ):
        assert not statements.holds(content, sent, key)


def test_keys_of_another_kind_are_refused() -> None:
    tls = certificates.private_key("tls")
    with pytest.raises(CertificateError, match="the right one"):
        statements.seed(tls, "Give the right one.")
    with pytest.raises(CertificateError, match="not an Ed25519 key"):
        statements.public_key(certificates.public_bytes(tls))
    assert statements.seed(PEM, "") == SEED


@pytest.mark.parametrize(
    ("text", "words"),
    [("soon", 'the time "soon"; ISO 8601'), ("2026-03-01T12:00:00", "without a time zone")],
)
def test_a_time_has_a_zone(text: str, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        statements.moment(text, "letter")
    assert statements.moment(NOW.isoformat(), "letter") == NOW
