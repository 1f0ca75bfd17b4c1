"""Bank: what is counted, kept, shuffled, cropped and joined."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from client.dataset import cache
from client.dataset.loader import SiteDataset, augment
from common.errors import SiteError
from common.sample import Batch, Sample
from common.study.sections import Data, Evaluation, FederationSettings, Named, Training
from common.study.study import Study
from common.transforms import Transform
from common.transforms._window import window
from tests.targets import Seen

LABEL: Any = SimpleNamespace(
    needs=frozenset({"label"}),
    columns=("dx",),
    classes=("0", "1"),
    multi_label=False,
    mask_values=None,
)
MASK: Any = SimpleNamespace(
    needs=frozenset({"mask"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)
BOXES: Any = SimpleNamespace(
    needs=frozenset({"boxes"}), columns=(), classes=("x",), multi_label=False, mask_values=None
)


@dataclass(frozen=True)
class Nothing:
    """Settings of a step without any."""


def scale(options: Nothing, sample: Sample) -> Sample:
    return sample.with_(image=sample.image / 8 - 2)


def fail_on_five(options: Nothing, sample: Sample) -> Sample:
    if bool((sample.image == 5).all()):
        raise ValueError("five")
    return sample


def corner(options: Nothing, sample: Sample, generator: torch.Generator) -> Sample:
    """A 2 x 2 window whose place is drawn."""
    y, x = (int(torch.randint(n - 1, (), generator=generator)) for n in sample.image.shape[1:])
    return window(sample, (y, x), (2, 2), 0.0)


def shift(options: Nothing, batch: Batch, generator: torch.Generator) -> Batch:
    return batch.with_(images=batch.images + torch.rand(len(batch), 1, 1, 1, generator=generator))


STEPS = {
    "scale": Transform("prepare", Nothing, prepare=scale),
    "fail_on_five": Transform("prepare", Nothing, prepare=fail_on_five),
    "corner": Transform("crop", Nothing, crop=corner),
    "shift": Transform("augment", Nothing, augment=shift),
}


@pytest.fixture(autouse=True)
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "transform", STEPS.__getitem__)
    monkeypatch.setattr("client.dataset.loader.transform", STEPS.__getitem__)


def study(
    prepare: tuple[str, ...] = (), augmented: tuple[str, ...] = (), seed: int = 1, **data: Any
) -> Study:
    steps, random = (
        tuple(Named(name, Nothing()) for name in names) for names in (prepare, augmented)
    )
    none = Named("none", None)
    return Study(
        "s",
        "",
        seed,
        none,
        none,
        none,
        Data(**data),
        steps,
        random,
        Training(),
        FederationSettings(),
        Evaluation(),
    )


def hospital(folder: Path, count: int, sizes: tuple[tuple[int, int], ...] = ((4, 5),)) -> Path:
    """``count`` images, each filled with its number, of two patients' worth of labels, with a mask and a box each."""
    for room in ("images", "masks"):
        (folder / room).mkdir(parents=True)
    rows, boxes = ["file,dx,patient_id"], {}
    for i in range(count):
        height, width = sizes[i % len(sizes)]
        Image.fromarray(np.full((height, width), i, np.uint8)).save(
            folder / "images" / f"{i:03}.png"
        )
        Image.fromarray(np.full((height, width), i % 2, np.uint8)).save(
            folder / "masks" / f"{i:03}.png"
        )
        rows.append(f"{i:03}.png,{i % 2},p{i // 2}")
        boxes[f"{i:03}.png"] = {
            "width": width,
            "height": height,
            "objects": [{"label": "x", "box_xyxy": [0, 0, 1 + i % 3, 2]}],
        }
    (folder / "labels.csv").write_text("\n".join(rows))
    (folder / "boxes.json").write_text(json.dumps(boxes))
    return folder


def numbers(batch: Batch) -> list[int]:
    return [int(image.flatten()[0]) for image in batch.images]


def test_counts_and_samples(tmp_path: Path) -> None:
    bank = SiteDataset.open([hospital(tmp_path / "a", 40)], study(), LABEL)
    assert bank.counts == {
        "train": 28,
        "validation": 4,
        "test": 8,
        "patients": 20,
        "train_patients": 14,
        "left_out": 0,
    }
    assert bank.reasons == []
    samples = bank.samples("train")
    assert len(samples) == 28
    sample = samples[0]
    assert (sample.image.dtype, sample.image.shape) == (torch.float32, (1, 4, 5))
    assert all(
        Seen(s).label is not None and int(Seen(s).label) == int(s.image[0, 0, 0]) % 2
        for s in samples
    )
    assert [int(s.image[0, 0, 0]) for s in bank.samples("all")] == list(range(40))
    assert len({s.patient for s in samples}) == 14
    assert len(samples[:3]) == 3


