"""Detection: average precision, geometry and learning.

Average precision is held against a second implementation of the COCO definition, geometry against
plain loops.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.errors import SiteError, StudyError
from common.models import Shape, retinanet
from common.sample import Batch, Sample, stack
from common.study import config
from common.tasks import Row, _boxes
from common.tasks._boxes import Candidates
from common.tasks.detection import TASK, Detection, Options
from tests.targets import of_many, of_one

Detections = list[tuple[list[float], float, int]]  # box, score, class
True_ = list[tuple[list[float], int]]  # box, class


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def task(classes: int = 2, dimensions: int = 2, **options: Any) -> Detection:
    names = ["cell", "nodule", "lung", "heart"][:classes]
    created = TASK.create(config.load(Options, {"classes": names} | options, "task"), dimensions)
    assert isinstance(created, Detection)
    return created


def prediction(detections: Detections, d: int = 2) -> dict[str, Tensor]:
    return {
        "boxes": torch.tensor([f[0] for f in detections], dtype=torch.float32).reshape(-1, 2 * d),
        "scores": torch.tensor([f[1] for f in detections], dtype=torch.float32),
        "classes": torch.tensor([f[2] for f in detections], dtype=torch.int64),
    }


def sample(truth: True_, size: tuple[int, ...] = (1, 40, 60)) -> Sample:
    d = len(size) - 1
    boxes = torch.tensor([t[0] for t in truth], dtype=torch.float32).reshape(-1, 2 * d)
    return Sample(
        torch.zeros(size),
        (1.0,) * d,
        targets=of_one(boxes=boxes, classes=torch.tensor([t[1] for t in truth], dtype=torch.int64)),
    )


def scored(
    images: list[tuple[Detections, True_]], classes: int = 2, d: int = 2
) -> dict[str, float]:
    scorer = task(classes, d)
    size = (1, *[40] * d)
    return scorer.summarise(
        [scorer.row(prediction(detections, d), sample(truth, size)) for detections, truth in images]
    )


# average precision: known answers


class TestKnownAnswers:
    def test_a_perfect_detection(self) -> None:
        assert scored([([([1, 2, 11, 12], 0.3, 0)], [([1, 2, 11, 12], 0)])]) == {
            "map_50": 1.0,
            "map_50_95": 1.0,
        }

    def test_an_overlap_of_62_percent_counts_at_three_of_ten_thresholds(self) -> None:
        result = scored([([([0, 0, 10, 6.2], 0.9, 0)], [([0, 0, 10, 10], 0)])])
        assert result == {"map_50": 1.0, "map_50_95": pytest.approx(0.3)}

    def test_a_false_one_between_two_right_ones(self) -> None:
        """Precision 1 up to recall 0.50 (51 points), then 2/3 (50 points)."""
        truth: True_ = [([0, 0, 8, 8], 1), ([20, 20, 28, 28], 1)]
        detections: Detections = [
            ([0, 0, 8, 8], 0.9, 1),
            ([30, 0, 38, 8], 0.8, 1),
            ([20, 20, 28, 28], 0.7, 1),
        ]
        assert scored([(detections, truth)])["map_50"] == pytest.approx((51 + 50 * 2 / 3) / 101)

    def test_the_second_detection_of_one_object_is_false(self) -> None:
        truth: True_ = [([0, 0, 10, 10], 0), ([20, 20, 30, 30], 0)]
        detections: Detections = [
            ([0, 0, 10, 10], 0.9, 0),
            ([0, 0, 10, 9], 0.8, 0),
            ([20, 20, 30, 30], 0.7, 0),
        ]
        assert scored([(detections, truth)])["map_50"] == pytest.approx((51 + 50 * 2 / 3) / 101)

    def test_the_higher_score_takes_the_object_even_if_it_fits_worse(self) -> None:
        truth: True_ = [([0, 0, 10, 10], 0)]
        detections: Detections = [([0, 0, 10, 10], 0.8, 0), ([0, 0, 10, 6], 0.9, 0)]
        result = scored([(detections, truth)])
        assert result["map_50"] == 1.0  # the worse one, first in line, is right at IoU 0.50 to 0.60
        assert result["map_50_95"] < 0.9  # above, it is a false one in front of the right one

    def test_the_right_box_of_another_class_is_false(self) -> None:
        assert scored([([([0, 0, 9, 9], 0.9, 1)], [([0, 0, 9, 9], 0)])])["map_50"] == 0.0

    def test_classes_without_an_object_do_not_count(self) -> None:
        assert (
            scored([([([0, 0, 9, 9], 0.9, 0), ([0, 0, 9, 9], 0.9, 1)], [([0, 0, 9, 9], 0)])])[
                "map_50"
            ]
            == 1.0
        )

    def test_a_find_in_an_empty_image_costs_precision(self) -> None:
        good: tuple[Detections, True_] = ([([0, 0, 9, 9], 0.5, 0)], [([0, 0, 9, 9], 0)])
        assert scored([good, ([([0, 0, 9, 9], 0.9, 0)], [])])["map_50"] == pytest.approx(0.5)
        assert scored([good, ([([0, 0, 9, 9], 0.4, 0)], [])])["map_50"] == 1.0

    def test_nothing_found_is_0_and_nothing_to_find_is_undefined(self) -> None:
        assert scored([([], [([0, 0, 9, 9], 0)])]) == {"map_50": 0.0, "map_50_95": 0.0}
        for nothing in (scored([([([0, 0, 9, 9], 0.9, 0)], [])]), task().summarise([])):
            assert all(math.isnan(value) for value in nothing.values())
            assert set(nothing) == {"map_50", "map_50_95"}

    def test_the_101st_detection_of_a_class_does_not_count(self) -> None:
        wrong: Detections = [([30, 30, 39, 39], 0.9, 0)] * 99
        right: Detections = [([0, 0, 9, 9], 0.1, 0)]
        truth: True_ = [([0, 0, 9, 9], 0)]
        assert scored([(wrong + right, truth)])["map_50"] == pytest.approx(0.01)
        assert scored([(wrong + wrong[:1] + right, truth)])["map_50"] == 0.0

    def test_in_volumes_all_three_axes_count(self) -> None:
        truth: True_ = [([0, 0, 0, 10, 10, 10], 0)]
        half = scored([([([0, 0, 0, 10, 10, 5.2], 0.9, 0)], truth)], d=3)
        less = scored([([([0, 0, 0, 10, 10, 4.8], 0.9, 0)], truth)], d=3)
        assert (half["map_50"], less["map_50"]) == (1.0, 0.0)
        assert half["map_50_95"] == pytest.approx(0.1)


# average precision: a second implementation, in plain loops, from the definition


def plain_iou(a: list[float], b: list[float]) -> float:
    d = len(a) // 2
    shared = math.prod(max(0.0, min(a[d + k], b[d + k]) - max(a[k], b[k])) for k in range(d))
    size_a, size_b = (math.prod(box[d + k] - box[k] for k in range(d)) for box in (a, b))
    return shared / (size_a + size_b - shared)


def plain_average_precision(
    images: list[tuple[Detections, True_]], number: int, threshold: float
) -> float | None:
    everything: list[tuple[float, bool]] = []
    objects = 0
    for detections, truth in images:
        mine = sorted([f for f in detections if f[2] == number], key=lambda f: -f[1])[
            :100
        ]  # Python's sort is stable
        theirs = [t[0] for t in truth if t[1] == number]
        objects += len(theirs)
        taken = [False] * len(theirs)
        for box, score, _ in mine:
            best, chosen = min(threshold, 1 - 1e-10), -1
            for index, other in enumerate(theirs):
                if not taken[index] and plain_iou(box, other) >= best:
                    best, chosen = plain_iou(box, other), index
            if chosen >= 0:
                taken[chosen] = True
            everything.append((score, chosen >= 0))
    if objects == 0:
        return None
    right, curve = 0, []
    for rank, (_, hit) in enumerate(sorted(everything, key=lambda e: -e[0]), start=1):
        right += hit
        curve.append((right / objects, right / rank))
    points = [
        max([precision for recall, precision in curve if recall >= point], default=0.0)
        for point in np.linspace(0, 1, 101)
    ]
    return sum(points) / 101


def plain_map(
    images: list[tuple[Detections, True_]], classes: int, thresholds: list[float]
) -> float:
    values = [
        plain_average_precision(images, number, t) for number in range(classes) for t in thresholds
    ]
    defined = [v for v in values if v is not None]
    return sum(defined) / len(defined) if defined else math.nan


def random_box(random: np.random.Generator, d: int) -> list[float]:
    low = random.integers(0, 24, d)
    return [float(v) for v in (*low, *(low + random.integers(4, 17, d)))]


def random_images(
    random: np.random.Generator, d: int, classes: int
) -> list[tuple[Detections, True_]]:
    """Boxes on a coarse grid and few different scores, so that many are equal.

    Some images or lists are empty.
    """
    images: list[tuple[Detections, True_]] = []
    for _ in range(random.integers(1, 5)):
        truth: True_ = [
            (random_box(random, d), int(random.integers(classes)))
            for _ in range(random.integers(0, 7))
        ]
        detections: Detections = [
            (
                random_box(random, d),
                float(np.float32(random.integers(1, 9) / 8)),
                int(random.integers(classes)),
            )
            for _ in range(random.integers(0, 5))
        ]
        for box, number in truth[: random.integers(0, 7)]:
            for _ in range(random.integers(1, 3)):
                moved = [
                    v + float(s) for v, s in zip(box, random.integers(-1, 2, 2 * d), strict=True)
                ]
                detections.append((moved, float(np.float32(random.integers(1, 9) / 8)), number))
        images.append(([detections[k] for k in random.permutation(len(detections))], truth))
    return images


@pytest.mark.parametrize("d", [2, 3])
def test_precision_is_that_of_the_second_implementation(d: int) -> None:
    random = np.random.default_rng(d)
    undefined = 0
    for _ in range(150):
        images = random_images(random, d, 3)
        result = scored(images, classes=3, d=d)
        expected = {
            "map_50": plain_map(images, 3, [0.5]),
            "map_50_95": plain_map(images, 3, [0.5 + 0.05 * k for k in range(10)]),
        }
        undefined += math.isnan(expected["map_50"])
        assert result == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert undefined < 20


def test_of_equal_overlaps_the_last_object_is_taken_as_in_the_reference() -> None:
    """Only the first object is left for the next detection.

    Had it been taken first, that one would be false.
    """
    first, last = [0.0, 0.0, 10.0, 10.0], [4.0, 0.0, 14.0, 10.0]
    between, only_first = [2.0, 0.0, 12.0, 10.0], [-3.0, 0.0, 7.0, 10.0]
    assert plain_iou(between, first) == plain_iou(between, last) > 0.5 > plain_iou(only_first, last)
    assert (
        scored([([(between, 0.9, 0), (only_first, 0.8, 0)], [(first, 0), (last, 0)])])["map_50"]
        == 1.0
    )


def test_repeated_rows_are_further_images() -> None:
    random = np.random.default_rng(4)
    scorer, images = task(3), [one for _ in range(6) for one in random_images(random, 2, 3)]
    rows = [scorer.row(prediction(f), sample(t)) for f, t in images]
    for _ in range(10):
        drawn = random.integers(0, len(rows), len(rows))
        expected = plain_map([images[k] for k in drawn], 3, [0.5])
        assert scorer.summarise([rows[k] for k in drawn])["map_50"] == pytest.approx(
            expected, abs=1e-12
        )


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


# geometry


def random_boxes(count: int, d: int, seed: int, largest: int = 12) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    low = torch.randint(0, largest, (count, d), generator=g)
    return torch.cat([low, low + torch.randint(1, largest, (count, d), generator=g)], 1).float()


@pytest.mark.parametrize("d", [2, 3])
def test_overlap_is_that_of_counted_pixels(d: int) -> None:
    a, b = random_boxes(12, d, 0), random_boxes(9, d, 1)

    def painted(box: Tensor) -> Tensor:
        canvas = torch.zeros((24,) * d, dtype=torch.bool)
        canvas[tuple(slice(int(box[k]), int(box[d + k])) for k in range(d))] = True
        return canvas

    expected = torch.tensor(
        [[(painted(p) & painted(q)).sum() / (painted(p) | painted(q)).sum() for q in b] for p in a]
    )
    torch.testing.assert_close(_boxes.pairwise_iou(a, b), expected)
    torch.testing.assert_close(_boxes.overlaps(a[:9], b)[0], expected[:9].diagonal())


def test_generalised_overlap_of_boxes_apart_falls_with_their_distance() -> None:
    a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]])
    b = torch.tensor([[0.0, 0, 2, 2], [2, 0, 4, 2], [6, 0, 8, 2]])
    iou, giou = _boxes.overlaps(a, b)
    assert iou.tolist() == [1, 0, 0]
    torch.testing.assert_close(giou, torch.tensor([1.0, 0.0, -0.5]))


def test_decoding_moves_by_sizes_and_scales_by_powers() -> None:
    anchors = torch.tensor([[10.0, 20, 14, 28]])
    offsets = torch.tensor([[0.5, -0.25, math.log(2), 0.0], [0, 0, 99.0, -99.0]])
    moved = _boxes.decode(anchors, offsets[:, None])
    torch.testing.assert_close(moved[0], torch.tensor([[10.0, 18, 18, 26]]))
    assert torch.isfinite(moved).all()


def test_suppression_is_the_greedy_one() -> None:
    g = torch.Generator().manual_seed(2)
    for case in range(100):
        count = int(torch.randint(0, 40, (), generator=g))
        boxes = random_boxes(count, 2 + case % 2, case)
        scores = torch.randint(0, 8, (count,), generator=g) / 8  # many ties
        classes = torch.randint(0, 2, (count,), generator=g)
        kept: list[int] = []
        for k in sorted(range(count), key=lambda k: -float(scores[k])):
            rivals = [j for j in kept if classes[j] == classes[k]]
            if all(plain_iou(boxes[k].tolist(), boxes[j].tolist()) <= 0.3 for j in rivals):
                kept.append(k)
        assert _boxes.suppress(boxes, scores, classes, 0.3).tolist() == kept


def plain_assignment(
    anchors: Tensor, levels: tuple[int, ...], boxes: Tensor, nearest: int
) -> list[int]:
    """Algorithm 1 of the ATSS paper for one image, with the rule for boxes that get no anchor."""
    d = anchors.shape[1] // 2
    centres = (anchors[:, :d] + anchors[:, d:]) / 2
    result, strength = [-1] * len(anchors), [-1.0] * len(anchors)
    for number, box in enumerate(boxes):
        middle, candidates, start = (box[:d] + box[d:]) / 2, [], 0
        for length in levels:
            order = sorted(
                range(start, start + length), key=lambda k: float((centres[k] - middle).norm())
            )
            candidates += order[:nearest]
            start += length
        ious = np.array([plain_iou(anchors[k].tolist(), box.tolist()) for k in candidates])
        inside = [
            bool((centres[k] > box[:d]).all() and (centres[k] < box[d:]).all()) for k in candidates
        ]
        own = {
            k: v
            for k, v, i in zip(candidates, ious, inside, strict=True)
            if i and v >= ious.mean() + ious.std() - 1e-6
        }
        own = own or {candidates[int(ious.argmax())]: 1 + float(ious.max())}
        for k, v in own.items():
            if v > strength[k]:
                strength[k], result[k] = v, number
    return result


@pytest.mark.parametrize("d", [2, 3])
def test_anchors_learn_the_boxes_that_the_paper_gives_them(d: int) -> None:
    network = retinanet.RetinaNet(retinanet.Options(widths=(8, 8)), Shape(d, 1, 1))
    per_level = network.anchors([(6, 10, 5)[:d], (3, 5, 3)[:d]], torch.device("cpu"))
    anchors, levels = torch.cat(per_level), tuple(len(a) for a in per_level)
    g = torch.Generator().manual_seed(d)
    low = torch.rand(8, 5, d, generator=g) * torch.tensor([36.0, 20, 16][:d])
    boxes = torch.cat([low, low + 0.5 + 16 * torch.rand(8, 5, d, generator=g)], -1)
    present = torch.arange(5) < torch.tensor([5, 4, 3, 2, 1, 0, 5, 5])[:, None]
    owners = _boxes.assign(anchors, levels, boxes, present, 7)
    for image in range(8):
        expected = plain_assignment(anchors, levels, boxes[image][present[image]], 7)
        assert owners[image].tolist() == expected


def test_a_finding_between_all_anchors_still_gets_one() -> None:
    anchors = torch.tensor([[0.0, 0, 8, 8], [8, 0, 16, 8]])
    boxes = torch.tensor([[[0.0, 0, 8, 8], [7, 4, 8, 5]], [[0, 0, 8, 8], [9, 0, 16, 8]]])
    owners = _boxes.assign(anchors, (2,), boxes, torch.ones(2, 2, dtype=torch.bool), 1)
    assert owners.tolist() == [
        [1, -1],
        [0, 1],
    ]  # the small one goes first: the large one would be left with others


# loss and prediction


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


# learning


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
