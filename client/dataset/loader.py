"""From hospital folders to training batches.

A :class:`SiteDataset` is opened once per hospital and study. A part is decoded when it is first
asked for, all parts before a hospital is refused; what cannot be used is left out and counted.
Where all training images have one size and no step crops them, batches are rows of one resident
tensor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor

from client.dataset.cache import MEMORY, ImageCache, Log, Withdrawn, expanded, transform
from client.dataset.patient_split import PARTS
from common.errors import SiteError
from common.sample import Batch, Sample, stack
from common.seeds import derive
from common.sentences.kinds import WHOLE
from common.sentences.table import Sentence
from common.study.study import Study
from common.tasks import Task


class SiteDataset:
    """The images of one hospital, or of several pooled, split and ready for training."""

    def __init__(self, caches: Sequence[ImageCache]) -> None:
        self._caches = tuple(caches)
        self._crops = [s for s in caches[0].study.augment if transform(s.name).kind == "crop"]
        self._stacked: Batch | None = None
        self._device = torch.device("cpu")

    @classmethod
    def open(
        cls,
        folders: Sequence[Path],
        study: Study,
        task: Task,
        log: Log = lambda line: None,
        memory: int = MEMORY,
        is_withdrawn: Withdrawn | None = None,
    ) -> SiteDataset:
        """Index and split each folder; nothing is decoded yet.

        Args:
            folders: one hospital each; several act as one whose parts are exactly the union of
                theirs.
            study: ``data``, ``prepare``, ``augment`` and ``seed`` are used.
            task: which targets to bring.
            log: the hospital's own log; file names appear there and nowhere else.
            memory: bytes of decoded images to keep of each folder.
            is_withdrawn: whether a patient, by identifier, takes no further part.

        Raises:
            SiteError: a folder cannot be used.
        """
        return cls(
            [
                ImageCache(folder, study, task, log, memory=memory, is_withdrawn=is_withdrawn)
                for folder in folders
            ]
        )

    @classmethod
    def join(cls, datasets: Sequence[SiteDataset]) -> SiteDataset:
        """Several open datasets as one that shares their decoded images; patients stay apart."""
        return cls([cache for dataset in datasets for cache in dataset._caches])

    @property
    def counts(self) -> dict[str, int]:
        """Usable images by part, ``patients``, ``train_patients``, and images ``left_out``.

        Parts are train, validation and test; what was not yet decoded is decoded now.

        Raises:
            SiteError: more images are unusable than ``data.max_bad_fraction`` allows.
        """
        patients = self._patients()
        counts = {part: len(self._places(part)) for part in PARTS}
        left_out = sum(cache.left_out.total() for cache in self._caches)
        return {
            **counts,
            "patients": len(set().union(*patients.values())),
            "train_patients": len(patients["train"]),
            "left_out": left_out,
        }

    def fewest_patients(self) -> int:
        """Patients of the part that has the fewest, of those parts that have any."""
        return min((len(patients) for patients in self._patients().values() if patients), default=0)

    def _patients(self) -> dict[str, set[tuple[ImageCache, int]]]:
        """Who has usable images in each part."""
        return {
            part: {(p.cache, p.cache.manifest.cases[p.index].patient) for p in self._places(part)}
            for part in PARTS
        }

    def check_shapes(self) -> None:
        """Make sure that training images can be stacked, after the study's crops.

        One image of each shape is cropped once and stands for all.

        Raises:
            SiteError: they differ in size; or more images are unusable than
                ``data.max_bad_fraction`` allows.
        """
        first_of: dict[tuple[int, ...], _Place] = {}
        for cache in self._caches:
            for shape, i in cache.shapes("train").items():
                first_of.setdefault(shape, _Place(cache, i, 0))
        shapes = set(first_of)
        if len(shapes) > 1 and self._crops:
            generator = torch.Generator().manual_seed(0)
            cropped = self._cropped(first_of.values(), generator)
            shapes = {tuple(sample.image.shape) for sample in cropped}
        _check_one(shapes)

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """Why images were left out: sentences with their numbers of images, most frequent first."""
        total: Counter[Sentence] = Counter()
        for cache in self._caches:
            total.update(cache.left_out)
        return [
            {**reason.to_json(), "images": WHOLE.converted(count)}
            for reason, count in total.most_common()
        ]

    def samples(self, part: str) -> Sequence[Sample]:
        """Prepared samples of "train", "validation", "test" or "all", by hospital and file name.

        Each is expanded when it is taken.

        Raises:
            SiteError: more images are unusable than ``data.max_bad_fraction`` allows.
        """
        return _Samples(self._places(part))

    def batches(self, steps: int, batch_size: int, seed: int) -> Iterator[Batch]:
        """Shuffled training batches: each image once before any comes again.

        ``crop`` steps are applied, ``augment`` steps are not.

        Args:
            steps: number of batches.
            batch_size: images of each; at most the number of training images.
            seed: order and crops depend on nothing else.

        Raises:
            SiteError: there is no training image, or images that differ in size cannot be stacked.
        """
        places = self._places("train")
        if not places:
            raise SiteError("data.none_usable")
        # Two generators: whether a study crops does not change the order of its images.
        shuffle = torch.Generator().manual_seed(derive(seed, "order"))
        order = _order(len(places), steps, min(batch_size, len(places)), shuffle)
        whole = None if self._crops else self._stack(places)
        generator = torch.Generator().manual_seed(derive(seed, "crop"))
        for chosen in order:
            if whole:
                yield _select(whole, chosen, self._device)
            else:
                yield self._collate([places[i] for i in chosen.tolist()], generator)

    def to(self, device: torch.device) -> SiteDataset:
        """Feed a device from now on; the same dataset.

        Stacked training images move to a GPU if they fill at most a third of its free memory; else
        each batch lies in page-locked memory.
        """
        self._device = device
        self._stacked = None
        return self

    def _places(self, part: str) -> list[_Place]:
        chosen = PARTS if part == "all" else (part,)
        places = []
        # Patients are numbered within each hospital; this tells those of the next apart.
        first = 0
        for cache in self._caches:
            indices = sorted(i for name in chosen for i in cache.load(name))
            places += [_Place(cache, i, first) for i in indices]
            first += cache.manifest.patients
        return places

    def _stack(self, places: list[_Place]) -> Batch | None:
        """All training images as one compact batch; None where sizes differ or not all are kept."""
        if self._stacked is None:
            kept = [place.cache.kept.get(place.index) for place in places]
            samples = [sample for sample in kept if sample is not None]
            if len(samples) < len(places) or len({sample.image.shape for sample in samples}) > 1:
                return None
            if len({sample.image.dtype for sample in samples}) > 1:
                samples = [expanded(sample) for sample in samples]
            whole = stack(samples)
            if len(self._caches) == 1:
                _keep_views(whole, places, samples)
            self._stacked = _moved(whole, self._device)
        return self._stacked

    def _collate(self, places: list[_Place], generator: torch.Generator) -> Batch:
        samples = self._cropped(places, generator)
        _check_one({tuple(sample.image.shape) for sample in samples})
        return _pinned(stack(samples), self._device)

    def _cropped(self, places: Iterable[_Place], generator: torch.Generator) -> list[Sample]:
        samples = [place.sample() for place in places]
        for step in self._crops:
            crop = transform(step.name).crop
            if crop:
                samples = [crop(step.options, sample, generator) for sample in samples]
        return samples


def augment(batch: Batch, study: Study, generator: torch.Generator) -> Batch:
    """Apply the study's random steps to a training batch, on the device on which it lies."""
    for step in study.augment:
        change = transform(step.name).augment
        batch = change(step.options, batch, generator) if change else batch
    return batch


