"""Data sets of hospitals: what is counted, shuffled, cropped, stacked and joined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from client.dataset.loader import SiteDataset, augment
from common.errors import SiteError
from common.sample import Batch
from tests.client.dataset.small_hospitals import BOXES, LABEL, MASK, hospital, study
from tests.targets import Seen

pytestmark = pytest.mark.usefixtures("steps")


def numbers(batch: Batch) -> list[int]:
    return [int(image.flatten()[0]) for image in batch.images]


def test_counts_and_samples(tmp_path: Path) -> None:
    dataset = SiteDataset.open([hospital(tmp_path / "a", 40)], study(), LABEL)
    assert dataset.counts == {
        "train": 28,
        "validation": 4,
        "test": 8,
        "patients": 20,
        "train_patients": 14,
        "left_out": 0,
    }
    assert dataset.reasons == []
    samples = dataset.samples("train")
    assert len(samples) == 28
    sample = samples[0]
    assert (sample.image.dtype, sample.image.shape) == (torch.float32, (1, 4, 5))
    assert all(
        Seen(s).label is not None and int(Seen(s).label) == int(s.image[0, 0, 0]) % 2
        for s in samples
    )
    assert [int(s.image[0, 0, 0]) for s in dataset.samples("all")] == list(range(40))
    assert len({s.patient for s in samples}) == 14
    assert len(samples[:3]) == 3


def test_every_image_comes_once_before_any_comes_again(tmp_path: Path) -> None:
    dataset = SiteDataset.open(
        [hospital(tmp_path / "a", 10)], study(test_fraction=0.0, validation_fraction=0.0), LABEL
    )
    drawn = [n for batch in dataset.batches(10, 3, seed=4) for n in numbers(batch)]
    assert len(drawn) == 30
    epochs = [drawn[i : i + 10] for i in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_batches_depend_on_their_seed_alone(tmp_path: Path) -> None:
    dataset = SiteDataset.open([hospital(tmp_path / "a", 10)], study(), LABEL)
    first = [numbers(b) for b in dataset.batches(5, 3, 1)]
    assert first == [numbers(b) for b in dataset.batches(5, 3, 1)]
    assert first != [numbers(b) for b in dataset.batches(5, 3, 2)]


def test_batch_size_is_cut_to_the_images(tmp_path: Path) -> None:
    dataset = SiteDataset.open(
        [hospital(tmp_path / "a", 6)], study(test_fraction=0.0, validation_fraction=0.0), LABEL
    )
    assert [len(b) for b in dataset.batches(2, 100, 1)] == [6, 6]


@pytest.mark.parametrize("memory", [1 << 30, 0])
@pytest.mark.parametrize("task", [LABEL, MASK, BOXES])
def test_labels_follow_their_image_with_and_without_memory(
    tmp_path: Path, task: Any, memory: int
) -> None:
    dataset = SiteDataset.open(
        [hospital(tmp_path / "a", 9)],
        study(test_fraction=0.0, validation_fraction=0.0),
        task,
        memory=memory,
    )
    for batch in dataset.batches(4, 4, 1):
        for i, n in enumerate(numbers(batch)):
            if Seen(batch).labels is not None:
                assert int(Seen(batch).labels[i]) == n % 2
            if Seen(batch).masks is not None:
                assert (Seen(batch).masks.dtype, int(Seen(batch).masks[i].max())) == (
                    torch.uint8,
                    n % 2,
                )
            if Seen(batch).boxes is not None and Seen(batch).classes is not None:
                assert Seen(batch).boxes[i].tolist() == [[0, 0, 1 + n % 3, 2]]
                assert Seen(batch).classes[i].tolist() == [0]


def test_unusable_images_are_left_out_counted_and_logged(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 20)
    lines: list[str] = []
    (folder / "images" / "003.png").write_bytes(b"broken")
    dataset = SiteDataset.open([folder], study(("fail_on_five",)), LABEL, lines.append)
    counts = dataset.counts
    assert counts["train"] + counts["validation"] + counts["test"] == 18
    assert counts["left_out"] == 2
    assert len(dataset.reasons) == 2
    assert all(reason["images"] == 1 for reason in dataset.reasons)
    assert any(reason["arguments"] == {"step": "fail_on_five"} for reason in dataset.reasons)
    assert not any(name in json.dumps(dataset.reasons) for name in ("003", "005", "png,"))
    assert any("003.png" in line for line in lines)
    assert any("005.png" in line for line in lines)
    assert {3, 5}.isdisjoint(n for b in dataset.batches(20, 4, 1) for n in numbers(b))


def test_too_many_unusable_images_refuse_the_hospital_every_time(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 20)
    for i in range(5):
        (folder / "images" / f"{i:03}.png").write_bytes(b"broken")
    dataset = SiteDataset.open([folder], study(test_fraction=0.0, validation_fraction=0.0), LABEL)
    for _ in range(2):
        with pytest.raises(SiteError, match="5 of 20 images are unusable"):
            dataset.samples("train")


def test_crops_are_drawn_anew_each_time_and_reproducibly(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 6, ((4, 5), (7, 3)))
    ramp = np.arange(20, dtype=np.uint8).reshape(4, 5)
    for path in (folder / "images").iterdir():
        size = (4, 5) if int(path.stem) % 2 == 0 else (7, 3)
        Image.fromarray(np.resize(ramp, size)).save(path)
    dataset = SiteDataset.open(
        [folder], study((), ("corner", "shift"), test_fraction=0.0, validation_fraction=0.0), MASK
    )
    first = list(dataset.batches(8, 6, 1))
    assert all(
        b.images.shape == (6, 1, 2, 2)
        and Seen(b).masks is not None
        and Seen(b).masks.shape == (6, 1, 2, 2)
        for b in first
    )
    assert all(
        torch.equal(a.images, b.images)
        for a, b in zip(first, dataset.batches(8, 6, 1), strict=True)
    )
    assert (
        len({tuple(image.flatten().tolist()) for b in first for image in b.images}) > 6
    )  # more views than images


def test_different_sizes_name_the_steps_that_help(tmp_path: Path) -> None:
    dataset = SiteDataset.open([hospital(tmp_path / "a", 10, ((4, 5), (6, 5)))], study(), LABEL)
    sentence = (
        r"^Training images have 2 different sizes and cannot form a batch; "
        r"add resize or pad .* random_crop to data\.augment\.$"
    )
    with pytest.raises(SiteError, match=sentence):
        list(dataset.batches(5, 4, 1))
    with pytest.raises(SiteError, match=sentence):
        dataset.check_shapes()


@pytest.mark.parametrize("memory", [1 << 30, 0])
def test_shapes_that_agree_pass_also_when_a_step_makes_them_agree(
    tmp_path: Path, memory: int
) -> None:
    mixed, even = hospital(tmp_path / "a", 10, ((4, 5), (6, 5))), hospital(tmp_path / "b", 10)
    other = hospital(tmp_path / "c", 10, ((6, 5),))
    SiteDataset.open([mixed], study((), ("corner",)), MASK, memory=memory).check_shapes()
    banks = [SiteDataset.open([folder], study(), LABEL, memory=memory) for folder in (even, other)]
    for dataset in banks:
        dataset.check_shapes()
    with pytest.raises(SiteError, match="2 different sizes"):
        SiteDataset.join(banks).check_shapes()


def test_pooled_parts_are_the_union_of_the_hospitals(tmp_path: Path) -> None:
    folders = [hospital(tmp_path / "a", 20), hospital(tmp_path / "b", 12)]
    alone = [SiteDataset.open([folder], study(), LABEL) for folder in folders]
    for pooled in (SiteDataset.open(folders, study(), LABEL), SiteDataset.join(alone)):
        for part in ("train", "validation", "test", "all"):
            expected = [s.image for dataset in alone for s in dataset.samples(part)]
            samples = [s.image for s in pooled.samples(part)]
            assert len(samples) == len(expected)
            assert all(torch.equal(x, y) for x, y in zip(samples, expected, strict=True))
        assert pooled.counts == {
            key: sum(dataset.counts[key] for dataset in alone) for key in alone[0].counts
        }
        assert len({s.patient for s in pooled.samples("all")}) == 16
        assert sum(len(b) for b in pooled.batches(3, 5, 1)) == 15


def test_join_decodes_nothing_again(tmp_path: Path) -> None:
    alone = [SiteDataset.open([hospital(tmp_path / name, 10)], study(), LABEL) for name in "ab"]
    assert all(dataset.counts["train"] for dataset in alone)
    for path in tmp_path.rglob("*.png"):
        path.unlink()
    pooled = SiteDataset.join(alone)
    assert len(list(pooled.batches(3, 4, 1))) == 3
    assert len([s.image for s in pooled.samples("all")]) == 20


def test_augment_applies_the_random_steps_only(tmp_path: Path) -> None:
    asked = study((), ("corner", "shift"))
    batch = Batch(torch.zeros(2, 1, 3, 3))
    one = augment(batch, asked, torch.Generator().manual_seed(1))
    other = augment(batch, asked, torch.Generator().manual_seed(1))
    assert one.images.shape == (2, 1, 3, 3)
    assert torch.equal(one.images, other.images)
    assert float(one.images[0, 0, 0, 0]) != float(one.images[1, 0, 0, 0])
    assert float(batch.images.sum()) == 0


def test_a_cpu_bank_ignores_its_device(tmp_path: Path) -> None:
    dataset = SiteDataset.open([hospital(tmp_path / "a", 10)], study(), LABEL).to(
        torch.device("cpu")
    )
    assert next(iter(dataset.batches(1, 2, 1))).images.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("memory", [1 << 30, 0])
def test_a_gpu_bank_gives_the_same_batches(tmp_path: Path, memory: int) -> None:
    folder = hospital(tmp_path / "a", 12)
    plain = SiteDataset.open([folder], study(("scale",)), MASK)
    fed = SiteDataset.open([folder], study(("scale",)), MASK, memory=memory).to(
        torch.device("cuda")
    )
    for one, other in zip(plain.batches(5, 4, 1), fed.batches(5, 4, 1), strict=True):
        assert other.images.is_cuda if memory else other.images.is_pinned()
        assert torch.equal(one.images, other.images.cpu())
        assert Seen(one).masks is not None
        assert Seen(other).masks is not None
        assert torch.equal(Seen(one).masks, Seen(other).masks.cpu())
