"""Detection: what is scored and refused, the loss, predictions, and learning."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from common.errors import SiteError, StudyError
from common.models import Shape, retinanet
from common.sample import Batch, Sample, stack
from common.study import config
from common.tasks import Row
from common.tasks._boxes import Candidates
from common.tasks.detection import TASK, Options
from tests.common.tasks.detecting import prediction, sample, task
from tests.targets import of_many, of_one


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_a_row_holds_no_coordinate_and_leaves_its_input_alone() -> None:
    detections, truth = (
        prediction([([1, 2, 11, 13], 0.5, 1), ([3, 4, 9, 9], 0.75, 0)]),
        sample([([1, 2, 11, 13], 1)]),
    )
    before = {k: v.clone() for k, v in detections.items()}
    row = task().row(detections, truth)
    assert {k: v.shape for k, v in row.items()} == {
        "scores": (2,),
        "classes": (2,),
        "matches": (2, 10),
        "truths": (2,),
    }
    assert row["matches"].dtype == bool
    assert row["truths"].tolist() == [0, 1]
    assert all(torch.equal(detections[k], before[k]) for k in before)


@pytest.mark.parametrize("classes", [torch.tensor([2]), torch.tensor([-1])])
def test_a_class_number_outside_the_study_is_refused(classes: Tensor) -> None:
    wrong = sample([([1, 2, 11, 13], 0)]).with_(
        targets=of_one(boxes=torch.tensor([[1.0, 2.0, 11.0, 13.0]]), classes=classes)
    )
    with pytest.raises(SiteError, match="0 to 1"):
        task().row(prediction([]), wrong)


def test_missing_boxes_are_refused_and_empty_ones_are_not() -> None:
    with pytest.raises(SiteError, match="no boxes"):
        task().row(prediction([]), Sample(torch.zeros(1, 8, 8), (1.0, 1.0)))
    with pytest.raises(SiteError, match="no boxes"):
        task().loss(nn.Identity(), Batch(torch.zeros(1, 1, 8, 8)))
    assert task().row(prediction([]), sample([]))["truths"].tolist() == [0, 0]


@pytest.mark.parametrize("classes", [[], ["cell", "cell"]])
def test_classes_are_named_once(classes: list[str]) -> None:
    with pytest.raises(StudyError, match=r"task\.classes"):
        TASK.create(config.load(Options, {"classes": classes}, "task"), 2)


class Fixed(nn.Module):
    """A network that always says the same; parameters make it trainable."""

    def __init__(self, logits: Tensor, offsets: Tensor, anchors: Tensor) -> None:
        super().__init__()
        self.logits, self.offsets, self.anchors = (
            nn.Parameter(logits),
            nn.Parameter(offsets),
            anchors,
        )

    def forward(self, images: Tensor) -> Candidates:
        many = len(images)
        return Candidates(
            self.logits.expand(many, -1, -1),
            self.offsets.expand(many, -1, -1),
            self.anchors,
            (len(self.anchors),),
        )


ANCHORS = torch.tensor(
    [[0.0, 0, 10, 20], [40, 0, 50, 20], [70, 20, 90, 40]]
)  # beyond a 30 x 80 image: the last one, in part


def fixed(logits: list[list[float]], offsets: Tensor | None = None) -> Fixed:
    return Fixed(torch.tensor(logits), torch.zeros(3, 4) if offsets is None else offsets, ANCHORS)


def batch(
    boxes: list[list[list[float]]], classes: list[list[int]], size: tuple[int, ...] = (30, 80)
) -> Batch:
    images = torch.zeros(len(boxes), 1, *size)
    d = len(size)
    return Batch(
        images,
        targets=of_many(
            boxes=[torch.tensor(b).reshape(-1, 2 * d) for b in boxes],
            classes=[torch.tensor(c, dtype=torch.int64) for c in classes],
        ),
    )


def test_loss_of_a_known_case() -> None:
    """The first anchor is the box, and logits of 0 are chances of one half.

    That is (1/2)^2 ln 2 for each of six answers, with the boxes right.
    """
    loss = task().loss(fixed([[0.0, 0.0]] * 3), batch([[[0, 0, 10, 20]]], [[1]]))
    assert float(loss.detach()) == pytest.approx(6 * 0.25 * math.log(2), rel=1e-5)
    wide = torch.zeros(3, 4)
    wide[0, 2] = math.log(2)  # twice as wide: IoU 1/2, hull is the box itself, so GIoU 1/2
    loss = task(box_weight=3.0).loss(
        fixed([[0.0, 0.0]] * 3, wide), batch([[[0, 0, 10, 20]]], [[1]])
    )
    assert float(loss.detach()) == pytest.approx(5 * 0.25 * math.log(2) + 3 * 0.5, rel=1e-5)


def test_the_loss_pulls_each_answer_to_its_side() -> None:
    network = fixed([[0.0, 0.0]] * 3)
    task().loss(network, batch([[[40, 0, 50, 20]]], [[0]])).backward()
    assert network.logits.grad is not None
    assert (network.logits.grad < 0).tolist() == [[False, False], [True, False], [False, False]]


def test_images_without_boxes_train_the_background_only() -> None:
    network = fixed([[0.0, 0.0]] * 3)
    loss = task().loss(network, batch([[], []], [[], []]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(12 * 0.25 * math.log(2), rel=1e-5)
    assert network.logits.grad is not None
    assert network.offsets.grad is not None
    assert (network.logits.grad > 0).all()
    assert (network.offsets.grad == 0).all()


def test_filling_and_boxes_without_area_change_nothing() -> None:
    network, box = fixed([[0.5, -1.0]] * 3), [40.0, 0, 50, 20]
    alone = task().loss(network, batch([[box]], [[1]]))
    degenerate = task().loss(network, batch([[box, [0, 0, 0, 20]]], [[1, 0]]))
    torch.testing.assert_close(degenerate, alone)
    with_empty, empty = (
        task().loss(network, b) for b in (batch([[box], []], [[1], []]), batch([[]], [[]]))
    )
    torch.testing.assert_close(with_empty, alone + empty)


def test_prediction_cuts_sorts_and_thins_out() -> None:
    logits = [[2.0, -9.0], [1.0, 3.0], [0.0, -9.0]]
    (detections,) = task().predict(fixed(logits), torch.zeros(1, 1, 30, 80))
    assert detections["boxes"].tolist() == [
        [40, 0, 50, 20],
        [0, 0, 10, 20],
        [40, 0, 50, 20],
        [70, 20, 80, 30],
    ]
    assert detections["classes"].tolist() == [1, 0, 0, 0]
    torch.testing.assert_close(detections["scores"], torch.tensor([3.0, 2, 1, 0]).sigmoid())
    (best,) = task(max_detections=1, score_threshold=0.9).predict(
        fixed(logits), torch.zeros(1, 1, 30, 80)
    )
    assert best["classes"].tolist() == [1]
    (none,) = task(score_threshold=0.99).predict(fixed(logits), torch.zeros(1, 1, 30, 80))
    assert (none["boxes"].shape, none["scores"].shape, none["classes"].dtype) == (
        (0, 4),
        (0,),
        torch.int64,
    )


def test_boxes_outside_the_image_are_not_reported() -> None:
    (detections,) = task().predict(fixed([[2.0, -9.0]] * 3), torch.zeros(1, 1, 20, 64))
    assert detections["boxes"].tolist() == [[0, 0, 10, 20], [40, 0, 50, 20]]


@pytest.mark.parametrize("d", [2, 3])
def test_boxes_and_loss_are_float32_under_autocast_and_boxes_fit_images_of_any_size(d: int) -> None:
    torch.manual_seed(0)
    network = retinanet.MODEL.build(
        retinanet.Options(widths=(8, 16), pyramid_width=8), Shape(d, 1, 2)
    )
    size = (21, 50, 9)[:d]
    box = [30.0, 5, 2, 44, 17, 8] if d == 3 else [30.0, 5, 44, 17]
    detector = task(dimensions=d, score_threshold=0.0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = detector.loss(network, batch([[box], []], [[1], []], size))
        detections = detector.predict(network.eval(), torch.randn(2, 1, *size))
    loss.backward()
    assert loss.dtype == torch.float32
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    for one in detections:
        assert (one["boxes"].dtype, one["scores"].dtype) == (torch.float32, torch.float32)
        assert len(one["boxes"]) > 10
        assert (one["boxes"] >= 0).all()
        assert one["boxes"].amax(0)[d:].tolist() <= [50.0, 21.0, 9.0][:d]
        assert (one["boxes"][:, d:] > one["boxes"][:, :d]).all()


def picture(g: torch.Generator, size: tuple[int, ...]) -> Sample:
    """A bright flat block (class 0) or a dim tall one (class 1), up to two of them, on noise.

    Some images hold none.
    """
    d, image, boxes, classes = len(size), 0.1 * torch.randn(1, *size, generator=g), [], []
    for number in torch.randperm(2, generator=g)[
        : int(torch.randint(0, 3, (), generator=g))
    ].tolist():
        extent = [12, 6, 6] if number else [6, 12, 8]  # along H, W, D
        low = [
            int(torch.randint(0, n - e + 1, (), generator=g))
            for n, e in zip(size, extent, strict=False)
        ]
        high = [a + e for a, e in zip(low, extent, strict=False)]
        image[(0, *(slice(a, b) for a, b in zip(low, high, strict=True)))] += 1.0 if number else 2.0
        order = [1, 0, 2][:d]
        boxes.append([float(v) for v in (*[low[k] for k in order], *[high[k] for k in order])])
        classes.append(number)
    return sample(list(zip(boxes, classes, strict=True)), (1, *size)).with_(image=image)


def learned(size: tuple[int, ...], steps: int, rate: float) -> Mapping[str, float]:
    d, g = len(size), torch.Generator().manual_seed(5)
    torch.manual_seed(5)
    network = retinanet.MODEL.build(
        retinanet.Options(widths=(16, 32), pyramid_width=16), Shape(d, 1, 2)
    )
    detector, optimizer = task(dimensions=d), torch.optim.AdamW(network.parameters(), rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 5, 2 * (1 - step / steps))
        some = [picture(g, size) for _ in range(8)]
        loss = detector.loss(network, stack(some))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    unseen = [picture(g, size) for _ in range(24)]
    detections = detector.predict(network.eval(), torch.stack([s.image for s in unseen]))
    rows: list[Row] = [detector.row(f, s) for f, s in zip(detections, unseen, strict=True)]
    return detector.summarise(rows)


def test_learns_to_find_blocks_in_images_that_are_not_square() -> None:
    assert learned((32, 56), 60, 1e-2)["map_50"] > 0.8


def test_learns_to_find_blocks_in_volumes() -> None:
    assert learned((16, 32, 8), 90, 1e-2)["map_50"] > 0.4
