"""Who is on a roster is what the pinned roster key has signed, and nothing else."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from common.errors import CertificateError, SignatureError
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.certificates import Credential
from common.trust.roster import Roster

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CA = certificates.authority("chest-4", NOW, 3650)
KEY = certificates.signer(CA, "roster", NOW, 3650)
OTHER_CA = certificates.authority("chest-4", NOW, 3650)


def identity(name: str, ca: Credential = CA, days: int = 365, key: bytes | None = None) -> str:
    asked = certificates.request(name, key or certificates.private_key("identity"))
    return certificates.grant(ca, asked, name, "identity", NOW, days).decode()


SITES = {name: identity(name) for name in ("valley", "north", "harbour")}
ROSTER = Roster("chest-4", 3, NOW.isoformat(), SITES)
SIGNED = rosters.sign(ROSTER, KEY.key)


def verify(
    signed: Any,
    now: datetime = NOW,
    pinned: bytes = KEY.certificate,
    least: int = 0,
    consortium: str = "chest-4",
) -> Roster:
    return rosters.verify(signed, pinned, CA.certificate, consortium, now, least)


def resigned(**changes: Any) -> dict[str, Any]:
    """A roster with the right signature and something wrong in it."""
    return rosters.sign(replace(ROSTER, **changes), KEY.key)


def test_a_signed_roster_makes_a_full_turn() -> None:
    roster = verify(rosters.loads(rosters.dumps(SIGNED)), least=3)
    assert roster == ROSTER and roster.digest == ROSTER.digest and len(roster.digest) == 32
    assert list(roster.sites) == ["harbour", "north", "valley"]
    assert hash(roster) == hash(ROSTER)


def test_the_digest_is_of_all_that_is_signed() -> None:
    changes: list[dict[str, Any]] = [
        {"version": 4},
        {"consortium": "x"},
        {"issued": "x"},
        {"sites": {}},
    ]
    others = [replace(ROSTER, **change) for change in changes]
    assert len({ROSTER.digest, *(other.digest for other in others)}) == 5
    assert replace(ROSTER, sites=dict(reversed(SITES.items()))).digest == ROSTER.digest


def test_keys_are_those_of_the_certificates() -> None:
    public_keys = rosters.keys(ROSTER, CA.certificate, NOW)
    assert set(public_keys) == set(SITES)
    for name, raw in public_keys.items():
        assert (
            raw
            == x509.load_pem_x509_certificate(SITES[name].encode()).public_key().public_bytes_raw()
        )  # type: ignore[union-attr]


def test_an_expired_hospital_is_unusable_and_the_roster_stays_good() -> None:
    signed = resigned(sites={**SITES, "south": identity("south", days=10)})
    for days, usable in ((0, {*SITES, "south"}), (11, set(SITES)), (366, set())):
        later = NOW + timedelta(days=days)
        assert set(rosters.keys(verify(signed, later), CA.certificate, later)) == usable


@pytest.mark.parametrize("text", ["signature", "consortium", "version", "issued", "sites", "swap"])
def test_any_change_after_the_signing_is_noticed(text: str) -> None:
    signed = deepcopy(SIGNED)
    inner = signed["roster"]
    if text == "signature":
        raw = bytearray(base64.b64decode(signed["signature"]))
        raw[7] ^= 1
        signed["signature"] = base64.b64encode(raw).decode()
    elif text == "swap":
        inner["sites"]["north"] = identity("north")
    else:
        new = {
            "consortium": "chest-5",
            "version": 4,
            "issued": (NOW + timedelta(1)).isoformat(),
            "sites": {"north": SITES["north"]},
        }
        inner[text] = new[text]
    with pytest.raises(SignatureError, match="is not signed by the consortium's roster key"):
        verify(signed)


def test_only_the_pinned_key_counts() -> None:
    """Whoever rules the server has the authority's key and can certify a second roster key.

    It opens nothing.
    """
    second = certificates.signer(CA, "roster", NOW, 3650)
    with pytest.raises(SignatureError, match="not signed by the consortium's roster key"):
        verify(rosters.sign(ROSTER, second.key))
    coordinator = certificates.signer(CA, "coordinator", NOW, 3650)
    with pytest.raises(SignatureError, match='made for "coordinator"; "roster" is needed'):
        verify(rosters.sign(ROSTER, coordinator.key), pinned=coordinator.certificate)


def test_a_signature_for_another_purpose_does_not_fit() -> None:
    key: Any = load_pem_private_key(KEY.key, None)
    content = ROSTER.signed().partition(b"\0")[2]
    for blob in (content, b"consilium study v1\0" + content):
        with pytest.raises(SignatureError, match="not signed by"):
            verify({**SIGNED, "signature": base64.b64encode(key.sign(blob)).decode()})


@pytest.mark.parametrize(
    ("pinned", "days", "words"),
    [
        (KEY.certificate, 3651, "roster key's certificate is refused: .* expired"),
        (
            certificates.signer(OTHER_CA, "roster", NOW, 10).certificate,
            0,
            "refused: .* not issued by this consortium",
        ),
        (b"nonsense", 0, "refused: A certificate is damaged"),
        (certificates.server(CA, "roster", NOW, 10).certificate, 0, "has no Ed25519 key"),
    ],
)
def test_a_pinned_certificate_that_cannot_be_used(pinned: bytes, days: int, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        verify(SIGNED, NOW + timedelta(days=days), pinned)


def test_another_consortium_and_an_older_version() -> None:
    with pytest.raises(SignatureError, match='that of consortium "chest-4"; that of "heart"'):
        verify(SIGNED, consortium="heart")
    with pytest.raises(
        SignatureError,
        match="has version 3, and version 4 was seen before; an older one is refused",
    ):
        verify(SIGNED, least=4)


SHARED = certificates.private_key("identity")


@pytest.mark.parametrize(
    ("site", "certificate", "words"),
    [
        ("south", "nonsense", 'of "south" is refused: A certificate is damaged'),
        ("south", SITES["north"].replace("A", "B", 3), 'of "south" is refused'),
        (
            "south",
            identity("south", OTHER_CA),
            'of "south" is refused: .* not issued by this consortium',
        ),
        ("south", CA.certificate.decode(), "an authority's"),
        ("south", identity("east"), 'of "south" is refused: it was made for "east"'),
        ("South", identity("south"), 'of "South" is refused: it was made for "south"'),
        (
            "south",
            certificates.server(CA, "south", NOW, 10).certificate.decode(),
            "wrong kind for identity",
        ),
        (
            "south",
            certificates.grant(
                CA,
                certificates.request("south", certificates.private_key("tls")),
                "south",
                "client",
                NOW,
                9,
            ).decode(),
            "wrong kind for identity",
        ),
    ],
)
def test_a_certificate_that_does_not_belong_there(site: str, certificate: str, words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        verify(resigned(sites={**SITES, site: certificate}))


def test_one_key_under_two_names() -> None:
    twins = {name: identity(name, key=SHARED) for name in ("east", "west")}
    with pytest.raises(SignatureError, match='gives "east" and "west" one key'):
        verify(resigned(sites=twins))


@pytest.mark.parametrize(
    ("signed", "words"),
    [
        (None, "not signed"),
        ({}, "not signed"),
        ({"roster": SIGNED["roster"]}, "not signed"),
        ({**SIGNED, "key": "x"}, "not signed"),
        ({**SIGNED, "roster": []}, "malformed"),
        (
            {**SIGNED, "roster": {**SIGNED["roster"], "more": 1}},
            "malformed: it must hold consortium, issued, sites, version",
        ),
        ({**SIGNED, "roster": {**SIGNED["roster"], "sites": ["north"]}}, "malformed"),
        ({**SIGNED, "roster": {**SIGNED["roster"], "sites": {}}}, "0 hospitals"),
        (
            {
                **SIGNED,
                "roster": {**SIGNED["roster"], "sites": {f"s{i}": "x" for i in range(1001)}},
            },
            "has 1001 hospitals; 1 to 1000",
        ),
        (
            {
                **SIGNED,
                "roster": {**SIGNED["roster"], "sites": {f"s{i}": "x" * 8000 for i in range(200)}},
            },
            "bytes; at most 1048576",
        ),
        (
            {**SIGNED, "roster": {**SIGNED["roster"], "sites": {"north": "x" * 8193}}},
            "malformed: texts",
        ),
        ({**SIGNED, "roster": {**SIGNED["roster"], "sites": {"north": "é"}}}, "malformed: texts"),
        ({**SIGNED, "roster": {**SIGNED["roster"], "sites": {"north": 1}}}, "malformed: texts"),
        ({**SIGNED, "roster": {**SIGNED["roster"], "sites": {"": "x"}}}, "malformed: texts"),
        ({**SIGNED, "roster": {**SIGNED["roster"], "version": 0}}, "its version must be"),
        ({**SIGNED, "roster": {**SIGNED["roster"], "version": True}}, "its version must be"),
        ({**SIGNED, "roster": {**SIGNED["roster"], "version": 3.0}}, "its version must be"),
        (
            {**SIGNED, "roster": {**SIGNED["roster"], "issued": "yesterday"}},
            'the time "yesterday"; ISO 8601',
        ),
        (
            {**SIGNED, "roster": {**SIGNED["roster"], "issued": "2026-03-01T12:00:00"}},
            "without a time zone",
        ),
        ({**SIGNED, "roster": {**SIGNED["roster"], "consortium": "\ud800"}}, "not signed by"),
        ({**SIGNED, "signature": "§"}, "not base64"),
        ({**SIGNED, "signature": 7}, "not base64"),
        ({**SIGNED, "signature": ""}, "not base64"),
        ({**SIGNED, "signature": "AAAA"}, "not signed by"),
    ],
)
def test_what_is_no_signed_roster(signed: Any, words: str) -> None:
    with pytest.raises(SignatureError, match=words) as caught:
        verify(signed)
    assert str(caught.value).count("\n") == 0 and len(str(caught.value)) < 400


def test_what_nobody_would_accept_is_not_signed() -> None:
    with pytest.raises(CertificateError, match="signed with an Ed25519 key"):
        rosters.sign(ROSTER, certificates.private_key("tls"))
    with pytest.raises(SignatureError, match="0 hospitals"):
        rosters.sign(replace(ROSTER, sites={}), KEY.key)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff", b"[" * 200_000, b"x" * (1 << 22)],
    ids=["nothing", "half", "list", "bytes", "deep", "large"],
)
def test_files_that_are_no_roster(content: bytes) -> None:
    with pytest.raises(SignatureError, match=r"is damaged|bytes; at most"):
        rosters.loads(content)


def test_a_thousand_hospitals_fit() -> None:
    sites = {f"hospital-{i:04}-{'x' * 40}": SITES["north"] for i in range(1000)}
    signed = rosters.sign(replace(ROSTER, sites=sites), KEY.key)
    assert len(json.dumps(signed)) < 1 << 20
    assert rosters.loads(rosters.dumps(signed)) == signed


def test_a_fingerprint_is_the_key_s_in_whatever_document() -> None:
    key = certificates.private_key("identity")
    documents = [
        identity("north", key=key).encode(),
        identity("north", days=9, key=key).encode(),
        certificates.public_bytes(key),
    ]
    [fingerprint] = {
        rosters.fingerprint(document)
        for document in [*documents, certificates.request("south", key)]
    }
    groups = fingerprint.split(" ")
    assert len(groups) == 6 and all(len(group) == 5 and group.isdecimal() for group in groups)
    many = {
        rosters.fingerprint(certificates.public_bytes(certificates.private_key("identity")))
        for _ in range(50)
    }
    assert len(many) == 50 and fingerprint not in many
    with pytest.raises(CertificateError, match="damaged"):
        rosters.fingerprint(b"nonsense")


def test_a_fingerprint_stays_what_it_is() -> None:
    """Written down and compared years later: RFC 8032 section 7.1, the public key of test 1."""
    der = bytes.fromhex(
        "302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    )
    document = (
        b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"
    )
    assert rosters.fingerprint(document) == "41684 59858 35932 34540 72862 75644"
