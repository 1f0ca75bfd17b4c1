"""affine: boxes follow the pixels, limits are kept, millimetres stay rigid."""

from __future__ import annotations

import pytest
import torch

from common.errors import InputError
from common.sample import Batch
from tests.common.transforms.images import generator
from tests.targets import Seen, of_many

SIZES = [(32, 32), (32, 48), (24, 32, 20)]


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
    result = step("affine", **table)(original, generator())
    moved = 0.0
    for mask, boxes, before in zip(
        Seen(result).masks, Seen(result).boxes, Seen(original).boxes, strict=True
    ):
        assert float((bounds(mask[0]) - boxes).abs().max()) <= 1.6
        moved = max(moved, float((boxes - before).abs().max()))
    assert moved > 1.5


def test_affine_quarter_turn_is_exact(batch, step):
    original = batch((32, 32), boxes=False)
    result = step("affine", rotation=180.0, scale=[1.0, 1.0], translation=0.0)
    close = []
    for seed in range(40):
        for after, before in zip(
            result(original, generator(seed)).images, original.images, strict=True
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
        original, generator()
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
        float((Seen(rigid(original, generator())).masks != Seen(original).masks).float().mean())
        < 0.01
    )
    assert (
        float((Seen(rigid(naive, generator())).masks != Seen(original).masks).float().mean()) > 0.03
    )


def test_affine_refuses_large_turns_of_boxes(batch, step):
    with pytest.raises(InputError, match="at most 15"):
        step("affine", rotation=30.0)(batch((32, 32)), generator())
    step("affine", rotation=30.0)(batch((32, 32), boxes=False), generator())


def test_affine_drops_boxes_that_leave(batch, step):
    original = batch((32, 32))
    original = original.with_(
        targets=of_many(
            boxes=(torch.tensor([[0.0, 0.0, 6.0, 6.0], [12.0, 12.0, 20.0, 20.0]]),) * 8,
            classes=(torch.tensor([1, 2]),) * 8,
        )
    )
    result = step("affine", rotation=0.0, scale=[1.0, 1.0], translation=0.3)(original, generator(1))
    sizes = [len(b) for b in Seen(result).boxes]
    assert min(sizes) == 1 and max(sizes) == 2
    for boxes, classes in zip(Seen(result).boxes, Seen(result).classes, strict=True):
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        assert len(boxes) == len(classes) and 2 in classes.tolist()
        assert bool((area >= 0.3 * torch.where(classes == 1, 36.0, 64.0) - 1e-3).all())
