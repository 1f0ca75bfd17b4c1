"""Classification: loss and its weights, predictions, metrics against independent definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from common.errors import SiteError, StudyError
from common.models import Shape
from common.sample import Batch, Sample
from common.study import config, plugins
from common.tasks._scoring import over_flips
from common.tasks.classification import TASK, Classification, balanced_weights
from tests.common.tasks.definitions import pair_count
from tests.targets import of_many, of_one


def task(dimensions: int = 2, **options: Any) -> Classification:
    classifier = TASK.create(
        config.load(TASK.options, {"target": ["finding"]} | options, "task"), dimensions
    )
    assert isinstance(classifier, Classification)
    return classifier


def several(**options: Any) -> Classification:
    return task(target=["a", "b"], multi_label=True, **options)


class Fixed(nn.Module):
    """Gives the same logits whatever the image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, images: Tensor) -> Tensor:
        return self.logits[: len(images)]


def rows(classifier: Classification, probabilities: Any, labels: Any) -> list[Any]:
    label = torch.tensor(labels, dtype=torch.float32 if classifier.multi_label else torch.int64)
    samples = [
        Sample(torch.zeros(1, 4, 4), (1.0, 1.0), targets=of_one(label=value)) for value in label
    ]
    return [
        classifier.row({"probabilities": p}, s)
        for p, s in zip(torch.tensor(probabilities), samples, strict=True)
    ]


class TestSummarise:
    def test_two_classes_score_the_last(self) -> None:
        classifier = task()
        metrics = classifier.summarise(
            rows(classifier, [[0.9, 0.1], [0.4, 0.6], [0.65, 0.35], [0.2, 0.8]], [0, 0, 1, 1])
        )
        assert metrics == pytest.approx({"auc": 0.75, "balanced_accuracy": 0.5, "accuracy": 0.5})

    def test_balanced_accuracy_is_the_mean_recall(self) -> None:
        classifier = task()
        metrics = classifier.summarise(
            rows(classifier, [[0.9, 0.1]] * 9 + [[0.1, 0.9], [0.9, 0.1]], [0] * 9 + [1, 1])
        )
        assert metrics["accuracy"] == pytest.approx(10 / 11)
        assert metrics["balanced_accuracy"] == pytest.approx(0.75)

    def test_several_classes_average_over_those_that_occur(self) -> None:
        classifier = task(classes=["a", "b", "c", "never"])
        random = np.random.default_rng(0)
        labels = random.integers(0, 3, 50)
        chances = random.dirichlet(np.ones(4), 50)
        metrics = classifier.summarise(rows(classifier, chances, labels))
        assert metrics["auc"] == pytest.approx(
            np.mean([pair_count(chances[:, k], labels == k) for k in range(3)])
        )
        recall = [np.mean(chances[labels == k].argmax(1) == k) for k in range(3)]
        assert metrics["balanced_accuracy"] == pytest.approx(np.mean(recall))

    def test_multi_label_averages_over_targets_with_both_values(self) -> None:
        classifier = task(target=["a", "b", "c"], multi_label=True)
        chances = [[0.9, 0.2, 0.1], [0.6, 0.7, 0.2], [0.3, 0.6, 0.9]]
        labels = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
        metrics = classifier.summarise(rows(classifier, chances, labels))
        assert metrics["auc"] == pytest.approx(np.mean([1.0, 1.0]))
        assert metrics["balanced_accuracy"] == pytest.approx(np.mean([(1 + 0.5) / 2, 1.0]))
        assert metrics["accuracy"] == pytest.approx(7 / 9)

    def test_undefined_values_are_nan(self) -> None:
        classifier = task()
        one_class = classifier.summarise(rows(classifier, [[0.5, 0.5], [0.7, 0.3]], [0, 0]))
        assert math.isnan(one_class["auc"])
        assert one_class["accuracy"] == 1.0
        assert all(math.isnan(value) for value in classifier.summarise([]).values())
        targets = several()
        assert math.isnan(
            targets.summarise(rows(targets, [[0.5, 0.5]], [[1.0, 0.0]]))["balanced_accuracy"]
        )

    def test_keys_are_those_announced_and_rows_are_small(self) -> None:
        classifier = task()
        kept = rows(classifier, [[0.5, 0.5]], [0])
        assert classifier.summarise(kept).keys() == classifier.higher_is_better.keys()
        assert sum(value.nbytes for value in kept[0].values()) <= 16


