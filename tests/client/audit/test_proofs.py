"""Proofs for a third party, who has one file and the consortium's authority or roster,
and nothing of the hospital.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client.audit import proofs, witness
from client.site import Site
from common.errors import InputError
from common.trust import certificates
from common.trust import roster as rosters
from tests.client import record

SIZES = (1, 4, 7, 12, 13)


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A hospital that signed heads over 1, 4, 7, 12 and 13 entries."""
    site = record.site(tmp_path_factory.mktemp("proofs"))
    last = 0
    for size in SIZES:
        record.fill(site.state, size - last)
        witness.sign(site, "run-1", size)
        last = size
    return site


@pytest.fixture(scope="module")
def certificate() -> bytes:
    return record.keys().sites["north"].certificate


@pytest.fixture(scope="module")
def ca() -> bytes:
    return record.keys().authority.certificate


def entry(north: Site, number: int, certificate: bytes) -> dict[str, Any]:
    """As it comes out of a file."""
    made: dict[str, Any] = json.loads(
        json.dumps(proofs.entry(north.state, number, witness.own(north.state)[-1], certificate))
    )
    return made


def test_every_entry_is_proved(north: Site, certificate: bytes, ca: bytes) -> None:
    lines = record.lines(north.state)
    for number in range(13):
        facts = proofs.check(entry(north, number, certificate), ca)
        assert (facts["site"], facts["consortium"], facts["number"], facts["size"]) == (
            "north",
            "trial",
            number,
            13,
        )
        assert facts["entry"] == lines[number]


def test_the_roster_does_instead_of_the_authority(north: Site, certificate: bytes) -> None:
    roster = rosters.dumps(record.signed_roster())
    assert (
        proofs.check(entry(north, 3, certificate), roster)["entry"]["round"]
        == record.lines(north.state)[3]["round"]
    )
    other = record.signed_roster()
    other["roster"]["sites"].pop("north")
    with pytest.raises(InputError, match="does not list 'north'"):
        proofs.check(entry(north, 3, certificate), rosters.dumps(other))


def test_a_proof_holds_nothing_but_what_it_needs(north: Site, certificate: bytes) -> None:
    proof = entry(north, 3, certificate)
    assert (
        set(proof) == {"form", "entry", "number", "path", "head", "certificate"}
        and len(proof["path"]) == 4
    )
    assert len(json.dumps(proof)) < 4000 and "PRIVATE" not in json.dumps(proof)


def swapped(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def test_a_changed_proof_does_not_hold(north: Site, certificate: bytes, ca: bytes) -> None:
    proof = entry(north, 3, certificate)
    line = base64.b64decode(proof["entry"])
    changes: list[dict[str, Any]] = [
        {"entry": base64.b64encode(line.replace(b'"round": ', b'"round": 1')).decode()},
        {"number": 4},
        {"path": [swapped(proof["path"][0]), *proof["path"][1:]]},
        {"path": proof["path"][:-1]},
        {"head": proof["head"] | {"root": swapped(proof["head"]["root"])}},
        {"head": proof["head"] | {"size": 12}},
        {"head": proof["head"] | {"at": "2031-01-01T00:00:00+00:00"}},
        {"certificate": record.keys().sites["south"].certificate.decode()},
    ]
    for change in changes:
        with pytest.raises(InputError, match="does not hold"):
            proofs.check(proof | change, ca)


def test_another_consortium_s_authority_does_not_vouch(north: Site, certificate: bytes) -> None:
    stranger = certificates.authority("trial", record.NOW, 3650).certificate
    with pytest.raises(InputError, match="does not hold"):
        proofs.check(entry(north, 3, certificate), stranger)


def test_growth_between_any_two_signed_heads(north: Site, certificate: bytes, ca: bytes) -> None:
    for old in SIZES:
        for new in (size for size in SIZES if size >= old):
            proof = json.loads(json.dumps(proofs.growth(north.state, old, new, certificate)))
            facts = proofs.check(proof, ca)
            assert (facts["site"], facts["old"], facts["new"]) == ("north", old, new)
            if old < new:
                with pytest.raises(InputError, match="did not grow"):
                    proofs.check(proof | {"old": proof["new"], "new": proof["old"]}, ca)
                with pytest.raises(InputError, match="did not grow"):
                    proofs.check(
                        proof | {"path": [swapped(proof["path"][0]), *proof["path"][1:]]}, ca
                    )


def test_a_rewritten_record_cannot_be_proved_to_have_grown(
    tmp_path: Path, certificate: bytes, ca: bytes
) -> None:
    site = record.site(tmp_path)
    record.fill(site.state, 5)
    witness.sign(site, "run-1", 1)
    (site.state / "journal.jsonl").unlink()
    record.fill(site.state, 9)
    witness.sign(site, "run-1", 2)
    with pytest.raises(InputError, match="did not grow"):
        proofs.check(proofs.growth(site.state, 5, 9, certificate), ca)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [(2, 7, "over 2 entries; near it there are: 1, 4, 7"), (7, 4, "smaller one first")],
)
def test_growth_that_cannot_be_proved_is_said(
    north: Site, certificate: bytes, old: int, new: int, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        proofs.growth(north.state, old, new, certificate)


@pytest.mark.parametrize("number", [-1, 13, 10**9])
def test_an_entry_that_is_not_there_is_said(north: Site, certificate: bytes, number: int) -> None:
    with pytest.raises(InputError, match="entries 0 to 12"):
        entry(north, number, certificate)


JUNK = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.lists(st.integers() | st.text(max_size=4), max_size=3)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_junk_is_a_typed_error(
    north: Site, certificate: bytes, ca: bytes, data: st.DataObject
) -> None:
    proof = data.draw(
        st.sampled_from(
            [entry(north, 3, certificate), proofs.growth(north.state, 4, 7, certificate)]
        )
    )
    field = data.draw(st.sampled_from(sorted(proof)))
    value = data.draw(JUNK)
    with pytest.raises(InputError):
        proofs.check(proof | {field: value}, ca)
    inner = "head" if "head" in proof else "new"
    key = data.draw(st.sampled_from(sorted(proof[inner])))
    if value != proof[inner][key]:
        with pytest.raises(InputError):
            proofs.check(proof | {inner: proof[inner] | {key: value}}, ca)


@pytest.mark.parametrize(
    "proof",
    [
        None,
        3,
        [],
        {},
        {"form": 3},
        {"form": []},
        {"form": "consilium proof 1"},
        {"form": "consilium growth 1"},
    ],
)
def test_what_is_no_proof_is_said(proof: Any, ca: bytes) -> None:
    with pytest.raises(InputError):
        proofs.check(proof, ca)
