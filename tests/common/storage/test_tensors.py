"""What is written is what safetensors itself reads, and its digest is that of the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch

from common.errors import ConsiliumError
from common.storage import tensors

MANY = {
    "count": np.array(2**40, np.int64),
    "zé": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "odd": np.array([1.5, np.inf, np.nan], np.float32),
    "none": np.zeros((0, 4), np.float32),
    "turned": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "part": np.arange(20, dtype=np.float32)[3:17:2],
}


@pytest.mark.parametrize("names", [(), ("odd",), ("count", "none"), tuple(MANY)], ids=str)
def test_safetensors_reads_what_was_written(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = {name: MANY[name] for name in names}
    digest = tensors.write(tmp_path / "a", arrays)
    assert digest == hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()
    loaded = load_file(tmp_path / "a")
    assert loaded.keys() == arrays.keys() == load_torch(tmp_path / "a").keys()
    for name, array in arrays.items():
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
        assert loaded[name].tobytes() == array.tobytes()
        assert torch.equal(
            load_torch(tmp_path / "a")[name].nan_to_num(), torch.tensor(array).nan_to_num()
        )


def test_numbers_of_another_type_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        ConsiliumError, match="'m' holds complex128; allowed: float32, float64, int64"
    ):
        tensors.write(tmp_path / "a", {"m": np.zeros(2, np.complex128)})
    assert not list(tmp_path.iterdir())
