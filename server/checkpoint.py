"""What a run keeps after a round: all that is needed to go on, as one thing; a model for people.

``RUN/checkpoints/round-000012`` holds weights, the strategy's memory and the rest of the
federation's state, with the SHA-256 of each file; it appears whole or not at all. The newest two
stay, so that a damaged one has another before it. ``RUN/model`` (``weights.safetensors``,
``model.json``) is made from it; its weights are the same file on disk under a second name.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from common.errors import InputError
from common.storage import atomic_folder, files, tensors
from common.storage.tensors import Array
from common.strategies import State
from common.study import study as studies
from common.study.study import Study
from common.update import Layout, Vector
from server.participants import Member, Participants

FOLDER = "checkpoints"
MODEL = "model"
_WEIGHTS = "weights.safetensors"
_MEMORY = "memory.safetensors"
_STATE = "state.json"
_ABOUT = "model.json"
_NAMES = "round-" + 6 * "[0-9]"
_CHECKPOINTS = 2
"""Checkpoints that stay: a damaged one has another before it."""
_PLAIN = ("rounds", "counted", "heads", "total", "sums", "threads")


@dataclass(frozen=True)
class Saved:
    """A federation between two rounds.

    Attributes:
        study: as resolved.
        layout: of the model.
        model: the global weights.
        rounds: how many are done.
        memory: what the strategy remembers.
        counted: what the network's counters counted at all hospitals.
        heads: the newest signed head of each hospital's own record.
        roster: who takes part.
        total: all members' weight, as the tally under masks gave it; 0 without one.
        sums: where the secure sums stand: ``number`` of the last one, ``caught`` hospitals with the
            reason; empty without them.
        threads: of the process that saved; in a simulation with the inline engine it computed the
            weights too.
    """

    study: Study
    layout: Layout
    model: Vector
    rounds: int
    memory: State = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)
    roster: Participants = field(default_factory=lambda: Participants((), {}))
    total: int = 0
    sums: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1


def save(run: Path, saved: Saved) -> None:
    """Write the checkpoint of a round, then ``RUN/model`` from it; all but the newest two go.

    Raises:
        OSError: it cannot be written; the checkpoint before stands.
        ConsiliumError: the strategy remembers something else than real numbers.
    """
    folder = run / FOLDER / f"round-{saved.rounds:06}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_folder.replacing(folder) as draft:
        weights = tensors.write(draft / _WEIGHTS, _arrays(saved))
        memory = tensors.write(draft / _MEMORY, saved.memory)
        (draft / _STATE).write_text(json.dumps(_table(saved), allow_nan=False), "utf-8")
        atomic_folder.seal(draft, {_WEIGHTS: weights, _MEMORY: memory})
    _publish(run / MODEL, folder / _WEIGHTS, _description(saved, weights))
    for old in _newest_first(run)[_CHECKPOINTS:]:
        atomic_folder.remove(old)


def load_state(run: Path, say: Callable[[str], None] = lambda line: None) -> Saved:
    """What a run had reached when it saved last.

    Args:
        run: its folder.
        say: told of each checkpoint that is damaged and therefore passed over.

    Raises:
        InputError: no checkpoint is whole.
    """
    damaged = []
    for folder in _newest_first(run):
        why = atomic_folder.damage(folder)
        if not why:
            return _loaded(folder)
        damaged.append(f"{FOLDER}/{folder.name} is damaged ({why})")
        say(f"{damaged[-1]}; the one before it is taken")
    reasons = "; ".join(damaged) or "there is none"
    hint = "Start the run anew in another folder"
    raise InputError(f"{run} has no checkpoint to go on from: {reasons}. {hint}.")


def load(folder: Path) -> tuple[Study, Layout, Vector]:
    """Read a model folder.

    Raises:
        InputError: it is not a model folder, or its two files do not belong together.
    """
    description, stored, fits = _read(folder)
    if not fits:
        description, stored, fits = _read(
            folder
        )  # a run may have put its next model there meanwhile
    if not fits:
        why = f"{_WEIGHTS} is not the file that {_ABOUT} was written for (its SHA-256 differs)"
        raise InputError(f"{folder}: {why}; take both from one run.")
    study = studies.parse(description["study"])
    layout, model = _assemble(study, stored)
    if layout.digest != description.get("layout"):
        raise InputError(
            f"{folder}: {_WEIGHTS} does not belong to {_ABOUT}; take both files from one run."
        )
    return study, layout, model


def clear(run: Path) -> None:
    """Remove an earlier run's checkpoints and model, for this run's to be the only ones."""
    for folder in _newest_first(run):
        atomic_folder.remove(folder)
    for name in (_WEIGHTS, _ABOUT):
        (run / MODEL / name).unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON for people in one step: readers see the old file or the new one."""
    files.replace(path, _json(value), files.SHARED)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()