def test_nothing_is_decoded_before_it_is_asked_for(tmp_path: Path) -> None:
    bank = SiteDataset.open([hospital(tmp_path / "a", 10)], study(), LABEL)
    for path in (tmp_path / "a" / "images").iterdir():
        path.write_bytes(b"gone")
    with pytest.raises(SiteError, match="unusable"):
        bank.samples("train")


def test_prepare_runs_once_per_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(options: Nothing, sample: Sample) -> Sample:
        seen.append(1)
        return scale(options, sample)

    monkeypatch.setitem(STEPS, "scale", Transform("prepare", Nothing, prepare=count))
    bank = SiteDataset.open(
        [hospital(tmp_path / "a", 10)],
        study(("scale",), test_fraction=0.0, validation_fraction=0.0),
        LABEL,
    )
    values = sorted(float(s.image[0, 0, 0]) for s in bank.samples("train"))
    assert values == [i / 8 - 2 for i in range(10)]
    list(bank.batches(9, 4, 1))
    bank.samples("all")
    assert len(seen) == 10


def test_every_image_comes_once_before_any_comes_again(tmp_path: Path) -> None:
    bank = SiteDataset.open(
        [hospital(tmp_path / "a", 10)], study(test_fraction=0.0, validation_fraction=0.0), LABEL
    )
    drawn = [n for batch in bank.batches(10, 3, seed=4) for n in numbers(batch)]
    assert len(drawn) == 30
    epochs = [drawn[i : i + 10] for i in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_batches_depend_on_their_seed_alone(tmp_path: Path) -> None:
    bank = SiteDataset.open([hospital(tmp_path / "a", 10)], study(), LABEL)
    first = [numbers(b) for b in bank.batches(5, 3, 1)]
    assert first == [numbers(b) for b in bank.batches(5, 3, 1)]
    assert first != [numbers(b) for b in bank.batches(5, 3, 2)]


def test_batch_size_is_cut_to_the_images(tmp_path: Path) -> None:
    bank = SiteDataset.open(
        [hospital(tmp_path / "a", 6)], study(test_fraction=0.0, validation_fraction=0.0), LABEL
    )
    assert [len(b) for b in bank.batches(2, 100, 1)] == [6, 6]


@pytest.mark.parametrize("memory", [1 << 30, 0])
@pytest.mark.parametrize("task", [LABEL, MASK, BOXES])
def test_labels_follow_their_image_with_and_without_memory(
    tmp_path: Path, task: Any, memory: int
) -> None:
    bank = SiteDataset.open(
        [hospital(tmp_path / "a", 9)],
        study(test_fraction=0.0, validation_fraction=0.0),
        task,
        memory=memory,
    )
    for batch in bank.batches(4, 4, 1):
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


def test_memory_limit_changes_no_result_and_is_logged(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 20)
    lines: list[str] = []
    large = SiteDataset.open([folder], study(("scale",)), LABEL)
    small = SiteDataset.open([folder], study(("scale",)), LABEL, lines.append, memory=200)
    for one, other in zip(large.batches(6, 4, 1), small.batches(6, 4, 1), strict=True):
        assert torch.equal(one.images, other.images)
    assert len(lines) == 1
    assert "memory" in lines[0]


def test_rounding_stays_below_the_promise_and_large_values_stay_exact(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, scale_ in (("small", 1), ("large", 5000)):
        (tmp_path / name / "images").mkdir(parents=True)
        stored = rng.integers(0, 13, (30, 30)).astype(np.uint16) * scale_ + (1 if scale_ > 1 else 0)
        Image.fromarray(stored).save(tmp_path / name / "images" / "a.png")
        (tmp_path / name / "labels.csv").write_text("file,dx\na.png,1\n")
        bank = SiteDataset.open([tmp_path / name], study(min_patients=1), LABEL)
        difference = np.abs(bank.samples("train")[0].image[0].numpy() - stored).max()
        assert difference <= stored.std() / 256
        if scale_ > 1:  # beyond float16
            assert stored.max() > 60_000 - 1
    sample = cache._compact(Sample(torch.randn(1, 64, 64) * 3, (1.0, 1.0)))
    assert sample.image.dtype == torch.float16
    assert (
        cache._compact(Sample(torch.tensor([[[0.0, 1e6]]]), (1.0, 1.0))).image.dtype
        == torch.float32
    )
    assert (
        cache._compact(Sample(1000 + torch.randn(1, 8, 8) / 10, (1.0, 1.0))).image.dtype
        == torch.float32
    )


def test_unusable_images_are_left_out_counted_and_logged(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 20)
    lines: list[str] = []
    (folder / "images" / "003.png").write_bytes(b"broken")
    bank = SiteDataset.open([folder], study(("fail_on_five",)), LABEL, lines.append)
    counts = bank.counts
    assert counts["train"] + counts["validation"] + counts["test"] == 18
    assert counts["left_out"] == 2
    assert len(bank.reasons) == 2
    assert all(reason["images"] == 1 for reason in bank.reasons)
    assert any(reason["arguments"] == {"step": "fail_on_five"} for reason in bank.reasons)
    assert not any(name in json.dumps(bank.reasons) for name in ("003", "005", "png,"))
    assert any("003.png" in line for line in lines)
    assert any("005.png" in line for line in lines)
    assert {3, 5}.isdisjoint(n for b in bank.batches(20, 4, 1) for n in numbers(b))


def test_too_many_unusable_images_refuse_the_hospital_every_time(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 20)
    for i in range(5):
        (folder / "images" / f"{i:03}.png").write_bytes(b"broken")
    bank = SiteDataset.open([folder], study(test_fraction=0.0, validation_fraction=0.0), LABEL)
    for _ in range(2):
        with pytest.raises(SiteError, match="5 of 20 images are unusable"):
            bank.samples("train")


def test_the_share_that_is_told_is_that_of_all_images(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 12)
    for path in (folder / "images").iterdir():
        path.write_bytes(b"broken")
    for ask in (lambda bank: bank.counts, lambda bank: bank.samples("train")):
        with pytest.raises(SiteError, match=r"^12 of 12 images are unusable .*\(12 times\)"):
            ask(SiteDataset.open([folder], study(), LABEL))


def test_crops_are_drawn_anew_each_time_and_reproducibly(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 6, ((4, 5), (7, 3)))
    ramp = np.arange(20, dtype=np.uint8).reshape(4, 5)
    for path in (folder / "images").iterdir():
        size = (4, 5) if int(path.stem) % 2 == 0 else (7, 3)
        Image.fromarray(np.resize(ramp, size)).save(path)
    bank = SiteDataset.open(
        [folder], study((), ("corner", "shift"), test_fraction=0.0, validation_fraction=0.0), MASK
    )
    first = list(bank.batches(8, 6, 1))
    assert all(
        b.images.shape == (6, 1, 2, 2)
        and Seen(b).masks is not None
        and Seen(b).masks.shape == (6, 1, 2, 2)
        for b in first
    )
    assert all(
        torch.equal(a.images, b.images) for a, b in zip(first, bank.batches(8, 6, 1), strict=True)
    )
    assert (
        len({tuple(image.flatten().tolist()) for b in first for image in b.images}) > 6
    )  # more views than images


def test_different_sizes_name_the_steps_that_help(tmp_path: Path) -> None:
    bank = SiteDataset.open([hospital(tmp_path / "a", 10, ((4, 5), (6, 5)))], study(), LABEL)
    sentence = r"^Training images have 2 different sizes and cannot form a batch; add resize or pad .* random_crop to data\.augment\.$"
    with pytest.raises(SiteError, match=sentence):
        list(bank.batches(5, 4, 1))
    with pytest.raises(SiteError, match=sentence):
        bank.check_shapes()


@pytest.mark.parametrize("memory", [1 << 30, 0])
def test_shapes_that_agree_pass_also_when_a_step_makes_them_agree(
    tmp_path: Path, memory: int
) -> None:
    mixed, even = hospital(tmp_path / "a", 10, ((4, 5), (6, 5))), hospital(tmp_path / "b", 10)
    other = hospital(tmp_path / "c", 10, ((6, 5),))
    SiteDataset.open([mixed], study((), ("corner",)), MASK, memory=memory).check_shapes()
    banks = [SiteDataset.open([folder], study(), LABEL, memory=memory) for folder in (even, other)]
    for bank in banks:
        bank.check_shapes()
    with pytest.raises(SiteError, match="2 different sizes"):
        SiteDataset.join(banks).check_shapes()


def test_pooled_parts_are_the_union_of_the_hospitals(tmp_path: Path) -> None:
    folders = [hospital(tmp_path / "a", 20), hospital(tmp_path / "b", 12)]
    alone = [SiteDataset.open([folder], study(), LABEL) for folder in folders]
    for pooled in (SiteDataset.open(folders, study(), LABEL), SiteDataset.join(alone)):
        for part in ("train", "validation", "test", "all"):
            wanted = [s.image for bank in alone for s in bank.samples(part)]
            found = [s.image for s in pooled.samples(part)]
            assert len(found) == len(wanted)
            assert all(torch.equal(x, y) for x, y in zip(found, wanted, strict=True))
        assert pooled.counts == {
            key: sum(bank.counts[key] for bank in alone) for key in alone[0].counts
        }
        assert len({s.patient for s in pooled.samples("all")}) == 16
        assert sum(len(b) for b in pooled.batches(3, 5, 1)) == 15


def test_join_decodes_nothing_again(tmp_path: Path) -> None:
    alone = [SiteDataset.open([hospital(tmp_path / name, 10)], study(), LABEL) for name in "ab"]
    assert all(bank.counts["train"] for bank in alone)
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
    bank = SiteDataset.open([hospital(tmp_path / "a", 10)], study(), LABEL).to(torch.device("cpu"))
    assert next(iter(bank.batches(1, 2, 1))).images.device.type == "cpu"


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
