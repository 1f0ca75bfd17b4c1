"""How a hospital's folder states each kind of target: one a file, as in :mod:`common.targets`.

A file ``client/targets/<name>.py`` exports ``SOURCE``, a subclass of :class:`TargetSource`. All
that the hospital's side does with a kind stands there: finding it, checking it, bringing it to its
image, and what a readiness check reports of it.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from common.checks import CheckResult
from common.sentences.table import Sentence, say
from common.study import plugins
from common.study.sections import Data
from common.targets import Target
from common.tasks import Task


@dataclass(frozen=True)
class ImageFacts:
    """What the folder's tables and headers state about one image; none of it leaves the hospital.

    Attributes:
        name: what a table may call the image.
        row: the filled cells of the sources' columns in labels.csv and cases.csv.
        patient: gives the patient's identifier, or None; may open a DICOM header.
    """

    name: str = field(repr=False)
    row: Mapping[str, str] = field(repr=False)
    patient: Callable[[], str | None] = field(repr=False)


@dataclass(frozen=True)
class DecodedImage:
    """The decoded image to which a target is brought.

    Attributes:
        path: its file; of a DICOM volume the first slice.
        shape: H, W[, D].
        affine: of a DICOM volume, as in :class:`client.readers.Scan`; else None.
    """

    path: Path = field(repr=False)
    shape: tuple[int, ...]
    affine: npt.NDArray[np.float64] | None = None


class TargetSource(ABC):
    """One kind of target in one hospital's folder, opened for one task.

    Args:
        folder: the hospital's folder.
        task: what is asked for.
        data: the study's data section.

    Raises:
        SiteError: the folder cannot provide it for any image.
    """

    absent: ClassVar[Sentence] = say("case.no_target")
    """What may leave the hospital about an image that has none; names no file and no value."""

    def __init__(self, folder: Path, task: Task, data: Data) -> None:
        self.folder = folder
        self.task = task
        self.data = data

    @classmethod
    def columns(cls, task: Task) -> tuple[str, ...]:
        """Columns that labels.csv and cases.csv must have."""
        return ()

    @abstractmethod
    def find(self, facts: ImageFacts) -> Any | None:
        """What the folder states about an image, kept until the image is decoded; None for nothing.

        Raises:
            CaseError: what it states breaks a rule.
        """

    @classmethod
    @abstractmethod
    def load(cls, stated: Any, image: DecodedImage, task: Task) -> Target:
        """The target of a decoded image, from what :meth:`find` returned.

        Raises:
            CaseError: it cannot be used.
        """

    @classmethod
    def stratum(cls, stated: Any) -> int | None:
        """The class by which patients are spread evenly over the parts, where an image has one."""
        return None

    @classmethod
    def counted(cls, task: Task) -> tuple[str, ...]:
        """Names of the classes whose patients can be counted without decoding."""
        return ()

    @classmethod
    def present(cls, stated: Any, task: Task) -> list[str]:
        """Those of :meth:`counted` that an image shows."""
        return []

    @classmethod
    def words(cls, folder: Path, task: Task) -> list[CheckResult]:
        """Whether the hospital's own words are the study's; for its eyes, so it may name values.

        Raises:
            SiteError: the folder cannot be read.
        """
        return []


@functools.cache
def source(name: str) -> type[TargetSource]:
    """An installed source by its target's name.

    Raises:
        StudyError: this hospital has none of that name.
    """
    kind: type[TargetSource] = plugins.load("client.targets", name, "SOURCE", "target")
    return kind


def sources(task: Task) -> dict[str, type[TargetSource]]:
    """The sources of what a task asks for, by name and in its order: the same at every run."""
    return {name: source(name) for name in sorted(task.needs)}
