"""Whether this hospital can serve a study, before anything starts: names, patients, images, memory.

The findings are for the hospital: they may name its own label values, so that its labels.toml can
be written.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from client.dataset import manifest as manifests
from client.dataset import patient_split
from client.dataset.cache import transform
from client.dataset.decode import decode
from client.dataset.label_names import FILE
from client.dataset.manifest import Manifest
from client.ingest.readiness import memory
from client.targets import sources
from common import checks, networks
from common.checks import CheckResult
from common.errors import ArgumentError, CaseError, SiteError
from common.sample import Sample, stack
from common.study.study import Study
from common.tasks import Task

_TRIED = 16
_SHOWN = 6
_FEW = 10
_GIB = float(1 << 30)


def check(
    folder: Path, study: Study, names: Path | None = None, device: str = "auto"
) -> list[CheckResult]:
    """Look whether a hospital's folder serves a study.

    Args:
        folder: the hospital's folder.
        names: a labels.toml to use in place of the folder's own.
        device: where networks would run.

    Raises:
        ArgumentError: ``names`` cannot be read.
    """
    task = networks.task(study)
    with _with_names(folder, names) as place:
        findings = checks.attempt("names", lambda: _names(place, task))
        try:
            manifest = manifests.index(place, task, study.data)
        except SiteError as error:
            return [*findings, checks.wrong("patients", error.public)]
        findings += [*_patients(manifest, study), *_classes(manifest, study, task)]
        samples, images = _images(manifest, study, task)
        findings += images
        if samples and not any(finding.state == "wrong" for finding in images):
            findings += checks.attempt("memory", lambda: _memory(study, task, samples, device))
        return findings


@contextlib.contextmanager
def _with_names(folder: Path, names: Path | None) -> Iterator[Path]:
    """The folder as it is, or with another labels.toml in it: a folder of links."""
    if names is None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="consilium-") as copy:
        for entry in folder.iterdir():
            if entry.name != FILE:
                Path(copy, entry.name).symlink_to(entry.resolve())
        try:
            shutil.copyfile(names, Path(copy, FILE))
        except OSError as error:
            raise ArgumentError(
                f"--names is {str(names)!r}, which cannot be read ({error.strerror}); "
                "give a TOML file."
            ) from None
        yield Path(copy)


def _names(folder: Path, task: Task) -> list[CheckResult]:
    """Whether the hospital's own words are the study's, through its labels.toml."""
    return [finding for kind in sources(task).values() for finding in kind.words(folder, task)]


def _patients(manifest: Manifest, study: Study) -> list[CheckResult]:
    parts = patient_split.split(manifest, study.data, study.seed)
    people = {
        part: len({manifest.cases[i].patient for i in places}) for part, places in parts.items()
    }
    shares = ", ".join(
        f"{part} {len(parts[part])} images of {people[part]} patients" for part in parts
    )
    fractions = {"test": study.data.test_fraction, "validation": study.data.validation_fraction}
    empty = [part for part, fraction in fractions.items() if fraction and not people[part]]
    if empty:
        sentence = f"{manifest.patients}; none is left for {' and '.join(empty)}"
        findings = [checks.warning("patients", sentence, "add patients")]
    else:
        asked = f"at least {study.data.min_patients} are asked for"
        findings = [checks.ok("patients", f"{manifest.patients}, {asked}; {shares}")]
    for reason, count in manifest.left_out.most_common(_SHOWN):
        findings.append(
            checks.warning(
                "left out",
                f"{count} of {len(manifest.cases) + manifest.left_out.total()} images",
                reason.render().rstrip("."),
            )
        )
    return findings


def _classes(manifest: Manifest, study: Study, task: Task) -> list[CheckResult]:
    """How many training patients each class has."""
    train = patient_split.split(manifest, study.data, study.seed)["train"]
    kinds = sources(task)
    names = [name for kind in kinds.values() for name in kind.counted(task)]
    people: dict[str, set[int]] = {name: set() for name in names}
    for case in (manifest.cases[i] for i in train):
        for target, kind in kinds.items():
            for name in kind.present(case.stated[target], task):
                people[name].add(case.patient)
    # which classes a mask holds is seen only when it is decoded
    if not people:
        return []
    counts = ", ".join(f"{name} {len(who)}" for name, who in people.items())
    few = [name for name, who in people.items() if len(who) < _FEW]
    if few:
        return [
            checks.warning(
                "classes",
                f"training patients: {counts}",
                f"under {_FEW} of {', '.join(few)}: this hospital adds little there",
            )
        ]
    return [checks.ok("classes", f"training patients: {counts}")]


def _images(manifest: Manifest, study: Study, task: Task) -> tuple[list[Sample], list[CheckResult]]:
    """Some images, decoded and prepared as the study asks."""
    stride = max(1, len(manifest.cases) // _TRIED)
    chosen = manifest.cases[::stride][:_TRIED]
    samples: list[Sample] = []
    faults = Counter[str]()
    generator = torch.Generator().manual_seed(0)
    for case in chosen:
        try:
            samples.append(_prepared(decode(case, task, study.data), study, generator))
        except CaseError as error:
            faults[error.public] += 1
    findings = [
        checks.warning("images", f"{count} of {len(chosen)} tried", reason.rstrip("."))
        for reason, count in faults.items()
    ]
    if faults.total() > study.data.max_bad_fraction * len(chosen):
        reason = faults.most_common(1)[0][0].rstrip(".")
        share = f"{faults.total()} of {len(chosen)} tried"
        return [], [checks.wrong("images", f"{share} are unusable, most often: {reason}")]
    shapes = {tuple(sample.image.shape) for sample in samples}
    if len(shapes) > 1:
        advice = (
            "ask the coordinator to add resize or pad to data.prepare, "
            "or random_crop to data.augment"
        )
        return [], [
            checks.wrong("images", f"prepared images have {len(shapes)} different sizes", advice)
        ]
    shape = " x ".join(str(n) for n in next(iter(shapes), ()))
    return samples, [
        *findings,
        checks.ok("images", f"{len(samples)} tried, each gives {shape} (channels first)"),
    ]


def _prepared(sample: Sample, study: Study, generator: torch.Generator) -> Sample:
    for step in (*study.prepare, *study.augment):
        applied = transform(step.name)
        if applied.prepare is not None:
            sample = applied.prepare(step.options, sample)
        if applied.crop is not None:
            sample = applied.crop(step.options, sample, generator)
    return sample


def _memory(study: Study, task: Task, samples: list[Sample], device: str) -> CheckResult:
    try:
        step = memory.step(study, task, stack(samples), device)
    except (RuntimeError, ValueError) as error:
        return checks.wrong(
            "memory",
            f"a training step failed: {type(error).__name__}",
            "show the study to the coordinator",
        )
    size = study.training.batch_size
    sentence = (
        f"{step.whole / _GIB:.2f} GiB for a batch of {size}, {step.one / _GIB:.2f} for one image "
        f"({step.how}); {step.free / _GIB:.1f} free"
    )
    if step.one > step.free:
        return checks.wrong("memory", sentence, "use a larger device, or ask for smaller images")
    if step.whole > step.free or step.parts > 1:
        return checks.warning(
            "memory", sentence, "batches will be cut into parts, which takes longer"
        )
    return checks.ok("memory", sentence)