def _newest_first(run: Path) -> list[Path]:
    return sorted((run / FOLDER).glob(_NAMES), reverse=True)


def _arrays(saved: Saved) -> dict[str, Array]:
    """The file of weights: first the counters, so that their eight bytes are aligned."""
    counted = saved.counted
    names = saved.layout.counters
    counters = {name: np.array(counted.get(name, 0), np.int64) for name in names}
    return {**counters, **dict(saved.layout.views(saved.model))}


def _description(saved: Saved, digest: str) -> dict[str, Any]:
    """``model.json``."""
    return {
        "format": 1,
        "rounds": saved.rounds,
        "study_hash": saved.study.digest,
        "layout": saved.layout.digest,
        "weights_sha256": digest,
        "threads": saved.threads,
        "study": saved.study.to_table(),
    }


def _table(saved: Saved) -> dict[str, Any]:
    """``state.json``: everything but the arrays."""
    return {
        "format": 1,
        "study_hash": saved.study.digest,
        "layout": saved.layout.digest,
        **{name: getattr(saved, name) for name in _PLAIN},
        "roster": dataclasses.asdict(saved.roster),
        "study": saved.study.to_table(),
    }


def _loaded(folder: Path) -> Saved:
    """A checkpoint whose files are those that were written."""
    state: dict[str, Any] = json.loads((folder / _STATE).read_text("utf-8"))
    study = studies.parse(state["study"])
    layout, model = _assemble(study, load_file(folder / _WEIGHTS))
    if layout.digest != state["layout"]:
        why = "holds a network of another form than this version builds"
        raise InputError(f"{folder} {why}; go on with the version that wrote it.")
    plain = {name: state[name] for name in _PLAIN}
    memory = load_file(folder / _MEMORY)
    roster = _roster(state["roster"])
    return Saved(study, layout, model, memory=memory, roster=roster, **plain)


def _roster(table: Mapping[str, Any]) -> Participants:
    members = tuple(_member(entry) for entry in table["members"])
    pooled = None if table["pooled"] is None else _member(table["pooled"])
    return Participants(members, table["excluded"], pooled, table["totals"])


def _member(entry: Mapping[str, Any]) -> Member:
    return Member(**{**entry, "reasons": tuple(entry["reasons"])})


def _publish(folder: Path, weights: Path, description: Mapping[str, Any]) -> None:
    """Make the model folder; the weights get a second name if the disk can do that, or a copy."""
    with atomic_folder.replacing(folder) as draft:
        try:
            os.link(weights, draft / _WEIGHTS)
        except OSError:
            shutil.copyfile(weights, draft / _WEIGHTS)
        (draft / _ABOUT).write_bytes(_json(description))


def _read(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Array], bool]:
    """Both files, and whether ``model.json`` is of these weights; older ones do not say."""
    place = atomic_folder.current(folder)
    try:
        description: Mapping[str, Any] = json.loads((place / _ABOUT).read_text("utf-8"))
        stored = load_file(place / _WEIGHTS)
        digest = description.get("weights_sha256")
        return (
            description,
            stored,
            digest is None or digest == atomic_folder.digest(place / _WEIGHTS),
        )
    except (OSError, ValueError, SafetensorError, AttributeError) as error:
        hint = "give the model folder of a run, e.g. runs/demo/model"
        raise InputError(f"{folder} is not a readable model ({error}); {hint}.") from None


def _assemble(study: Study, stored: Mapping[str, Array]) -> tuple[Layout, Vector]:
    from common import networks  # noqa: PLC0415  # torch is loaded only where a model is read back

    layout = networks.layout(networks.build(study))
    missing = [
        name
        for name, shape in zip(layout.names, layout.shapes, strict=True)
        if stored.get(name, np.empty(0)).shape != shape
    ]
    if missing or not set(stored) - set(layout.counters) <= set(layout.names):
        raise InputError(
            "weights.safetensors does not fit the study's network: "
            f"{len(missing)} tensors are missing or of another shape."
        )
    vector = np.empty(layout.size, np.float32)
    for name, view in layout.views(vector):
        view[...] = stored[name]
    return layout, vector
