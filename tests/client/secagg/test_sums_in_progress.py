"""Open sums: a few, in memory; secrets are gone once a sum was opened.

A simulation over processes finds what another one left.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from client.secagg.sums_in_progress import SharedSumsInProgress, SumsInProgress
from common.errors import SecureSumError
from common.protocol.envelopes import Question, Reply
from common.secagg.messages import SumSpec, Terms
from common.secagg.participant_state import Fresh, ParticipantState
from tests.server.parties import Hospital, World

SPEC = SumSpec("train", 2, "", b"m" * 32, "layout", 8, 32, 20, 32.0, ("weight",), 100)


def state(number: int, step: str = "advertised") -> ParticipantState:
    fresh = Fresh(*(bytes([number, i]) * 16 for i in range(1, 5)))
    return ParticipantState(
        step, Terms("c", "run", number, ("a", "b", "c"), 3, bytes(32)), {"a": bytes(32)}, fresh, {}
    )


@pytest.fixture(params=["memory", "shared"])
def sums_in_progress(request: pytest.FixtureRequest, tmp_path: Path) -> SumsInProgress:
    return (
        SumsInProgress() if request.param == "memory" else SharedSumsInProgress(tmp_path / "state")
    )


def test_without_a_sum_there_is_nothing(sums_in_progress: SumsInProgress) -> None:
    assert sums_in_progress.last == 0
    with pytest.raises(
        SecureSumError,
        match=r"in no such secure sum; "
        r"if its worker was started anew, it takes part again in the next one",
    ):
        sums_in_progress.get(bytes(32))


def test_a_state_and_its_order_come_back(sums_in_progress: SumsInProgress) -> None:
    first = state(1)
    sums_in_progress.put(first)
    with pytest.raises(SecureSumError, match="has no order yet"):
        sums_in_progress.spec(first.terms.digest)
    sums_in_progress.put(replace(first, step="armed"), SPEC)
    sums_in_progress.put(replace(first, step="masked"))
    assert (
        sums_in_progress.get(first.terms.digest) == replace(first, step="masked")
        and sums_in_progress.spec(first.terms.digest) == SPEC
        and sums_in_progress.last == 1
    )


def test_the_three_newest_are_kept(sums_in_progress: SumsInProgress) -> None:
    states = [state(number) for number in (5, 6, 4, 7, 8)]
    for one in states:
        sums_in_progress.put(one)
    for one in states:
        if one.terms.number >= 6:
            assert sums_in_progress.get(one.terms.digest) == one
        else:
            with pytest.raises(SecureSumError, match="in no such secure sum"):
                sums_in_progress.get(one.terms.digest)
    assert sums_in_progress.last == 8


def test_an_older_sum_that_moves_on_does_not_push_out_a_newer_one(
    sums_in_progress: SumsInProgress,
) -> None:
    states = [state(number) for number in (5, 6, 7)]
    for one in (*states, replace(states[0], step="shared")):
        sums_in_progress.put(one)
    assert [sums_in_progress.get(one.terms.digest).step for one in states] == [
        "shared",
        "advertised",
        "advertised",
    ]


def test_another_process_reads_what_the_first_left(tmp_path: Path) -> None:
    first = SharedSumsInProgress(tmp_path / "state")
    second = SharedSumsInProgress(tmp_path / "state")
    first.put(state(1, "armed"), SPEC)
    assert (
        second.get(state(1).terms.digest) == state(1, "armed")
        and second.spec(state(1).terms.digest) == SPEC
    )
    second.put(state(2))
    assert first.last == 2 and first.get(state(2).terms.digest) == state(2)
    folder = tmp_path / "state"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "sums.json": 0o600
    }


def test_the_plain_one_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SumsInProgress().put(state(1))
    assert list(tmp_path.iterdir()) == []


def _secrets(world: World) -> dict[str, list[bytes]]:
    secrets: dict[str, list[bytes]] = {}
    for name, hospital in world.hospitals.items():
        states = [one for one, _ in hospital.party._sums_in_progress._open.values()]
        secrets[name] = [
            secret
            for s in states
            if s.fresh
            for secret in (s.fresh.mask_key, s.fresh.channel_key, s.fresh.seed, s.fresh.polynomials)
        ]
    return secrets


@pytest.mark.parametrize("shared", [False, True])
def test_the_secrets_of_an_opened_sum_are_gone_from_memory_and_disk(
    tmp_path: Path, shared: bool
) -> None:
    world = World(tmp_path, 3)

    def make(name: str) -> SumsInProgress:
        return SharedSumsInProgress(tmp_path / "states" / name) if shared else SumsInProgress()

    drawn: dict[str, set[bytes]] = {name: set() for name in world.names}
    for name, hospital in world.hospitals.items():
        hospital.party._sums_in_progress = make(name)

    def watched(hospital: Hospital, question: Question, reply: Reply) -> Reply:
        for name, secrets in _secrets(world).items():
            drawn[name] |= set(secrets)
        return reply

    world.trouble = {("vector", name): watched for name in world.names}
    world.check(world.collect())
    assert all(len(secrets) >= 4 for secrets in drawn.values())
    for name, hospital in world.hospitals.items():
        sums_in_progress = hospital.party._sums_in_progress
        opened = [one for one, _ in sums_in_progress._open.values() if one.step == "revealed"]
        assert (
            len(opened) == 1
            and opened[0].fresh is None
            and opened[0].shares == {}
            and opened[0].canary_pads == {}
        )
        left = (
            (tmp_path / "states" / name / "sums.json").read_bytes()
            if shared
            else pickle.dumps(sums_in_progress._open)
        )
        ride = set(_secrets(world)[name])  # the next sum's
        assert ride and not any(
            secret in left or secret.hex().encode() in left for secret in drawn[name] - ride
        )
        assert all(
            secret in left or secret.hex().encode() in left for secret in ride
        )  # the search would find one


def test_nothing_of_a_secret_is_shown() -> None:
    shown = repr(state(3))
    assert "fresh" not in shown and repr(bytes([3, 1]) * 16) not in shown
