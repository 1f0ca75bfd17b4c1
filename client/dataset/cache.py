"""The images of one hospital's folder: decoded once, prepared once, kept in memory in compact form.

float16 is kept where it changes no pixel by more than 1/256 of the image's own standard deviation
(below the step of an 8-bit camera; standardised images up to sixteen deviations fit), float32 where
it would; masks as uint8. The rounding is applied whether an image is kept or decoded anew, so
memory never changes a result.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from client.dataset.decode import decode
from client.dataset.manifest import check_share, index
from client.dataset.patient_split import PARTS, split
from common.errors import CaseError
from common.sample import Sample
from common.study import plugins
from common.study.sections import Named
from common.study.study import Study
from common.tasks import Task
from common.transforms import Transform

MEMORY = 8 << 30
"""Most bytes of decoded images that one hospital keeps; the rest is decoded at each use.

Never over half of the machine's memory.
"""
Log = Callable[[str], None]
Withdrawn = Callable[[str], bool]
"""Whether a patient, by identifier, takes no further part."""
_CHUNK = 16
"""Cases decoded before any of them is kept, so that few wait in memory."""
_EXACT = 2.0**-8


class ImageCache:
    """One folder: its cases, its split, and the samples decoded so far in compact form."""

    def __init__(
        self,
        folder: Path,
        study: Study,
        task: Task,
        log: Log,
        memory: int,
        is_withdrawn: Withdrawn | None = None,
    ) -> None:
        self.study = study
        self.task = task
        self.log = log
        self.manifest = index(folder, task, study.data, log=log, is_withdrawn=is_withdrawn)
        self.parts = split(self.manifest, study.data, study.seed)
        self.left_out = Counter(self.manifest.left_out)
        self.kept: dict[int, Sample] = {}
        self.unusable = self.manifest.unusable
        self._loaded: set[str] = set()
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._free = min(memory, _physical() // 2)

    def load(self, part: str) -> tuple[int, ...]:
        """Indices of the usable cases of a part; the first call decodes all of them.

        Raises:
            SiteError: more images are unusable than ``data.max_bad_fraction`` allows.
        """
        self._decode_part(part)
        total = len(self.manifest.cases) + self.manifest.unusable
        if self.unusable > self.study.data.max_bad_fraction * total:
            # The share that the refusal states is that of all images.
            for other in PARTS:
                self._decode_part(other)
        check_share(self.unusable, total, self.left_out, self.study.data)
        return self.parts[part]

    def shapes(self, part: str) -> dict[tuple[int, ...], int]:
        """The different shapes of a part's prepared images, each with the first case of it."""
        first: dict[tuple[int, ...], int] = {}
        for i in self.load(part):
            first.setdefault(self._shapes[i], i)
        return first

    def sample(self, i: int) -> Sample:
        """A kept sample, or the case decoded anew; compact."""
        return self.kept[i] if i in self.kept else self._decode(i)

    def _decode_part(self, part: str) -> None:
        if part in self._loaded:
            return
        with ThreadPoolExecutor(min(8, torch.get_num_threads())) as pool:
            good = [
                i
                for chunk in _chunks(self.parts[part])
                for i, ok in zip(chunk, self._take(chunk, pool), strict=True)
                if ok
            ]
        self.parts[part] = tuple(good)
        self._loaded.add(part)

    def _take(self, chunk: Sequence[int], pool: ThreadPoolExecutor) -> list[bool]:
        return [
            self._keep(i, result)
            for i, result in zip(chunk, pool.map(self._attempt, chunk), strict=True)
        ]

    def _keep(self, i: int, result: Sample | CaseError) -> bool:
        if isinstance(result, CaseError):
            self.unusable += 1
            self.left_out[result.sentence.without_counts()] += 1
            self.log(result.local)
            return False
        self._shapes[i] = tuple(result.image.shape)
        full = self._free < 0
        # It stays below zero once it is: no smaller image slips in, and the line is logged once.
        self._free -= result.nbytes
        if self._free >= 0:
            self.kept[i] = result
        elif not full:
            self.log(
                f"Decoded images fill the memory set aside for them; {len(self.kept)} are kept, "
                "others are decoded at each use."
            )
        return True

    def _attempt(self, i: int) -> Sample | CaseError:
        try:
            return self._decode(i)
        except CaseError as error:
            return error

    def _decode(self, i: int) -> Sample:
        case = self.manifest.cases[i]
        sample = decode(case, self.task, self.study.data)
        for step in self.study.prepare:
            sample = _prepared(step, sample, case.image)
        return _compact(sample)


@functools.cache
def transform(name: str) -> Transform:
    """An installed step by name.

    Raises:
        StudyError: there is none of that name.
    """
    step: Transform = plugins.load("common.transforms", name, "TRANSFORM", "step")
    return step


def _prepared(step: Named, sample: Sample, path: Path) -> Sample:
    prepare = transform(step.name).prepare
    try:
        return prepare(step.options, sample) if prepare else sample
    except CaseError as error:
        raise error.at(path) from None
    # What torch raises where a step does not fit an image; anything else is a fault of ours.
    except (ValueError, RuntimeError, IndexError) as error:
        raise CaseError("case.step", f"{path}: {error!r}", step=step.name) from None


def _compact(sample: Sample) -> Sample:
    half = sample.image.half()
    exact = bool((half.float() - sample.image).abs().max() <= _EXACT * sample.image.std())
    targets = {name: target.each(Tensor.contiguous) for name, target in sample.targets.items()}
    return sample.with_(image=half if exact else sample.image.contiguous(), targets=targets)


def expanded(sample: Sample) -> Sample:
    """A kept sample with its image as float32."""
    return sample.with_(image=sample.image.float())


def _physical() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _chunks(values: Sequence[int]) -> Iterator[Sequence[int]]:
    return (values[i : i + _CHUNK] for i in range(0, len(values), _CHUNK))
