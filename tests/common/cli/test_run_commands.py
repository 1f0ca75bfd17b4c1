"""Simulate, evaluate and demo: what they hand on, how results look, what a stop leaves behind."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from common.cli import main
from common.simulation import run
from tests.common.cli.answers import REPORT, SCORED


def test_simulate_hands_on_what_was_asked(seen: list[Any]) -> None:
    words = (
        "simulate s.toml --sites hospitals --out o --engine ray --compare pooled,local,local"
        " --rounds 3 --seed 0 --device cpu --threads 2 --json"
    )
    assert main.main(words.split()) == 0
    asked = {
        "engine": "ray",
        "compare": ("pooled", "local"),
        "rounds": 3,
        "seed": 0,
        "device": "cpu",
        "threads": 2,
    }
    assert seen == [("simulate", (Path("s.toml"), Path("hospitals"), Path("o")), asked)]


def test_simulate_has_defaults(seen: list[Any]) -> None:
    assert main.main(["simulate", "studies/lungs.toml", "--sites", "hospitals"]) == 0
    asked = {
        "engine": "inline",
        "compare": (),
        "rounds": None,
        "seed": None,
        "device": "auto",
        "threads": None,
    }
    assert seen == [
        ("simulate", (Path("studies/lungs.toml"), Path("hospitals"), Path("runs/lungs")), asked)
    ]


def test_evaluate_and_demo_hand_on_what_was_asked(seen: list[Any]) -> None:
    assert (
        main.main(
            ["evaluate", "model", "--sites", "hospitals", "--split", "all", "--device", "cpu"]
        )
        == 0
    )
    assert main.main(["demo"]) == 0
    assert seen == [
        ("evaluate", (Path("model"), Path("hospitals")), {"split": "all", "device": "cpu"}),
        ("demo", (Path("runs/demo"),), {}),
    ]


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ("simulate s.toml --sites hospitals --json", REPORT),
        ("evaluate model --sites hospitals --json", SCORED),
        ("demo --json", REPORT),
    ],
)
def test_json_is_one_object_whatever_libraries_print(
    words: str, result: dict[str, Any], seen: list[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words.split()) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out) == result
    assert shown.out.count("\n") == 1
    assert "chatter of a library" in shown.err
    assert "chatter below Python" in shown.err
    assert len(seen) == 1


def test_results_for_people(seen: list[Any], capfd: pytest.CaptureFixture[str]) -> None:
    assert main.main(["simulate", "s.toml", "--sites", "hospitals", "--out", "o"]) == 0
    assert (
        capfd.readouterr().out == "federated  dice 0.500  hd95 undefined\nReport: o/report.html\n"
    )
    assert main.main(["evaluate", "model", "--sites", "hospitals"]) == 0
    assert capfd.readouterr().out == "a     dice 0.250\nb     dice 0.750\nmean  dice 0.500\n"


@pytest.mark.parametrize("age", [0, 1000])
@pytest.mark.parametrize("words", ["demo --out o", "simulate s.toml --sites hospitals --out o"])
def test_a_stop_tells_what_is_kept_of_this_run(
    words: str,
    age: int,
    seen: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def train(*_: Any, **__: Any) -> None:
        model = tmp_path / "o" / "model"
        model.mkdir(parents=True)
        (model / "model.json").write_text('{"rounds": 3}')
        (model / "weights.safetensors").touch()
        written = time.time() + 1 - age
        os.utime(model / "weights.safetensors", (written, written))
        raise KeyboardInterrupt

    monkeypatch.setattr(run, words.split(maxsplit=1)[0], train)
    assert main.main(words.split()) == 1
    sites = "o/hospitals" if words.startswith("demo") else "hospitals"
    kept = (
        ""
        if age
        else f" Rounds done: 3; score their model with: consilium evaluate o/model --sites {sites}"
    )
    assert capsys.readouterr().err == f"consilium: stopped at your request.{kept}\n"
