"""One folder of phantom hospitals for all tests of the phantoms."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.simulation.phantoms import write
from tests.common.simulation.phantoms.slices import HOSPITALS, PATIENTS, SIZE


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantoms")
    write.write(path, hospitals=HOSPITALS, patients=PATIENTS, size=SIZE, seed=3)
    return path
