"""What a run keeps is whole, or the one before it is; a model on disk is whole, or refused."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import random
import signal
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from common import networks
from common.errors import ConsiliumError, InputError
from common.simulation.inline import InlineGrid
from common.simulation.run import simulate
from common.storage import atomic_folder
from common.strategies import fedopt
from common.study import study as studies
from common.study.sections import Named
from server import checkpoint
from server.checkpoint import Saved
from server.participants import Member, Participants
from server.round_record import RoundRecord
from server.rounds import Federation, one_round
from server.rounds import run as honest
from server.transport import Transport
from tests import small
from tests.benchmarks import null
from tests.patience import patient

COUNTS = {"train": 3, "validation": 1, "test": 1, "patients": 5, "train_patients": 3, "left_out": 0}
ROSTER = Participants(
    (Member(7, "north", COUNTS, ("One was left out.",)), Member(8, "west", {}, trains=False)),
    {"east": "no"},
    None,
    {"train": 6},
)


def saved(folder: Path, rounds: int = 7, **model: object) -> Saved:
    folder.mkdir(exist_ok=True)
    study = studies.read(small.study(folder / "study.toml", **({"model": model} if model else {})))
    net = networks.build(study)
    memory = {"m": networks.pack(net) * np.float32(rounds), "count": np.array([rounds], np.float32)}
    keywords = {
        "heads": {"north": {"size": 3}},
        "roster": ROSTER,
        "total": 9,
        "sums": {"number": 4, "caught": {}},
        "threads": 3,
    }
    return Saved(
        study,
        networks.layout(net),
        networks.pack(net) + np.float32(rounds),
        rounds,
        memory,
        **keywords,
    )  # type: ignore[arg-type]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    checkpoint.save(tmp_path / "run", saved(tmp_path / "run"))
    return tmp_path / "run"


def equal(first: Saved, second: Saved) -> bool:
    values_equal = all(
        getattr(first, name) == getattr(second, name)
        for name in ("study", "layout", "rounds", "counted", "heads", "roster", "total", "sums")
    )
    arrays = (
        np.array_equal(first.model, second.model) and first.memory.keys() == second.memory.keys()
    )
    return (
        values_equal
        and arrays
        and all(np.array_equal(first.memory[key], second.memory[key]) for key in first.memory)
    )


def test_there_and_back(run: Path) -> None:
    study, layout, vector = checkpoint.load(run / "model")
    expected = saved(run)
    assert (
        layout == expected.layout
        and np.array_equal(vector, expected.model)
        and study == expected.study
    )
    description = json.loads((run / "model" / "model.json").read_text())
    assert (description["rounds"], description["threads"]) == (7, 3)
    assert sorted(p.name for p in (run / "model").iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]


def test_everything_that_a_federation_needs_comes_back(run: Path) -> None:
    assert equal(checkpoint.load_state(run), saved(run))
    assert checkpoint.load_state(run).threads == 3


def test_counters_come_back_and_stand_in_the_weights(tmp_path: Path) -> None:
    state = saved(tmp_path, norm="batch")
    assert state.layout.counters
    state = replace(
        state, counted={name: 2**40 + i for i, name in enumerate(state.layout.counters)}
    )
    checkpoint.save(tmp_path, state)
    assert checkpoint.load_state(tmp_path).counted == state.counted
    stored = load_file(tmp_path / "model" / "weights.safetensors")
    assert {name: int(stored[name]) for name in state.layout.counters} == state.counted


def test_the_weights_are_written_once(run: Path) -> None:
    first, second = (
        run / "model" / "weights.safetensors",
        run / "checkpoints" / "round-000007" / "weights.safetensors",
    )
    assert first.stat().st_ino == second.stat().st_ino


def test_a_disk_without_second_names_gets_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", cannot)
    checkpoint.save(tmp_path, saved(tmp_path))
    assert np.array_equal(checkpoint.load(tmp_path / "model")[2], saved(tmp_path).model)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_people_may_read_what_their_umask_lets_them(tmp_path: Path, mask: int, mode: int) -> None:
    umask = os.umask(mask)
    try:
        checkpoint.save(tmp_path, saved(tmp_path))
        checkpoint.write_json(tmp_path / "report.json", {})
    finally:
        os.umask(umask)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "study.toml"]
    assert {path.name for path in written} >= {
        "weights.safetensors",
        "model.json",
        "report.json",
        "state.json",
    }
    assert {
        path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in written
    } == dict.fromkeys([path.relative_to(tmp_path).as_posix() for path in written], mode)


def test_the_newest_two_stay(tmp_path: Path) -> None:
    for rounds in (1, 2, 9, 10, 11):
        checkpoint.save(tmp_path, saved(tmp_path, rounds))
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "round-000010",
        "round-000011",
    ]
    assert checkpoint.load_state(tmp_path).rounds == 11


def test_one_round_saved_twice_is_the_second(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, saved(tmp_path, 3))
    checkpoint.save(tmp_path, replace(saved(tmp_path, 3), total=77))
    assert checkpoint.load_state(tmp_path).total == 77
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["round-000003"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


FILES = ["weights.safetensors", "memory.safetensors", "state.json", "manifest.json"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "spoil", [_cut, Path.unlink, lambda path: path.write_bytes(b"")], ids=["cut", "gone", "empty"]
)
def test_a_damaged_newest_is_named_and_passed_over(
    tmp_path: Path, name: str, spoil: Callable[[Path], object]
) -> None:
    for rounds in (1, 2):
        checkpoint.save(tmp_path, saved(tmp_path, rounds))
    spoil(tmp_path / "checkpoints" / "round-000002" / name)
    lines: list[str] = []
    assert equal(checkpoint.load_state(tmp_path, lines.append), saved(tmp_path, 1))
    [line] = lines
    assert "checkpoints/round-000002 is damaged" in line and name in line


@pytest.mark.parametrize("name", FILES[:3])
def test_one_changed_bit_is_seen(tmp_path: Path, name: str) -> None:
    for rounds in (1, 2):
        checkpoint.save(tmp_path, saved(tmp_path, rounds))
    _flip(tmp_path / "checkpoints" / "round-000002" / name)
    assert checkpoint.load_state(tmp_path).rounds == 1


def test_a_strange_file_is_damage(run: Path) -> None:
    (run / "checkpoints" / "round-000007" / "more").touch()
    with pytest.raises(InputError, match="more is missing or does not belong there"):
        checkpoint.load_state(run)


def test_nothing_whole_is_said_in_one_sentence(run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"no checkpoint to go on from: there is none\. Start the run anew"
    ):
        checkpoint.load_state(tmp_path / "nowhere")
    _cut(run / "checkpoints" / "round-000007" / "weights.safetensors")
    with pytest.raises(
        InputError,
        match=r"round-000007 is damaged \(weights.safetensors is not the file that was written\)",
    ):
        checkpoint.load_state(run)


def test_a_memory_of_something_else_than_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConsiliumError, match="'m' holds complex128; allowed: float32"):
        checkpoint.save(
            tmp_path, replace(saved(tmp_path), memory={"m": np.zeros(2, np.complex128)})
        )  # type: ignore[dict-item]
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_memory_in_another_order_of_axes_comes_back_equal(tmp_path: Path) -> None:
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    checkpoint.save(
        tmp_path, replace(saved(tmp_path), memory={"m": turned, "none": np.zeros(0, np.float32)})
    )
    memory = checkpoint.load_state(tmp_path).memory
    assert np.array_equal(memory["m"], turned) and memory["none"].shape == (0,)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("spoil", [_cut, Path.unlink], ids=["cut", "gone"])
def test_a_broken_model_folder_is_refused(
    run: Path, name: str, spoil: Callable[[Path], object]
) -> None:
    spoil(run / "model" / name)
    with pytest.raises(InputError, match="not a readable model"):
        checkpoint.load(run / "model")


def test_weights_of_another_round_are_refused(run: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "other", saved(tmp_path / "other", 5))
    (tmp_path / "other" / "model" / "weights.safetensors").replace(
        run / "model" / "weights.safetensors"
    )
    with pytest.raises(
        InputError,
        match=r"is not the file that model.json was written for \(its SHA-256 differs\); "
        "take both from one run",
    ):
        checkpoint.load(run / "model")


def test_a_model_put_there_while_it_is_read_is_read_anew(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, states = atomic_folder.digest, [saved(run, 8)]

    def digest(path: Path) -> str:
        if states:
            checkpoint.save(run, states.pop())
        return honest(path)

    monkeypatch.setattr(atomic_folder, "digest", digest)
    assert np.array_equal(checkpoint.load(run / "model")[2], saved(run, 8).model)


def _older(folder: Path) -> None:
    """As models were written before they held the digest of their weights."""
    description = json.loads((folder / "model.json").read_text())
    del description["weights_sha256"], description["threads"]
    (folder / "model.json").write_text(json.dumps(description))


def test_an_older_model_still_loads(run: Path) -> None:
    stored = load_file(run / "model" / "weights.safetensors")
    save_file(stored, run / "model" / "weights.safetensors")
    _older(run / "model")
    assert np.array_equal(checkpoint.load(run / "model")[2], saved(run).model)


def test_weights_of_another_network_are_refused(run: Path, tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "other", saved(tmp_path / "other", 1, channels=[8, 16]))
    (tmp_path / "other" / "model" / "weights.safetensors").replace(
        run / "model" / "weights.safetensors"
    )
    _older(run / "model")
    with pytest.raises(InputError, match="does not fit"):
        checkpoint.load(run / "model")


def test_a_new_run_clears_what_is_of_a_run_and_nothing_else(run: Path) -> None:
    for path in (
        run / "checkpoints" / "mine",
        run / "model" / "notes",
        run / "checkpoints" / "round-mine",
    ):
        path.write_text("x")
    checkpoint.clear(run)
    remaining = sorted(
        path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()
    )
    assert remaining == ["checkpoints/mine", "checkpoints/round-mine", "model/notes", "study.toml"]


STEPS = ("fsync", "rename", "replace", "link")


def _crashing(patch: pytest.MonkeyPatch, at: int, after: bool) -> None:
    """One call of the system that matters raises: that of number ``at``, done before or not."""
    count = itertools.count(1)
    for name in STEPS:
        patch.setattr(os, name, functools.partial(_step, getattr(os, name), count, at, after))


def _step(
    honest: Callable[..., object],
    count: Iterator[int],
    at: int,
    after: bool,
    *arguments: object,
    **keywords: object,
) -> object:
    crashes = next(count) == at
    if crashes and not after:
        raise KeyboardInterrupt
    result = honest(*arguments, **keywords)
    if crashes:
        raise KeyboardInterrupt
    return result


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("exchange", [True, False])
def test_a_crash_at_any_step_leaves_a_whole_state_and_a_whole_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool, exchange: bool
) -> None:
    """No step may have been the one on which everything hung."""
    if not exchange:
        monkeypatch.setattr(atomic_folder, "_exchanged", lambda first, second: False)
    states = [saved(tmp_path, rounds) for rounds in (1, 2)]
    for at in itertools.count(1):
        run = tmp_path / f"run{at}"
        checkpoint.save(run, states[0])
        crashed = _saved_until(run, states[1], monkeypatch, at, after)
        state, model = checkpoint.load_state(run), checkpoint.load(run / "model")[2]
        assert equal(state, states[state.rounds - 1])
        assert any(np.array_equal(model, state.model) for state in states)
        checkpoint.save(run, states[1])  # the next one mends whatever was left
        assert np.array_equal(checkpoint.load(run / "model")[2], states[1].model)
        assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "model"]
        if not crashed:
            break
    assert at > (10 if exchange else 12)


def _saved_until(
    run: Path, state: Saved, patches: pytest.MonkeyPatch, at: int, after: bool
) -> bool:
    """Save, and crash at a step; whether there was such a step."""
    with patches.context() as patch:
        _crashing(patch, at, after)
        try:
            checkpoint.save(run, state)
        except KeyboardInterrupt:
            return True
    return False


_KILLS = 25


def test_a_state_loads_after_every_kill(tmp_path: Path) -> None:
    """kill -9 of a process that saves without a pause.

    What it had announced is there, or something newer.
    """
    rounds, pauses, states = 0, random.Random(5), [saved(tmp_path, n) for n in (0, 1)]
    for _ in range(_KILLS):
        rounds = _killed(tmp_path, rounds, pauses.uniform(0.0, 0.03), states)
        state, model = checkpoint.load_state(tmp_path), checkpoint.load(tmp_path / "model")[2]
        assert state.rounds >= rounds and equal(
            state, replace(states[state.rounds % 2], rounds=state.rounds)
        )
        description = json.loads((tmp_path / "model" / "model.json").read_text())
        assert state.rounds - 1 <= description["rounds"] <= state.rounds
        assert np.array_equal(model, states[description["rounds"] % 2].model)
        rounds = state.rounds
    assert rounds > _KILLS


def _killed(run: Path, rounds: int, pause: float, states: list[Saved]) -> int:
    """Let a child save from a round on, kill it some time after it has announced one.

    The newest one announced.
    """
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_save_on, args=(run, rounds, states, sender))
    child.start()
    sender.close()
    announced = [receiver.recv()]
    receiver.poll(pause) and announced.append(receiver.recv())
    os.kill(child.pid or 0, signal.SIGKILL)
    child.join(patient(30))
    with contextlib.suppress(EOFError):
        while True:
            announced.append(receiver.recv())
    return int(announced[-1])


def _save_on(run: Path, rounds: int, states: list[Saved], announce: Connection) -> None:
    while True:
        rounds += 1
        checkpoint.save(run, replace(states[rounds % 2], rounds=rounds))
        announce.send(rounds)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_run_with_a_strategy_that_remembers_keeps_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, optimizer: str
) -> None:
    """Hospitals, training and rounds are real; what is kept is what was in memory, bit for bit."""
    federations: list[Federation] = []

    def run(federation: Federation, *arguments: Any) -> Iterator[RoundRecord]:
        federations.append(federation)
        return honest(federation, *arguments)

    monkeypatch.setattr("server.rounds.run", run)
    study = small.study(
        tmp_path / "study.toml",
        strategy={"name": "fedopt", "optimizer": optimizer, "server_rate": 0.01},
    )
    simulate(
        study, small.federation(tmp_path / "sites"), tmp_path / "run", device="cpu", quiet=True
    )
    [federation] = federations
    state = checkpoint.load_state(tmp_path / "run")
    assert state.rounds == 2 and state.memory.keys() == federation.memory.keys() >= {"m"}
    for name, values in federation.memory.items():
        assert (
            state.memory[name].dtype == values.dtype
            and state.memory[name].tobytes() == values.tobytes()
            and values.any()
        )
    assert state.model.tobytes() == federation.model.tobytes()
    assert [m.site for m in state.roster.members] == [
        "site0",
        "site1",
    ] and state.roster.members == tuple(federation.members)
    assert checkpoint.load(tmp_path / "run" / "model")[2].tobytes() == federation.model.tobytes()
    assert (
        state.threads
        == networks.threads()
        == json.loads((tmp_path / "run" / "model" / "model.json").read_text())["threads"]
    )


def test_a_federation_that_goes_on_from_a_checkpoint_gets_the_same_bits(tmp_path: Path) -> None:
    """Three rounds in one go, and two, a checkpoint, and one more."""
    state = replace(
        saved(tmp_path),
        study=replace(saved(tmp_path).study, strategy=Named("fedopt", fedopt.Options())),
        memory={},
        rounds=0,
    )
    members = null.members(3)
    straight = Federation(state.study, state.layout, state.model.copy(), members)
    broken = Federation(state.study, state.layout, state.model.copy(), members)
    for federation, rounds in ((straight, 3), (broken, 2)):
        for _ in range(rounds):
            one_round(federation, Transport(InlineGrid(null.client(), 3)), lambda *_: None)
    roster = Participants(tuple(members), {})
    checkpoint.save(
        tmp_path, replace(state, model=broken.model, memory=broken.memory, rounds=2, roster=roster)
    )
    loaded = checkpoint.load_state(tmp_path)
    assert loaded.roster == roster
    resumed = Federation(
        loaded.study,
        loaded.layout,
        loaded.model,
        loaded.roster.members,
        loaded.rounds,
        loaded.memory,
    )
    one_round(resumed, Transport(InlineGrid(null.client(), 3)), lambda *_: None)
    assert resumed.model.tobytes() == straight.model.tobytes() != broken.model.tobytes()
    assert resumed.memory["m"].tobytes() == straight.memory["m"].tobytes()
    forgotten = Federation(
        loaded.study, loaded.layout, loaded.model, loaded.roster.members, loaded.rounds
    )
    one_round(forgotten, Transport(InlineGrid(null.client(), 3)), lambda *_: None)
    assert forgotten.model.tobytes() != straight.model.tobytes()  # so the memory was needed
