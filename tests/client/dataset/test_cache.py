"""The image cache: what is decoded when, how it is kept, and what is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from client.dataset import cache
from client.dataset.loader import SiteDataset
from common.errors import SiteError
from common.sample import Sample
from common.transforms import Transform
from tests.client.dataset.small_hospitals import LABEL, STEPS, Nothing, hospital, scale, study

pytestmark = pytest.mark.usefixtures("steps")


def test_nothing_is_decoded_before_it_is_asked_for(tmp_path: Path) -> None:
    dataset = SiteDataset.open([hospital(tmp_path / "a", 10)], study(), LABEL)
    for path in (tmp_path / "a" / "images").iterdir():
        path.write_bytes(b"gone")
    with pytest.raises(SiteError, match="unusable"):
        dataset.samples("train")


def test_prepare_runs_once_per_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def count(options: Nothing, sample: Sample) -> Sample:
        seen.append(1)
        return scale(options, sample)

    monkeypatch.setitem(STEPS, "scale", Transform("prepare", Nothing, prepare=count))
    dataset = SiteDataset.open(
        [hospital(tmp_path / "a", 10)],
        study(("scale",), test_fraction=0.0, validation_fraction=0.0),
        LABEL,
    )
    values = sorted(float(s.image[0, 0, 0]) for s in dataset.samples("train"))
    assert values == [i / 8 - 2 for i in range(10)]
    list(dataset.batches(9, 4, 1))
    dataset.samples("all")
    assert len(seen) == 10


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
        dataset = SiteDataset.open([tmp_path / name], study(min_patients=1), LABEL)
        difference = np.abs(dataset.samples("train")[0].image[0].numpy() - stored).max()
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


def test_the_share_that_is_told_is_that_of_all_images(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "a", 12)
    for path in (folder / "images").iterdir():
        path.write_bytes(b"broken")
    for ask in (lambda dataset: dataset.counts, lambda dataset: dataset.samples("train")):
        with pytest.raises(SiteError, match=r"^12 of 12 images are unusable .*\(12 times\)"):
            ask(SiteDataset.open([folder], study(), LABEL))
