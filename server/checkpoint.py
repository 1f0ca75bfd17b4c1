"""A model on disk: ``weights.safetensors`` and ``model.json``, written so that a crash leaves the old or the new one, never half of each."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from common.errors import InputError
from common.study import study as studies
from common.study.study import Study
from common.update import Layout, Vector


def save(
    folder: Path,
    study: Study,
    layout: Layout,
    model: Vector,
    rounds: int,
    counted: Mapping[str, int] | None = None,
) -> None:
    """Write a model folder; each file is replaced in one step. ``counted``: what the network's counters counted at all hospitals."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "weights.partial"
    counters = {name: np.array((counted or {}).get(name, 0), np.int64) for name in layout.counters}
    save_file({**dict(layout.views(model)), **counters}, partial)
    os.replace(partial, folder / "weights.safetensors")
    about = {
        "format": 1,
        "rounds": rounds,
        "study_hash": study.digest,
        "layout": layout.digest,
        "study": study.to_table(),
    }
    write_json(folder / "model.json", about)


def load(folder: Path) -> tuple[Study, Layout, Vector]:
    """Read a model folder.

    Raises:
        InputError: it is not a model folder, or its two files do not belong together.
    """
    try:
        about: Mapping[str, Any] = json.loads((folder / "model.json").read_text("utf-8"))
        stored = load_file(folder / "weights.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(
            f"{folder} is not a readable model ({error}); give the model folder of a run, e.g. runs/demo/model."
        ) from None
    study = studies.parse(about["study"])
    layout, model = _assemble(study, stored)
    if layout.digest != about.get("layout"):
        raise InputError(
            f"{folder}: weights.safetensors does not belong to model.json; take both files from one run."
        )
    return study, layout, model


def write_json(path: Path, value: Any) -> None:
    """Write JSON in one step: readers see the old file or the new one."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", "utf-8")
    os.replace(partial, path)


def _assemble(study: Study, stored: Mapping[str, np.ndarray]) -> tuple[Layout, Vector]:
    from common import networks  # noqa: PLC0415  # torch is loaded only where a model is read back

    layout = networks.layout(networks.build(study))
    missing = [
        name
        for name, shape in zip(layout.names, layout.shapes, strict=True)
        if stored.get(name, np.empty(0)).shape != shape
    ]
    if missing or not set(stored) - set(layout.counters) <= set(layout.names):
        raise InputError(
            f"weights.safetensors does not fit the study's network: {len(missing)} tensors are missing or of another shape."
        )
    vector = np.empty(layout.size, np.float32)
    for name, view in layout.views(vector):
        view[...] = stored[name]
    return layout, vector