class TestLoss:
    LOGITS = torch.tensor([[0.2, -1.0], [1.5, 0.3], [-0.4, 0.9], [0.0, 0.0]])

    def loss(self, classifier: Classification, labels: Tensor) -> Tensor:
        return classifier.loss(
            Fixed(self.LOGITS.clone()), Batch(torch.zeros(4, 1, 8, 8), of_many(labels=labels))
        )

    def test_cross_entropy_is_the_log_of_the_true_class(self) -> None:
        labels = torch.tensor([0, 1, 1, 0])
        expected = -self.LOGITS.softmax(1)[torch.arange(4), labels].log().mean()
        torch.testing.assert_close(self.loss(task(), labels), expected)

    def test_focal_weighs_by_the_missing_chance_squared(self) -> None:
        labels = torch.tensor([0, 1, 1, 0])
        chance = self.LOGITS.softmax(1)[torch.arange(4), labels]
        torch.testing.assert_close(
            self.loss(task(loss="focal"), labels), (-((1 - chance) ** 2) * chance.log()).mean()
        )

    @pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
    def test_multi_label_is_one_question_per_target(self, loss: str) -> None:
        labels = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]])
        chance = torch.where(labels > 0.5, self.LOGITS.sigmoid(), 1 - self.LOGITS.sigmoid())
        factor = (1 - chance) ** 2 if loss == "focal" else 1
        torch.testing.assert_close(
            self.loss(several(loss=loss), labels), (-factor * chance.log()).mean()
        )

    def test_smoothing_moves_the_target_towards_the_middle(self) -> None:
        labels = torch.tensor([0, 1, 1, 0])
        smoothed = nn.functional.one_hot(labels, 2) * 0.8 + 0.1
        expected = -(smoothed * self.LOGITS.log_softmax(1)).sum(1).mean()
        torch.testing.assert_close(self.loss(task(label_smoothing=0.2), labels), expected)
        smooth = several(label_smoothing=0.2)
        both = torch.ones(4, 2)
        expected = -(
            0.9 * self.LOGITS.sigmoid().log() + 0.1 * (-self.LOGITS).sigmoid().log()
        ).mean()
        torch.testing.assert_close(self.loss(smooth, both), expected)

    def test_stays_finite_for_wild_logits_in_bf16(self) -> None:
        wild = Fixed(torch.tensor([[3e4, -3e4], [-3e4, 3e4]], dtype=torch.bfloat16))
        with torch.autocast("cpu", torch.bfloat16):
            loss = task().loss(
                wild, Batch(torch.zeros(2, 1, 8, 8), of_many(labels=torch.tensor([1, 1])))
            )
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)

    def test_images_without_labels_are_the_hospitals_fault(self) -> None:
        with pytest.raises(SiteError, match="no class label"):
            task().loss(Fixed(self.LOGITS), Batch(torch.zeros(4, 1, 8, 8)))
        with pytest.raises(SiteError, match="no class label"):
            task().row({"probabilities": torch.zeros(2)}, Sample(torch.zeros(1, 4, 4), (1.0, 1.0)))


class TestClassWeights:
    def samples(self, labels: list[Any], dtype: torch.dtype = torch.int64) -> list[Sample]:
        return [
            Sample(
                torch.zeros(1, 2, 2),
                (1.0, 1.0),
                targets=of_one(label=torch.tensor(value, dtype=dtype)),
            )
            for value in labels
        ]

    def test_off_by_default(self) -> None:
        classifier = task()
        assert classifier.for_site(self.samples([0, 0, 1])) is classifier

    def test_balanced_classes_carry_the_same_weight_and_the_mean_is_one(self) -> None:
        labels = [0] * 6 + [1] * 3 + [2] * 1
        weights = (
            task(classes=["a", "b", "c"], class_weights="balanced")
            .for_site(self.samples(labels))
            .weights
        )
        assert weights is not None
        torch.testing.assert_close(
            weights * torch.tensor([6.0, 3.0, 1.0]), torch.full((3,), 10 / 3)
        )
        assert float(weights[torch.tensor(labels)].mean()) == pytest.approx(1.0)

    def test_weights_multiply_each_images_term(self) -> None:
        classifier = task(class_weights="balanced").for_site(self.samples([0, 0, 0, 1]))
        logits, labels = torch.tensor([[0.3, 0.1], [0.3, 0.1]]), torch.tensor([0, 1])
        loss = classifier.loss(
            Fixed(logits), Batch(torch.zeros(2, 1, 8, 8), of_many(labels=labels))
        )
        terms = nn.functional.cross_entropy(logits, labels, reduction="none")
        torch.testing.assert_close(loss, (terms * torch.tensor([4 / 6, 2.0])).mean())

    def test_multi_label_weighs_each_target_by_itself(self) -> None:
        classifier = several(class_weights="balanced").for_site(
            self.samples([[1, 0], [0, 0], [0, 0], [0, 0]], torch.float32)
        )
        assert classifier.weights is not None
        torch.testing.assert_close(classifier.weights, torch.tensor([[4 / 6, 2.0], [1.0, 1.0]]))
        logits, labels = torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
        loss = classifier.loss(
            Fixed(logits), Batch(torch.zeros(1, 1, 8, 8), of_many(labels=labels))
        )
        torch.testing.assert_close(loss, torch.tensor(math.log(2) * (2.0 + 1.0) / 2))

    def test_weights_are_bounded_and_a_missing_class_counts_one(self) -> None:
        weights = balanced_weights(torch.tensor([100_000, 1, 0]))
        assert weights.tolist() == pytest.approx([0.500005, 10.0, 1.0])

    def test_the_original_task_is_unchanged(self) -> None:
        classifier = task(class_weights="balanced")
        assert classifier.for_site(self.samples([0, 1, 1])).weights is not None
        assert classifier.weights is None
        assert classifier.for_site([]) is classifier


