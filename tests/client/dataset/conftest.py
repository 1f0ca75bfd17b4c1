"""Steps of tests in place of the installed ones."""

from __future__ import annotations

import pytest

from client.dataset import cache
from tests.client.dataset.small_hospitals import STEPS


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "transform", STEPS.__getitem__)
    monkeypatch.setattr("client.dataset.loader.transform", STEPS.__getitem__)
