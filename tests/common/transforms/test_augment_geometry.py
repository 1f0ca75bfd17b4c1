"""flip, rotate90, affine, elastic: masks and boxes follow what the pixels show."""

from __future__ import annotations

import pytest
import torch

from common.errors import InputError, StudyError
from common.sample import Batch
from tests.targets import Seen, of_many

SIZES = [(32, 32), (32, 48), (24, 32, 20)]


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _as_image(batch: Batch) -> Batch:
    """The mask as the image, so that both must stay equal."""
    return batch.with_(images=Seen(batch).masks.float())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["flip", "rotate90"])
def test_exact_steps_move_mask_and_boxes_exactly(name, size, batch, step, bounds):
    original = _as_image(batch(size))
    result = step(name, **({"axes": [0, 1]} if name == "flip" else {}))(original, _generator())
    assert torch.equal(result.images, Seen(result).masks.float())
    assert any(
        not torch.equal(a, b) for a, b in zip(Seen(result).masks, Seen(original).masks, strict=True)
    )
    for mask, boxes in zip(Seen(result).masks, Seen(result).boxes, strict=True):
        assert torch.equal(bounds(mask[0]), boxes)


def test_flip_twice_is_the_image_and_only_named_axes_move(batch, step):
    original = batch((24, 32, 20))
    for axis in range(3):
        mirror = step("flip", axes=[axis], probability=1.0)
        once = mirror(original, _generator())
        assert torch.equal(once.images, original.images.flip(axis + 2))
        twice = mirror(once, _generator())
        assert torch.equal(twice.images, original.images) and all(
            torch.equal(a, b) for a, b in zip(Seen(twice).boxes, Seen(original).boxes, strict=True)
        )


def test_flip_draws_for_each_image(batch, step):
    original = batch((32, 48))
    flipped = [
        not torch.equal(a, b)
        for a, b in zip(step("flip")(original, _generator()).images, original.images, strict=True)
    ]
    assert 0 < sum(flipped) < 8


def test_flip_refuses_the_slice_axis_of_flat_images(batch, step):
    with pytest.raises(StudyError, match="0 to 1"):
        step("flip", axes=[2])(batch((32, 32)), _generator())


def test_rotate90_of_oblong_images_is_a_half_turn(batch, step):
    for original in (batch((32, 48)), batch((32, 32)).with_(spacing=(1.0, 2.0))):
        result = step("rotate90", probability=1.0)(original, _generator())
        assert torch.equal(result.images, original.images.flip(2, 3))


def test_rotate90_draws_all_turns(batch, step):
    original = batch((32, 32))
    seen = set()
    for seed in range(10):
        for after, before in zip(
            step("rotate90")(original, _generator(seed)).images, original.images, strict=True
        ):
            seen |= {k for k in range(4) if torch.equal(torch.rot90(before, k, (1, 2)), after)}
    assert seen == {0, 1, 2, 3}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "table",
    [
        {"rotation": 0.0, "translation": 0.1},
        {"rotation": 12.0},
        {"rotation": 0.0, "scale": [0.5, 0.8]},
    ],
)
def test_affine_boxes_are_those_of_the_moved_mask(size, table, batch, step, bounds):
    original = batch(size)
    result = step("affine", **table)(original, _generator())
    moved = 0.0
    for mask, boxes, before in zip(
        Seen(result).masks, Seen(result).boxes, Seen(original).boxes, strict=True
    ):
        assert float((bounds(mask[0]) - boxes).abs().max()) <= 1.6
        moved = max(moved, float((boxes - before).abs().max()))
    assert moved > 1.5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("affine", {"rotation": 40.0, "shear": 10.0}),
        ("elastic", {"strength": 0.35, "probability": 1.0}),
    ],
)
def test_mask_follows_the_image(name, table, size, batch, step):
    original = _as_image(batch(size, boxes=False))
    result = step(name, **table)(original, _generator())
    seen, kept = result.images > 0.5, Seen(result).masks > 0
    overlap = 2 * (seen & kept).sum().item() / (seen.sum() + kept.sum()).item()
    assert overlap > (0.97 if len(size) == 2 else 0.93)
    assert (kept != (Seen(original).masks > 0)).float().mean() > 0.002


def test_affine_quarter_turn_is_exact(batch, step):
    original = batch((32, 32), boxes=False)
    result = step("affine", rotation=180.0, scale=[1.0, 1.0], translation=0.0)
    close = []
    for seed in range(40):
        for after, before in zip(
            result(original, _generator(seed)).images, original.images, strict=True
        ):
            close.append(
                min(float((torch.rot90(before, k, (1, 2)) - after).abs().mean()) for k in range(4))
            )
    assert min(close) < 0.1 < max(close)


