"""Hospital folders of few pixels, studies over them, and steps that a test can foresee."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image

from common.sample import Batch, Sample
from common.study.sections import Data, Evaluation, FederationSettings, Named, Training
from common.study.study import Study
from common.transforms import Transform
from common.transforms._window import window

LABEL: Any = SimpleNamespace(
    needs=frozenset({"label"}),
    columns=("dx",),
    classes=("0", "1"),
    multi_label=False,
    mask_values=None,
)


MASK: Any = SimpleNamespace(
    needs=frozenset({"mask"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)


BOXES: Any = SimpleNamespace(
    needs=frozenset({"boxes"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)


@dataclass(frozen=True)
class Nothing:
    """Settings of a step without any."""


def scale(options: Nothing, sample: Sample) -> Sample:
    return sample.with_(image=sample.image / 8 - 2)


def fail_on_five(options: Nothing, sample: Sample) -> Sample:
    if bool((sample.image == 5).all()):
        raise ValueError("five")
    return sample


def corner(options: Nothing, sample: Sample, generator: torch.Generator) -> Sample:
    """A 2 x 2 window whose place is drawn."""
    y, x = (int(torch.randint(n - 1, (), generator=generator)) for n in sample.image.shape[1:])
    return window(sample, (y, x), (2, 2), 0.0)


def shift(options: Nothing, batch: Batch, generator: torch.Generator) -> Batch:
    return batch.with_(images=batch.images + torch.rand(len(batch), 1, 1, 1, generator=generator))


STEPS = {
    "scale": Transform("prepare", Nothing, prepare=scale),
    "fail_on_five": Transform("prepare", Nothing, prepare=fail_on_five),
    "corner": Transform("crop", Nothing, crop=corner),
    "shift": Transform("augment", Nothing, augment=shift),
}


def study(
    prepare: tuple[str, ...] = (), augmented: tuple[str, ...] = (), seed: int = 1, **data: Any
) -> Study:
    steps, random = (
        tuple(Named(name, Nothing()) for name in names) for names in (prepare, augmented)
    )
    none = Named("none", None)
    return Study(
        "s",
        "",
        seed,
        none,
        none,
        none,
        Data(**data),
        steps,
        random,
        Training(),
        FederationSettings(),
        Evaluation(),
    )


def hospital(folder: Path, count: int, sizes: tuple[tuple[int, int], ...] = ((4, 5),)) -> Path:
    """``count`` images filled with their numbers, two a patient; a label, mask and box each."""
    for subfolder in ("images", "masks"):
        (folder / subfolder).mkdir(parents=True)
    rows, boxes = ["file,dx,patient_id"], {}
    for i in range(count):
        height, width = sizes[i % len(sizes)]
        Image.fromarray(np.full((height, width), i, np.uint8)).save(
            folder / "images" / f"{i:03}.png"
        )
        Image.fromarray(np.full((height, width), i % 2, np.uint8)).save(
            folder / "masks" / f"{i:03}.png"
        )
        rows.append(f"{i:03}.png,{i % 2},p{i // 2}")
        boxes[f"{i:03}.png"] = {
            "width": width,
            "height": height,
            "objects": [{"label": "x", "box_xyxy": [0, 0, 1 + i % 3, 2]}],
        }
    (folder / "labels.csv").write_text("\n".join(rows))
    (folder / "boxes.json").write_text(json.dumps(boxes))
    return folder
