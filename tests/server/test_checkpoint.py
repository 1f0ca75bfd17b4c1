"""A model on disk is whole, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from common import networks
from common.errors import InputError
from common.study import study as studies
from server import checkpoint
from tests import small


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    study = studies.read(small.study(tmp_path / "study.toml"))
    net = networks.build(study)
    checkpoint.save(tmp_path / "model", study, networks.layout(net), networks.pack(net), 7)
    return tmp_path / "model"


def test_there_and_back(folder: Path) -> None:
    study, layout, vector = checkpoint.load(folder)
    net = networks.build(study)
    assert layout == networks.layout(net) and np.array_equal(vector, networks.pack(net))
    assert json.loads((folder / "model.json").read_text())["rounds"] == 7
    assert sorted(p.name for p in folder.iterdir()) == ["model.json", "weights.safetensors"]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
@pytest.mark.parametrize("spoil", [_cut, Path.unlink], ids=["cut", "gone"])
def test_a_broken_folder_is_refused(folder: Path, name: str, spoil: object) -> None:
    spoil(folder / name)  # type: ignore[operator]
    with pytest.raises(InputError, match="not a readable model"):
        checkpoint.load(folder)


def test_weights_of_another_network_are_refused(folder: Path, tmp_path: Path) -> None:
    study = studies.read(small.study(tmp_path / "other.toml", model={"channels": [8, 16]}))
    net = networks.build(study)
    checkpoint.save(tmp_path / "other", study, networks.layout(net), networks.pack(net), 1)
    (tmp_path / "other" / "weights.safetensors").replace(folder / "weights.safetensors")
    with pytest.raises(InputError, match="does not fit"):
        checkpoint.load(folder)
