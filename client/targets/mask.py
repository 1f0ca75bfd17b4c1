"""Masks from ``masks/``, one file for each image, read by :mod:`client.dataset.masks`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch

from client.dataset import label_names, masks
from client.dataset.label_names import FILE
from client.readers import _registry
from client.targets import DecodedImage, ImageFacts, TargetSource
from common import checks
from common.checks import CheckResult
from common.sentences.table import Sentence, say
from common.study.sections import Data
from common.targets.mask import Mask
from common.tasks import Task


class MaskSource(TargetSource):
    """A mask's file has the stem of its image's."""

    absent: ClassVar[Sentence] = say("case.unmasked")

    def __init__(self, folder: Path, task: Task, data: Data) -> None:
        super().__init__(folder, task, data)
        self._files = masks.find_masks(folder)

    def find(self, facts: ImageFacts) -> Path | None:
        """The mask's file."""
        return self._files.get(_registry.stem(facts.name))

    @classmethod
    def load(cls, stated: Path, image: DecodedImage, task: Task) -> Mask:
        """Class numbers of the image's size."""
        values = masks.read_mask(stated, image.path, image.shape, task=task, affine=image.affine)
        return Mask(torch.from_numpy(values)[None])

    @classmethod
    def words(cls, folder: Path, task: Task) -> list[CheckResult]:
        """Whether [masks] of labels.toml, if the hospital has one, has every class of the study."""
        names = label_names.read(folder)
        missing = [name for name in task.classes if name not in names.masks.values()]
        # Without the table, values are class numbers; only decoding shows which there are.
        if not names.masks:
            return []
        stated = f"masks hold {', '.join(dict.fromkeys(names.masks.values()))}"
        advice = f"give the study's names in {FILE}, [masks]"
        if len(missing) == len(task.classes):
            return [checks.wrong("names", f"{stated}, none of {', '.join(missing)}", advice)]
        if missing:
            lacking = f"{stated}, but not {', '.join(missing)}"
            return [checks.warning("names", lacking, f"if they do, {advice}")]
        return [checks.ok("names", stated)]


SOURCE = MaskSource
