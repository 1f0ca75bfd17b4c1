"""The rehearsal of a study's steps.

Labels follow the task, wrong settings are refused, an unsuitable invented image is no fault.
"""

from __future__ import annotations

from typing import Any

import pytest

from common.cli import rehearsal
from common.errors import CaseError, StudyError
from common.sample import Batch, Sample
from common.study import plugins
from common.study import study as studies
from common.transforms import Transform
from tests.targets import Seen

TASKS = {
    "classification": ({"target": ["x"]}, "cnn"),
    "segmentation": ({}, "unet"),
    "detection": ({"classes": ["x"]}, "retinanet"),
}


def study(task: str, dimensions: int = 2, **steps: Any) -> studies.Study:
    options, model = TASKS[task]
    data = {"dimensions": dimensions, "channels": 3, **steps}
    return studies.parse(
        {"name": "x", "task": {"name": task, **options}, "model": {"name": model}, "data": data}
    )


@pytest.fixture
def met(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a step meets; every step is replaced by one that looks."""
    things: list[Any] = []

    def look(_: Any, thing: Any, *__: Any) -> Any:
        things.append(thing)
        return thing

    kinds = {
        "standardise": Transform("prepare", object, prepare=look),
        "flip": Transform("augment", object, augment=look),
    }
    monkeypatch.setattr(rehearsal, "_transform", lambda name: kinds[name])
    return things


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("task", TASKS)
def test_the_invented_image_has_the_labels_of_the_task(
    task: str, dimensions: int, met: list[Any]
) -> None:
    rehearsal.steps(
        study(task, dimensions, prepare=[{"step": "standardise"}], augment=[{"step": "flip"}])
    )
    one, two, batch = met
    assert isinstance(one, Sample)
    assert isinstance(two, Sample)
    assert isinstance(batch, Batch)
    assert one.image.shape == (3, *[one.image.shape[1]] * dimensions)
    assert batch.images.shape == (2, *one.image.shape)
    assert ((Seen(one).mask is not None), (Seen(one).boxes is not None)) == (
        task == "segmentation",
        task == "detection",
    )
    if Seen(one).mask is not None:
        assert Seen(one).mask.shape[1:] == one.image.shape[1:]
        assert 0 < Seen(one).mask.float().mean() < 1
    if Seen(one).boxes is not None:
        assert Seen(one).boxes.shape == (1, 2 * dimensions)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
@pytest.mark.parametrize("name", plugins.names("common.transforms"))
def test_every_step_can_be_rehearsed(task: str, name: str) -> None:
    kind = plugins.load("common.transforms", name, "TRANSFORM").kind
    required: dict[str, dict[str, Any]] = {
        "resize": {"size": [32]},
        "random_crop": {"size": [32]},
        "resample": {"spacing": [1.5]},
    }
    steps: dict[str, Any] = {
        "prepare" if kind == "prepare" else "augment": [{"step": name, **required.get(name, {})}]
    }
    rehearsal.steps(study(task, **steps))


@pytest.mark.parametrize(
    ("task", "step", "sentence"),
    [
        ("segmentation", {"step": "flip", "axes": [2]}, "axes of step 'flip'"),
        ("detection", {"step": "affine", "rotation": 45}, "rotation of step 'affine'"),
        ("detection", {"step": "elastic"}, "'elastic' cannot move boxes"),
    ],
)
def test_a_step_that_refuses_its_settings_or_the_labels_is_found(
    task: str, step: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(StudyError, match=sentence):
        rehearsal.steps(study(task, augment=[step]))


def test_an_image_that_does_not_suit_a_step_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Sample:
        raise CaseError("case.nothing_finite")

    monkeypatch.setattr(
        rehearsal, "_transform", lambda _: Transform("prepare", object, prepare=refuse)
    )
    rehearsal.steps(study("segmentation", prepare=[{"step": "standardise"}]))