def test_affine_shift_is_measured_in_the_image(batch, step):
    """A shift, seen in a mask's centre of mass, stays within the limit and reaches far into it."""
    original = batch((48, 64), boxes=False)
    original = original.with_(targets=of_many(torch.zeros_like(Seen(original).masks)))
    Seen(original).masks[:, :, 20:28, 28:36] = 1
    result = step("affine", rotation=0.0, scale=[1.0, 1.0], translation=0.2, outside="zeros")(
        original, _generator()
    )
    places = [
        mask[0].nonzero().float().mean(0) - torch.tensor([23.5, 31.5])
        for mask in Seen(result).masks
    ]
    shifts = torch.stack(places).abs()
    assert bool((shifts <= torch.tensor([0.2 * 48, 0.2 * 64]) + 0.51).all()) and bool(
        (shifts.amax(0) > 4).all()
    )


def test_affine_is_rigid_in_millimetres(batch, step):
    """A disc in millimetres on anisotropic pixels stays that disc under rotation."""
    rows, columns = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(80) + 0.5, indexing="ij")
    disc = (((rows - 20) * 2) ** 2 + (columns - 40) ** 2 <= 20**2).to(torch.uint8)
    original = Batch(
        images=disc.float().repeat(4, 1, 1, 1),
        targets=of_many(disc.repeat(4, 1, 1, 1)),
        spacing=(2.0, 1.0),
    )
    rigid, naive = (
        step("affine", rotation=90.0, scale=[1.0, 1.0], translation=0.0),
        original.with_(spacing=(1.0, 1.0)),
    )
    assert (
        float((Seen(rigid(original, _generator())).masks != Seen(original).masks).float().mean())
        < 0.01
    )
    assert (
        float((Seen(rigid(naive, _generator())).masks != Seen(original).masks).float().mean())
        > 0.03
    )


def test_affine_refuses_large_turns_of_boxes(batch, step):
    with pytest.raises(InputError, match="at most 15"):
        step("affine", rotation=30.0)(batch((32, 32)), _generator())
    step("affine", rotation=30.0)(batch((32, 32), boxes=False), _generator())


def test_affine_drops_boxes_that_leave(batch, step):
    original = batch((32, 32))
    original = original.with_(
        targets=of_many(
            boxes=(torch.tensor([[0.0, 0.0, 6.0, 6.0], [12.0, 12.0, 20.0, 20.0]]),) * 8,
            classes=(torch.tensor([1, 2]),) * 8,
        )
    )
    result = step("affine", rotation=0.0, scale=[1.0, 1.0], translation=0.3)(
        original, _generator(1)
    )
    sizes = [len(b) for b in Seen(result).boxes]
    assert min(sizes) == 1 and max(sizes) == 2
    for boxes, classes in zip(Seen(result).boxes, Seen(result).classes, strict=True):
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        assert len(boxes) == len(classes) and 2 in classes.tolist()
        assert bool((area >= 0.3 * torch.where(classes == 1, 36.0, 64.0) - 1e-3).all())


def test_a_batch_without_any_box(batch, step):
    none = batch((32, 48)).with_(
        targets=of_many(
            boxes=(torch.zeros(0, 4),) * 8, classes=(torch.zeros(0, dtype=torch.long),) * 8
        )
    )
    for name in ("flip", "rotate90", "affine"):
        result = step(name)(none, _generator())
        assert all(b.shape == (0, 4) for b in Seen(result).boxes) and all(
            c.dtype == torch.long for c in Seen(result).classes
        )


def test_elastic_does_not_fold(step):
    """Along every row and column the image of a coordinate keeps rising."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    original = Batch(images=torch.stack([rows, columns]).repeat(16, 1, 1, 1))
    for seed in range(5):
        images = step("elastic", strength=0.4, probability=1.0, cells=6)(
            original, _generator(seed)
        ).images[:, :, 8:-8, 8:-8]
        down, right = images.diff(dim=2)[..., :-1], images.diff(dim=3)[:, :, :-1]
        determinant = down[:, 0] * right[:, 1] - down[:, 1] * right[:, 0]
        assert float(determinant.min()) > 0 and float(determinant.std()) > 0.05


def test_elastic_refuses_boxes(batch, step):
    with pytest.raises(StudyError, match="boxes"):
        step("elastic")(batch((32, 32)), _generator())
