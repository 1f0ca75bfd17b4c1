"""Small hospitals on disk for tests: bright discs on noise, as PNG with masks, labels and boxes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

from common.study import toml


def hospital(
    folder: Path, images: int = 8, size: int = 32, seed: int = 0, patients: int | None = None
) -> Path:
    """Write one hospital; image ``i`` belongs to patient ``i % patients``.

    Every other image holds a disc.
    """
    generator = np.random.default_rng(seed)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rows, boxes = [], {}
    for i in range(images):
        name, disc = f"image{i:03}.png", i % 2 == 0
        mask = _disc(generator, size) if disc else np.zeros((size, size), bool)
        grey = generator.normal(90, 10, (size, size)) + 90 * mask
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(folder / "images" / name)
        Image.fromarray((mask * 255).astype(np.uint8)).save(folder / "masks" / name)
        rows.append(
            {"file": name, "finding": int(disc), "patient_id": f"P{i % (patients or images):03}"}
        )
        boxes[name] = {
            "width": size,
            "height": size,
            "objects": [{"label": "disc", "box_xyxy": _box(mask)}] if disc else [],
        }
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["file", "finding", "patient_id"])
        writer.writeheader()
        writer.writerows(rows)
    (folder / "boxes.json").write_text(json.dumps(boxes))
    return folder


def federation(folder: Path, sites: int = 2, images: int = 8) -> Path:
    """Write several hospitals."""
    for i in range(sites):
        hospital(folder / f"site{i}", images, seed=i)
    return folder


TABLE = {
    "name": "small",
    "task": {"name": "segmentation", "classes": ["disc"]},
    "model": {"name": "unet", "channels": [4, 8], "strides": [2]},
    "data": {
        "test_fraction": 0.25,
        "validation_fraction": 0.125,
        "prepare": [{"step": "standardise"}],
        "augment": [{"step": "flip"}],
    },
    "training": {"batch_size": 4, "local_steps": 2, "precision": "float32"},
    "federation": {"rounds": 2},
    "evaluation": {"every": 1, "bootstrap": 20},
}


def study(path: Path, **sections: object) -> Path:
    """Write a study file: :data:`TABLE` with some sections changed.

    A dict is merged, ``None`` removes.
    """
    table = {**TABLE}
    for name, value in sections.items():
        if isinstance(value, dict):
            section = table.get(name, {})
            table[name] = {**(section if isinstance(section, dict) else {}), **value}
        else:
            table[name] = value
    path.write_text(toml.dumps({k: v for k, v in table.items() if v is not None}))
    return path


def _disc(generator: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    cy, cx, radius = (*generator.uniform(0.3, 0.7, 2) * size, generator.uniform(0.12, 0.2) * size)
    inside: np.ndarray = (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    return inside


def _box(mask: np.ndarray) -> list[int]:
    y, x = np.nonzero(mask)
    return [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]
