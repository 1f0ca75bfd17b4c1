"""Hospitals as each other's witnesses.

What they keep, what they note, and that nobody's bad head stops another hospital.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client.audit import log as audit_log
from client.audit import verification, witness
from client.site import Site
from client.virtual_site import VirtualSite
from common.errors import SecureSumError
from common.trust import tree_heads
from common.trust.tree_heads import Head
from tests.client import record


@pytest.fixture
def north(tmp_path: Path) -> Site:
    return record.site(tmp_path, "north")


@pytest.fixture
def south(tmp_path: Path) -> Site:
    return record.site(tmp_path, "south")


def events(site: Site) -> list[dict[str, Any]]:
    return [line for line in record.lines(site.state) if "event" in line]


def head_of(site: Site, number: int = 1) -> dict[str, Any]:
    return witness.sign(site, "run-1", number)


def forged(site: Site, **changes: Any) -> dict[str, Any]:
    """A head that the hospital signs although it is not its record's."""
    return tree_heads.sign(replace(tree_heads.read(head_of(site)), **changes), site.identity.key)


def test_a_head_is_over_the_record_as_it_is_and_is_kept_before_it_leaves(north: Site) -> None:
    record.fill(north.state, 7)
    signed = head_of(north, 3)
    assert (signed["size"], signed["root"]) == audit_log.head(north.state) and signed["size"] == 7
    assert (signed["site"], signed["consortium"], signed["run"], signed["round"]) == (
        "north",
        "trial",
        "run-1",
        3,
    )
    assert (
        witness.own(north.state) == [signed]
        and (north.state / witness.OWN).stat().st_mode & 0o777 == 0o600
    )


def test_a_hospital_without_an_identity_signs_and_keeps_nothing(
    tmp_path: Path, south: Site
) -> None:
    site = VirtualSite("north", (), tmp_path / "plain", keeps_record=False)
    with pytest.raises(SecureSumError, match="has no identity"):
        witness.sign(site, "", 1)
    witness.take(site, {"south": head_of(south)}, "")
    assert not site.state.exists()


def test_the_newest_head_of_another_hospital_is_kept_and_noted(north: Site, south: Site) -> None:
    record.fill(south.state, 3)
    first = head_of(south)
    witness.take(north, {"south": first}, "run-1")
    record.fill(south.state, 2)
    second = head_of(south, 2)
    for brought in (second, first, second):  # an old one that comes again is no news
        witness.take(north, {"south": brought}, "run-1")
    assert witness.others(north.state) == {"south": second}
    assert [line["heads"] for line in events(north)] == [
        {"south": [3, first["root"]]},
        {"south": [5, second["root"]]},
    ]
    assert verification.verify(north.state).wrong == []


def test_a_hospital_that_rewrites_its_past_is_caught_and_both_heads_stay(
    north: Site, south: Site
) -> None:
    record.fill(south.state, 5)
    first = head_of(south)
    witness.take(north, {"south": first}, "run-1")
    other = forged(south, root="cd" * 32)
    shorter = forged(south, size=4, root="ef" * 32, at="2999-01-01T00:00:00+00:00")
    witness.take(north, {"south": other}, "run-1")
    witness.take(north, {"south": shorter}, "run-2")
    assert witness.others(north.state) == {"south": first}
    noted = [line for line in events(north) if line["event"] == "history rewritten"]
    assert [(line["site"], line["run"], line["reason"]) for line in noted] == [
        ("south", "run-1", "two different records of 5 entries"),
        ("south", "run-2", "a record of 5 entries became one of 4"),
    ]
    evidence = [
        json.loads(line) for line in (north.state / witness.EVIDENCE).read_text().splitlines()
    ]
    assert [(pair["one"], pair["two"]) for pair in evidence] == [(first, other), (first, shorter)]
    for pair in evidence:
        assert all(
            tree_heads.verify(pair[side], record.public("south"), "trial").site == "south"
            for side in ("one", "two")
        )


def test_a_head_that_the_server_changed_or_passes_on_under_another_name_is_refused_and_noted(
    north: Site, south: Site
) -> None:
    record.fill(south.state, 5)
    true = head_of(south)
    for brought in (
        true | {"size": 6},
        true | {"root": "cd" * 32},
        true | {"site": "north"},
        {"size": 3},
        7,
        None,
        {},
    ):
        witness.take(north, {"south": brought}, "run-1")
    witness.take(north, {"north": true}, "run-1")
    assert (
        witness.others(north.state) == {}
        and {line["event"] for line in events(north)} == {"head refused"}
        and len(events(north)) == 8
    )


def test_a_hospital_that_is_not_on_the_roster_is_passed_over(north: Site, south: Site) -> None:
    record.fill(south.state, 1)
    witness.take(north, {"west": head_of(south), "": 3}, "run-1")
    assert not (north.state / audit_log.NAME).exists()


@pytest.mark.parametrize("brought", [None, 3, "x", [], [1], {}])
def test_a_question_without_heads_changes_nothing(north: Site, brought: Any) -> None:
    witness.take(north, brought, "run-1")
    assert not (north.state / audit_log.NAME).exists()


def test_own_heads_that_come_back_as_they_left_are_no_news(north: Site) -> None:
    record.fill(north.state, 2)
    signed = [head_of(north, number) for number in (1, 2)]
    for one in signed:
        witness.take(north, {"north": json.loads(json.dumps(one, sort_keys=True))}, "run-1")
    assert events(north) == []


def test_a_head_with_our_key_that_we_never_signed_is_noted(north: Site) -> None:
    record.fill(north.state, 2)
    assert north.identity is not None
    strange = tree_heads.sign(
        Head("north", "trial", "run-1", 1, 9, "cd" * 32, "2026-03-01T12:00:00+00:00"),
        north.identity.key,
    )
    witness.take(north, {"north": strange}, "run-1")
    assert [line["event"] for line in events(north)] == ["unknown own head"]


def test_a_folder_that_was_set_back_is_noticed_by_the_head_that_comes_back(north: Site) -> None:
    record.fill(north.state, 4)
    before = {path.name: path.read_bytes() for path in north.state.iterdir()}
    record.fill(north.state, 4)
    signed = head_of(north)
    (north.state / witness.OWN).unlink()
    for name, content in before.items():
        (north.state / name).write_bytes(content)
    assert verification.verify(north.state).wrong == []  # by itself it looks whole
    witness.take(north, {"north": signed}, "run-1")
    assert [line["event"] for line in events(north)] == ["unknown own head"]
    assert verification.verify(north.state, held=signed).wrong


def test_half_a_line_of_a_machine_without_power_is_cut(north: Site) -> None:
    record.fill(north.state, 1)
    first = head_of(north)
    with (north.state / witness.OWN).open("ab") as file:
        file.write(b'{"site": "nor')
    second = head_of(north, 2)
    assert witness.own(north.state) == [first, second] and witness.damaged(north.state) == 0


def test_damaged_heads_of_others_are_begun_anew(north: Site, south: Site) -> None:
    record.fill(south.state, 1)
    signed = head_of(south)
    for junk in (b"{", b"[]", b"\xff", b'{"south": 3}', b'{"south": {"size": 1}}'):
        (north.state / witness.OTHERS).write_bytes(junk)
        witness.take(north, {"south": signed}, "run-1")
        assert witness.others(north.state) == {"south": signed}
