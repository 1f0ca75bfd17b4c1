"""Mutated files past every reader: none gets past the typed errors; tests/soak takes 10 000."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import CaseError
from common.sentences.table import Sentence as Told
from tests.client.readers import mutate, parade


def test_damage_is_drawn_from_the_seed() -> None:
    good = parade.sources(0)["grey.png"]

    def drawn_twice(seed: int) -> list[bytes]:
        rng = np.random.default_rng(seed)
        return [mutate.mutate(good, good[::-1], rng) for _ in range(50)]

    assert drawn_twice(1) == drawn_twice(1) != drawn_twice(2)
    assert all(
        content != good
        for kind in mutate.KINDS
        for content in [kind(good, good[::-1], np.random.default_rng(3))]
    )


@pytest.mark.parametrize("name", sorted(parade.sources(0)))
def test_every_undamaged_file_of_the_parade_is_read(tmp_path: Path, name: str) -> None:
    readers: list[Callable[[], object]] = parade._readers(name, parade.sources(0)[name], tmp_path)
    readers[0]()


def test_the_parade_sees_what_it_looks_for(tmp_path: Path) -> None:
    figures = parade.Figures()
    parade._observe("x", lambda: 1 / 0, figures)
    parade._observe(
        "y",
        lambda: (_ for _ in ()).throw(
            CaseError(Told("case.label", (("allowed", ("smith.png",)),)))
        ),
        figures,
    )
    assert len(figures.uncaught) == 1 and len(figures.telling) == 1 and figures.refused == 1


def test_six_hundred_mutated_files_give_a_scan_or_a_typed_error() -> None:
    figures = in_a_process(600, 1)
    assert not figures["uncaught"] and not figures["slow"] and not figures["telling"]
    assert figures["files"] == 600 and figures["read"] > 100 and figures["refused"] > 300
    assert figures["peak_mb"] < 600


def in_a_process(count: int, seed: int) -> Any:
    """The parade's figures, from a process that may take 4 GB of addresses and no more."""
    most = 4 << 30
    words = [sys.executable, "-m", "tests.client.readers.parade", str(count), str(seed)]
    place = Path(__file__).resolve().parents[3]
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most))  # noqa: E731
    done = subprocess.run(
        words, cwd=place, capture_output=True, text=True, check=False, preexec_fn=limit
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
