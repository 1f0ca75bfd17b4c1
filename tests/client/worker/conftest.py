"""Hospitals for tests: three honest ones, and one whose worker says what a test wants."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.site import Site
from tests import small
from tests.client import hostile
from tests.client.worker.hospitals import (
    IMAGES,
    Consortium,
    Make,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, images) in enumerate(IMAGES.items()):
        small.hospital(folder / name, images, seed=seed)
    return folder


@pytest.fixture
def make(data: Path, tmp_path: Path) -> Make:
    return lambda policies=None, **sections: Consortium(data, tmp_path, policies, **sections)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return hostile.hospital(tmp_path / "state")
