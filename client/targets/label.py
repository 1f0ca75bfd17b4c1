"""Labels from labels.csv and cases.csv, read by :mod:`client.dataset.labels`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import ClassVar

import torch

from client.dataset import labels
from client.targets import DecodedImage, ImageFacts, TargetSource
from client.targets._words import strange
from common.checks import CheckResult
from common.errors import CaseError
from common.sentences.table import Sentence, say
from common.targets.label import Label
from common.tasks import Task

Stated = int | tuple[int, ...]
"""A class number, or one 0/1 per column if the task is multi-label."""


class LabelSource(TargetSource):
    """See :func:`client.dataset.labels.read_target`."""

    absent: ClassVar[Sentence] = say("case.unlabelled")

    @classmethod
    def columns(cls, task: Task) -> tuple[str, ...]:
        """The task's own."""
        return task.columns

    def find(self, facts: ImageFacts) -> Stated | None:
        """The numbers of the row's values."""
        return labels.read_target(facts.row, self.task)

    @classmethod
    def load(cls, stated: Stated, image: DecodedImage, task: Task) -> Label:
        """A class number, or floats for a binary loss."""
        # A binary loss takes floats, cross-entropy class numbers.
        kind = torch.float32 if task.multi_label else torch.int64
        return Label(torch.tensor([stated], dtype=kind))

    @classmethod
    def stratum(cls, stated: Stated) -> int | None:
        """The class number; several labels have none."""
        return stated if isinstance(stated, int) else None

    @classmethod
    def counted(cls, task: Task) -> tuple[str, ...]:
        """Classes, or columns that are there or not."""
        return task.columns if task.multi_label else task.classes

    @classmethod
    def present(cls, stated: Stated, task: Task) -> list[str]:
        """The image's class, or the columns that are there."""
        if isinstance(stated, int):
            return [task.classes[stated]]
        return [name for name, value in zip(task.columns, stated, strict=True) if value]

    @classmethod
    def words(cls, folder: Path, task: Task) -> list[CheckResult]:
        """Whether every value of the columns is one that the study names."""
        values = Counter[str]()
        for row in labels.read_table(folder, task.columns).rows.values():
            try:
                labels.read_target(row, task)
            except CaseError:
                texts = {row[column] for column in task.columns if row.get(column)}
                values.update(text for text in texts if not _fits(text, task))
        return [strange(values, ", ".join(task.columns), labels.allowed(task))]


def _fits(value: str, task: Task) -> bool:
    try:
        labels.position(value, labels.allowed(task))
    except CaseError:
        return False
    return True


SOURCE = LabelSource
