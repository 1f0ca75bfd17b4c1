"""The contract of every installed step, and what several steps have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from common.errors import StudyError
from common.sample import Batch, Sample
from common.study import config, plugins
from tests.common.transforms.images import as_image, generator, sample_of
from tests.targets import Seen, of_many

PACKAGE = "common.transforms"
REQUIRED: dict[str, dict[str, Any]] = {
    "resample": {"spacing": [1.5]},
    "resize": {"size": [20]},
    "random_crop": {"size": [16]},
}
NO_BOXES = {"elastic"}
SIZES = [(24, 24), (24, 36), (18, 24, 12)]
LARGER = [(32, 32), (32, 48), (24, 32, 20)]
"""Sizes at which a moved outline is seen to a share of a pixel."""
REFUSED = [
    ("affine", {"rotation": 200.0}),
    ("affine", {"scale": [1.2, 0.8]}),
    ("affine", {"scale": [0.0, 1.0]}),
    ("affine", {"outside": "wrap"}),
    ("blur", {"sigma": [-1.0, 1.0]}),
    ("colour", {"shift": [0.1]}),
    ("colour_constancy", {"power": 0.5}),
    ("crop_foreground", {"margin": -1}),
    ("cutout", {"holes": 0}),
    ("elastic", {"strength": 0.5}),
    ("flip", {"axes": [3]}),
    ("intensity", {"gamma": [0.0, 1.0]}),
    ("intensity", {"contrast": [1.0, 0.9]}),
    ("local_contrast", {"sigma": 0.0}),
    ("noise", {"probability": 1.5}),
    ("pad", {"multiple": 0}),
    ("pad", {"size": [1, 2, 3, 4]}),
    ("random_crop", {}),
    ("random_crop", {"size": []}),
    ("resample", {"spacing": [0.0]}),
    ("rescale", {"percentiles": [99.0, 1.0]}),
    ("rescale", {"percentiles": [1.0, 101.0]}),
    ("rescale", {"input_range": [5.0, 5.0]}),
    ("resize", {"size": [0, 10]}),
    ("resize", {"size": 10}),
    ("rotate90", {"turns": 2}),
    ("standardise", {"nonzero": 1}),
]


def _transform(name: str) -> tuple[Any, Any]:
    transform = plugins.load(PACKAGE, name, "TRANSFORM")
    return transform, config.load(transform.options, REQUIRED.get(name, {}), f"data.{name}")


def _run(
    name: str,
    draw: Callable[..., Sample],
    batch: Callable[..., Batch],
    size: tuple[int, ...],
    seed: int = 5,
) -> Sample | Batch:
    transform, options = _transform(name)
    generator = torch.Generator().manual_seed(seed)
    if transform.kind == "augment":
        return transform.augment(options, batch(size, name not in NO_BOXES), generator)
    return (
        transform.prepare(options, draw(size))
        if transform.kind == "prepare"
        else transform.crop(options, draw(size), generator)
    )


def _tensors(value: Sample | Batch) -> list[torch.Tensor]:
    tensors = [v for v in vars(value).values() if isinstance(v, torch.Tensor)]
    return tensors + [
        t
        for v in vars(value).values()
        if isinstance(v, tuple)
        for t in v
        if isinstance(t, torch.Tensor)
    ]


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_shape_and_type(name, size, draw, batch):
    result = _run(name, draw, batch, size)
    single = isinstance(result, Sample)
    image, mask, before = (
        (result.image, Seen(result).mask, draw(size))
        if single
        else (result.images, Seen(result).masks, batch(size))
    )
    assert image.dtype == torch.float32 and mask.dtype == torch.uint8
    assert bool(image.isfinite().all())
    assert image.dim() == len(size) + (1 if single else 2)
    assert image.shape[1 if single else 2 :] == mask.shape[1 if single else 2 :]
    assert set(mask.unique().tolist()) <= {0, 1}
    if single:
        assert torch.equal(Seen(result).label, Seen(before).label) and len(result.spacing) == len(
            size
        )
    else:
        assert (
            torch.equal(Seen(result).labels, Seen(before).labels)
            and len(result) == 8
            and result.images.shape == before.images.shape
        )


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_boxes_stay_in_the_image_with_their_classes(name, draw, batch):
    result = _run(name, draw, batch, (24, 36))
    if isinstance(result, Sample):
        pairs, shape = [(Seen(result).boxes, Seen(result).classes)], result.image.shape[1:]
    elif Seen(result).boxes is None:
        pytest.skip("refuses boxes")
    else:
        pairs, shape = (
            list(zip(Seen(result).boxes, Seen(result).classes, strict=True)),
            result.images.shape[2:],
        )
    limit = torch.tensor([shape[1], shape[0]] * 2)
    for boxes, classes in pairs:
        assert boxes.dtype == torch.float32 and boxes.shape == (len(classes), 4)
        assert bool(((boxes >= 0) & (boxes <= limit)).all()) and bool(
            (boxes[:, 2:] > boxes[:, :2]).all()
        )


@pytest.mark.parametrize("name", plugins.names(PACKAGE))
def test_same_generator_same_result_and_input_untouched(name, draw, batch):
    transform, options = _transform(name)
    original = (
        batch((24, 36), name not in NO_BOXES) if transform.kind == "augment" else draw((24, 36))
    )
    kept = [t.clone() for t in _tensors(original)]
    function = transform.prepare or transform.augment or transform.crop
    results = []
    for _ in range(2):
        random = [] if transform.kind == "prepare" else [torch.Generator().manual_seed(3)]
        torch.manual_seed(len(results))
        results.append(_tensors(function(options, original, *random)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(kept, _tensors(original), strict=True))


@pytest.mark.parametrize(
    "name",
    [n for n in plugins.names(PACKAGE) if plugins.load(PACKAGE, n, "TRANSFORM").kind != "prepare"],
)
def test_other_seeds_give_other_results(name, draw, batch):
    results = [_tensors(_run(name, draw, batch, (24, 36), seed)) for seed in range(4)]
    assert any(
        a.shape != b.shape or not torch.equal(a, b)
        for other in results[1:]
        for a, b in zip(results[0], other, strict=True)
    )


@pytest.mark.parametrize(
    "name",
    [n for n in plugins.names(PACKAGE) if plugins.load(PACKAGE, n, "TRANSFORM").kind == "augment"],
)
def test_probability_zero_changes_nothing(name, batch):
    transform = plugins.load(PACKAGE, name, "TRANSFORM")
    options = config.load(transform.options, {"probability": 0.0}, name)
    original = batch((24, 36), name not in NO_BOXES)
    result = transform.augment(options, original, torch.Generator().manual_seed(1))
    assert torch.allclose(result.images, original.images, atol=1e-4) and torch.equal(
        Seen(result).masks, Seen(original).masks
    )


@pytest.mark.parametrize(("name", "table"), REFUSED, ids=str)
def test_settings_out_of_range_are_refused_in_one_sentence(name, table):
    options = plugins.load(PACKAGE, name, "TRANSFORM").options
    with pytest.raises(StudyError) as caught:
        config.load(options, table, f"data.{name}")
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and name in text


@pytest.mark.parametrize("name", ["resample", "resize", "pad", "random_crop"])
def test_a_size_for_three_axes_is_refused_for_two(name, draw, step):
    key = "spacing" if name == "resample" else "size"
    values = [2.0, 2.0, 2.0] if name == "resample" else [8, 8, 8]
    with pytest.raises(StudyError, match="2 for images with 2 axes"):
        step(name, **{key: values})(
            draw((24, 24)), *([torch.Generator()] if name == "random_crop" else [])
        )


@pytest.mark.parametrize("size", LARGER)
@pytest.mark.parametrize("name", ["flip", "rotate90"])
def test_exact_steps_move_mask_and_boxes_exactly(name, size, batch, step, bounds):
    original = as_image(batch(size))
    result = step(name, **({"axes": [0, 1]} if name == "flip" else {}))(original, generator())
    assert torch.equal(result.images, Seen(result).masks.float())
    assert any(
        not torch.equal(a, b) for a, b in zip(Seen(result).masks, Seen(original).masks, strict=True)
    )
    for mask, boxes in zip(Seen(result).masks, Seen(result).boxes, strict=True):
        assert torch.equal(bounds(mask[0]), boxes)


@pytest.mark.parametrize("size", LARGER)
@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("affine", {"rotation": 40.0, "shear": 10.0}),
        ("elastic", {"strength": 0.35, "probability": 1.0}),
    ],
)
def test_mask_follows_the_image(name, table, size, batch, step):
    original = as_image(batch(size, boxes=False))
    result = step(name, **table)(original, generator())
    seen, kept = result.images > 0.5, Seen(result).masks > 0
    overlap = 2 * (seen & kept).sum().item() / (seen.sum() + kept.sum()).item()
    assert overlap > (0.97 if len(size) == 2 else 0.93)
    assert (kept != (Seen(original).masks > 0)).float().mean() > 0.002


def test_a_batch_without_any_box(batch, step):
    none = batch((32, 48)).with_(
        targets=of_many(
            boxes=(torch.zeros(0, 4),) * 8, classes=(torch.zeros(0, dtype=torch.long),) * 8
        )
    )
    for name in ("flip", "rotate90", "affine"):
        result = step(name)(none, generator())
        assert all(b.shape == (0, 4) for b in Seen(result).boxes) and all(
            c.dtype == torch.long for c in Seen(result).classes
        )


@pytest.mark.parametrize("name", ["intensity", "colour", "noise", "blur", "cutout"])
def test_masks_and_boxes_stay(name, batch, step):
    for size in ((24, 36), (16, 20, 12)):
        original = batch(size)
        result = step(name, probability=1)(original, generator())
        assert (
            torch.equal(Seen(result).masks, Seen(original).masks)
            and result.targets["boxes"] is original.targets["boxes"]
        )
        assert not torch.equal(result.images, original.images)


def test_constant_images_become_zero(step):
    for value in (0.0, 0.1, -1024.0, 1.7e6):
        image = sample_of(torch.full((1, 16, 16), value))
        for name, table in (
            ("standardise", {}),
            ("standardise", {"nonzero": True}),
            ("rescale", {}),
        ):
            assert bool((step(name, **table)(image).image == 0).all())
        assert float(step("local_contrast", sigma=2.0)(image).image.abs().max()) < 1
