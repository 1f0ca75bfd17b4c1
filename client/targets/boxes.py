"""Boxes from boxes.json, read by :mod:`client.dataset.boxes`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

import torch

from client.dataset import boxes
from client.targets import Decoded, Facts, Source
from client.targets._words import strange
from common.checks import CheckResult
from common.sentences.table import Sentence, say
from common.study.sections import Data
from common.targets.boxes import Boxes
from common.tasks import Task


class BoxesSource(Source):
    """An image without boxes has an entry with an empty list."""

    absent: ClassVar[Sentence] = say("case.unboxed")

    def __init__(self, folder: Path, task: Task, data: Data) -> None:
        super().__init__(folder, task, data)
        self._entries = boxes.read_boxes(folder)

    def find(self, facts: Facts) -> boxes.Boxes | None:
        """The image's entry, checked."""
        if facts.name not in self._entries:
            return None
        return boxes.parse_boxes(self._entries[facts.name], self.task, self.data.dimensions)

    @classmethod
    def load(cls, stated: boxes.Boxes, image: Decoded, task: Task) -> Boxes:
        """Boxes in pixels of the decoded image."""
        corners = torch.from_numpy(stated.on(image.shape))
        return Boxes((corners,), (torch.from_numpy(stated.classes),))

    @classmethod
    def counted(cls, task: Task) -> tuple[str, ...]:
        """The classes."""
        return task.classes

    @classmethod
    def present(cls, stated: boxes.Boxes, task: Task) -> list[str]:
        """Classes of which the image shows a box."""
        return [task.classes[i] for i in set(stated.classes.tolist())]

    @classmethod
    def words(cls, folder: Path, task: Task) -> list[CheckResult]:
        """Whether the labels of boxes.json are the study's."""
        entries = (entry for entry in boxes.read_boxes(folder).values() if isinstance(entry, dict))
        objects = [entry["objects"] for entry in entries if isinstance(entry.get("objects"), list)]
        items = [item for listed in objects for item in listed if isinstance(item, dict)]
        names = Counter(str(item.get("label")) for item in items)
        strangers = {name: count for name, count in names.items() if name not in task.classes}
        return [strange(Counter(strangers), "boxes.json", task.classes)]


SOURCE = BoxesSource