def _check_one(shapes: Set[tuple[int, ...]]) -> None:
    if len(shapes) > 1:
        raise SiteError("data.mixed_sizes", sizes=len(shapes))


class _Place:
    """Where one sample of a dataset lies."""

    __slots__ = ("cache", "first", "index")

    def __init__(self, cache: ImageCache, index: int, first: int) -> None:
        self.cache = cache
        self.index = index
        self.first = first

    def sample(self) -> Sample:
        sample = expanded(self.cache.sample(self.index))
        return sample.with_(patient=sample.patient + self.first)


def _keep_views(whole: Batch, places: Sequence[_Place], samples: Sequence[Sample]) -> None:
    """Put rows of the stacked batch in place of the kept samples, so that nothing is held twice."""
    for i, (place, sample) in enumerate(zip(places, samples, strict=True)):
        own = whole.part(i, i + 1)
        place.cache.kept[place.index] = sample.with_(image=own.images[0], targets=own.targets)


class _Samples(Sequence[Sample]):
    def __init__(self, places: Sequence[_Place]) -> None:
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, i: int) -> Sample: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Sample]: ...
    def __getitem__(self, i: int | slice) -> Sample | Sequence[Sample]:
        return _Samples(self._places[i]) if isinstance(i, slice) else self._places[i].sample()


def _order(count: int, steps: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Batches of indices cut from permutations laid end to end."""
    queue = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        while len(queue) < batch:
            queue = torch.cat([queue, torch.randperm(count, generator=generator)])
        yield queue[:batch]
        queue = queue[batch:]


def _select(whole: Batch, chosen: Tensor, device: torch.device) -> Batch:
    """Rows of a stacked batch, images as float32."""
    batch = whole.select(chosen)
    return _pinned(batch.with_(images=batch.images.float()), device)


def _moved(whole: Batch, device: torch.device) -> Batch:
    if device.type != "cuda":
        return whole
    fits = whole.nbytes <= torch.cuda.mem_get_info(device)[0] // 3
    return whole.to(device) if fits else whole


def _pinned(batch: Batch, device: torch.device) -> Batch:
    """The batch in page-locked memory where that speeds its way to a GPU."""
    return batch if device.type != "cuda" or batch.images.is_cuda else batch.pinned()
