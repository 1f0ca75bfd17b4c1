"""Every wrong argument is one sentence with the value, what is allowed, and where to read on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from common.cli import main
from common.cli.arguments import build


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "simulte",
            (
                "'simulte' is not a command of 'consilium' (did you mean 'simulate'?); commands:"
                " demo, evaluate, provision, server, simulate, site, study."
            ),
        ),
        (
            "study chekc",
            (
                "'chekc' is not a command of 'consilium study' (did you mean 'check'?); commands:"
                " check, new, show."
            ),
        ),
        (
            "demo --ot x",
            (
                "'--ot' is not an argument of 'consilium demo' (did you mean '--out'?); see"
                " 'consilium demo --help'."
            ),
        ),
        ("demo --js", "'--js' is not an argument of 'consilium demo'"),
        (
            "simulate s.toml",
            "the following arguments are required: --sites; see 'consilium simulate --help'.",
        ),
        (
            "simulate --sites hospitals",
            "the following arguments are required: STUDY; see 'consilium simulate --help'.",
        ),
        (
            "simulate s.toml --sites nowhere",
            "--sites: 'nowhere' is not a folder; give one that exists; see",
        ),
        (
            "simulate s.toml --sites hospitals --rounds 0",
            "--rounds: '0' is not allowed; give a whole number, 1 or more; see",
        ),
        (
            "simulate s.toml --sites hospitals --rounds ten",
            "--rounds: 'ten' is not allowed; give a whole number, 1 or more; see",
        ),
        (
            "simulate s.toml --sites hospitals --rounds 1.5",
            "--rounds: '1.5' is not allowed; give a whole number, 1 or more; see",
        ),
        (
            "simulate s.toml --sites hospitals --rounds ²",
            "--rounds: '²' is not allowed; give a whole number, 1 or more; see",
        ),
        (
            "simulate s.toml --sites hospitals --seed=-1",
            "--seed: '-1' is not allowed; give a whole number, 0 to 9223372036854775807; see",
        ),
        (
            "simulate s.toml --sites hospitals --seed 9223372036854775808",
            "--seed: '9223372036854775808' is not allowed; give",
        ),
        (
            "simulate s.toml --sites hospitals --threads 0",
            "--threads: '0' is not allowed; give a whole number, 1 to 1024; see",
        ),
        (
            "simulate s.toml --sites hospitals --engine rey",
            "--engine is 'rey' (did you mean 'ray'?); allowed: inline, ray.",
        ),
        (
            "simulate s.toml --sites hospitals --device metal",
            "--device is 'metal'; allowed: auto, cpu, cuda.",
        ),
        (
            "simulate s.toml --sites hospitals --compare local,poled",
            (
                "--compare: 'poled' is not a comparison (did you mean 'pooled'?); allowed: local,"
                " pooled"
            ),
        ),
        (
            "evaluate nothing --sites hospitals",
            "RUN/model: 'nothing' is not a folder; give one that exists; see",
        ),
        (
            "evaluate model --sites hospitals --split train",
            "--split is 'train'; allowed: all, test.",
        ),
        (
            "study new x/y --task segmentation",
            (
                "NAME: 'x/y' is not a name; give 1 to 64 letters, digits, dots, hyphens or"
                " underscores, starting"
            ),
        ),
        ("study new .x --task segmentation", "NAME: '.x' is not a name; give 1 to 64 letters"),
        (
            f"study new {'x' * 65} --task segmentation",
            f"NAME: '{'x' * 65}' is not a name; give 1 to 64 letters",
        ),
        (
            "study new x --task segmentation --out=",
            "--out: '' is not a path; give one that is not empty; see",
        ),
        ("study check {empty}", "STUDY: '' is not a path; give one that is not empty; see"),
        ("demo --out=", "--out: '' is not a path; give one that is not empty; see"),
        (
            "simulate s.toml --sites hospitals --out=",
            "--out: '' is not a path; give one that is not empty; see",
        ),
        ("simulate s.toml --sites=", "--sites: '' is not a folder; give one that exists; see"),
        (
            f"simulate s.toml --sites {'x' * 300}",
            f"--sites: '{'x' * 300}' cannot be opened (File name too long); give",
        ),
        (
            "simulate s.toml --sites hospitals --compare=",
            "--compare: '' names no comparison; allowed: local, pooled, or both",
        ),
        (
            "simulate s.toml --sites hospitals --compare ,",
            "--compare: ',' names no comparison; allowed: local, pooled, or both",
        ),
        (
            "simulate s.toml --sites hospitals --device cuda",
            "--device is 'cuda', but torch sees no usable GPU here; give cpu or auto.",
        ),
        (
            "evaluate model --sites hospitals --device cuda",
            "--device is 'cuda', but torch sees no usable GPU here; give cpu or auto.",
        ),
        (
            "evaluate run --sites hospitals",
            "RUN/model: 'run' is the folder of a run; did you mean 'run/model'?",
        ),
        (
            "study new x",
            "the following arguments are required: --task; see 'consilium study new --help'.",
        ),
        ("study new x --task segmentation --dimensions 4", "--dimensions is 4; allowed: 2, 3."),
        (
            "study show",
            "STUDY is missing; give a study file, or --fields for the table of every field.",
        ),
        (
            "study check nothing.toml",
            (
                "Study file nothing.toml cannot be read (No such file or directory); give the path"
                " of a TOML file."
            ),
        ),
    ],
)
def test_wrong_input_is_one_sentence(
    words: str,
    sentence: str,
    seen: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main.main([word.replace("{empty}", "") for word in words.split()]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"consilium: {sentence}")
    assert shown.err.count("\n") == 1
    assert seen == []


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["study", "--help"],
        ["study", "new", "-h"],
        ["simulate", "-h"],
        ["evaluate", "-h"],
        ["demo", "-h"],
    ],
)
def test_help_goes_to_stdout(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(words) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("usage: consilium")
    assert shown.err == ""
    assert "example" in shown.out or "start here" in shown.out or words[0] == "study"


def test_defaults_of_a_simulation(tmp_path: Path) -> None:
    arguments = build().parse_args(["simulate", "s.toml", "--sites", str(tmp_path)])
    assert arguments.parser.prog == "consilium simulate"
    assert (arguments.out, arguments.engine, arguments.compare) == (None, "inline", ())
    assert (arguments.rounds, arguments.seed, arguments.device) == (None, None, "auto")
    assert arguments.json is False


@pytest.mark.parametrize("words", [["--debug", "demo"], ["demo", "--debug"]])
def test_debug_stands_on_either_side_of_the_command(words: list[str]) -> None:
    assert build().parse_args(words).debug is True
    assert build().parse_args(["demo"]).debug is False
