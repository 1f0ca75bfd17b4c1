"""Boxes from boxes.json, read by :mod:`client.dataset.box_files`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

import torch

from client.dataset import box_files
from client.dataset.box_files import DrawnBoxes
from client.targets import DecodedImage, ImageFacts, TargetSource
from client.targets._words import strange
from common.checks import CheckResult
from common.sentences.table import Sentence, say
from common.study.sections import Data
from common.targets.boxes import Boxes
from common.tasks import Task


class BoxesSource(TargetSource):
    """An image without boxes has an entry with an empty list."""

    absent: ClassVar[Sentence] = say("case.unboxed")

    def __init__(self, folder: Path, task: Task, data: Data) -> None:
        super().__init__(folder, task, data)
        self._entries = box_files.read_boxes(folder)

    def find(self, facts: ImageFacts) -> DrawnBoxes | None:
        """The image's entry, checked."""
        if facts.name not in self._entries:
            return None
        return box_files.parse_boxes(self._entries[facts.name], self.task, self.data.dimensions)

    @classmethod
    def load(cls, stated: DrawnBoxes, image: DecodedImage, task: Task) -> Boxes:
        """Boxes in pixels of the decoded image."""
        corners = torch.from_numpy(stated.on(image.shape))
        return Boxes((corners,), (torch.from_numpy(stated.classes),))

    @classmethod
    def counted(cls, task: Task) -> tuple[str, ...]:
        """The classes."""
        return task.classes

    @classmethod
    def present(cls, stated: DrawnBoxes, task: Task) -> list[str]:
        """Classes of which the image shows a box."""
        return [task.classes[i] for i in set(stated.classes.tolist())]

    @classmethod
    def words(cls, folder: Path, task: Task) -> list[CheckResult]:
        """Whether the labels of boxes.json are the study's."""
        # Malformed entries are passed over here: checking the folder reports them.
        stated = box_files.read_boxes(folder).values()
        entries = (entry for entry in stated if isinstance(entry, dict))
        objects = [entry["objects"] for entry in entries if isinstance(entry.get("objects"), list)]
        items = [item for listed in objects for item in listed if isinstance(item, dict)]
        names = Counter(str(item.get("label")) for item in items)
        strangers = {name: count for name, count in names.items() if name not in task.classes}
        return [strange(Counter(strangers), "boxes.json", task.classes)]


SOURCE = BoxesSource