class TestPredict:
    def test_probabilities_of_one_label_sum_to_one_on_the_cpu(self) -> None:
        predictions = task().predict(Fixed(torch.randn(3, 2)).eval(), torch.zeros(3, 1, 9, 7))
        assert len(predictions) == 3
        assert all(
            f["probabilities"].dtype == torch.float32
            and f["probabilities"].sum() == pytest.approx(1.0)
            for f in predictions
        )

    def test_multi_label_probabilities_stand_alone(self) -> None:
        predictions = several().predict(
            Fixed(torch.tensor([[10.0, 10.0]])).eval(), torch.zeros(1, 1, 8, 8)
        )
        assert (predictions[0]["probabilities"] > 0.99).all()

    def test_leaves_no_gradient_behind(self) -> None:
        assert (
            not task()
            .predict(Fixed(torch.randn(1, 2)).eval(), torch.zeros(1, 1, 8, 8))[0]["probabilities"]
            .requires_grad
        )

    @pytest.mark.parametrize("dimensions", [2, 3])
    def test_flip_average_no_longer_depends_on_the_side(self, dimensions: int) -> None:
        images = torch.rand(1, 1, *range(4, 4 + dimensions))

        class Corner(nn.Module):
            def forward(self, views: Tensor) -> Tensor:
                corner = views[:, 0].flatten(1)[:, 0]
                return torch.stack([corner, 1 - corner], 1) * 5

        for classifier, same in (
            (task(dimensions), False),
            (task(dimensions, flip_average=True), True),
        ):
            here, there = (
                classifier.predict(Corner(), v)[0]["probabilities"]
                for v in (images, images.flip(2))
            )
            assert torch.allclose(here, there) == same

    @pytest.mark.parametrize("dimensions", [2, 3])
    def test_flips_visit_every_mirror_image_once(self, dimensions: int) -> None:
        seen: list[Tensor] = []

        def look(views: Tensor) -> Tensor:
            seen.append(views)
            return views.mean()

        over_flips(look, torch.rand(1, 1, *[3] * dimensions), follow=False)
        assert len(seen) == 2**dimensions == len({tuple(x.flatten().tolist()) for x in seen})


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"target": []}, "task.target"),
        ({"target": ["a", "b"]}, "task.target"),
        ({"target": ["a", "a"], "multi_label": True}, "task.target"),
        ({"classes": ["one"]}, "task.classes"),
        ({"classes": ["a", "a"]}, "task.classes"),
        ({"classes": ["a", "b", "c"], "multi_label": True}, "task.classes"),
        ({"loss": "cross_entorpy"}, "task.loss"),
    ],
)
def test_impossible_settings_are_named(options: dict[str, Any], place: str) -> None:
    with pytest.raises(StudyError, match=place):
        task(**options)


def test_target_must_be_given() -> None:
    with pytest.raises(StudyError, match=r"task\.target is missing"):
        config.load(TASK.options, {}, "task")


@pytest.mark.parametrize(
    ("name", "dimensions", "multi_label"),
    [("cnn", 2, False), ("cnn", 3, False), ("densenet", 2, True), ("resnet", 2, False)],
)
def test_learns_a_tiny_problem(name: str, dimensions: int, multi_label: bool) -> None:
    """Bright against dark images: the loss halves and the AUC reaches 1.

    The second target is the other way round.
    """
    classifier = task(
        dimensions, **({"target": ["bright", "dark"], "multi_label": True} if multi_label else {})
    )
    random = torch.Generator().manual_seed(0)
    number = torch.arange(8) % 2
    images = torch.randn(8, 1, *[16] * dimensions, generator=random) + 3 * number.view(
        -1, 1, *[1] * dimensions
    )
    labels = torch.stack([number, 1 - number], 1).float() if multi_label else number
    torch.manual_seed(0)
    plugin = plugins.load("common.models", name, "MODEL")
    network = plugin.build(plugin.options(), Shape(dimensions, 1, classifier.outputs)).train()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        loss = classifier.loss(network, Batch(images, of_many(labels=labels)))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2
    predictions = classifier.predict(network.eval(), images)
    kept = [
        classifier.row(f, Sample(images[i], (1.0,) * dimensions, targets=of_one(label=labels[i])))
        for i, f in enumerate(predictions)
    ]
    assert classifier.summarise(kept)["auc"] == 1.0
