"""The command line with the work behind it replaced."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from common.simulation import run
from tests.common.cli.answers import REPORT, SCORED


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    """What the command line hands on, with the work behind it replaced.

    Libraries there print, as libraries do.
    """
    calls: list[Any] = []

    def stand_in(name: str, result: dict[str, Any]) -> None:
        def work(*arguments: Any, **named: Any) -> dict[str, Any]:
            sys.stdout.write("chatter of a library\n")
            os.write(1, b"chatter below Python\n")
            calls.append((name, arguments, named))
            return result

        monkeypatch.setattr(run, name, work)

    stand_in("simulate", REPORT)
    stand_in("evaluate", SCORED)
    stand_in("demo", REPORT)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hospitals").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "model.json").write_text("{}")
    return calls
