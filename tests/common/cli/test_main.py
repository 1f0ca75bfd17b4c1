"""The command line: what it refuses and how, what it hands on, and what stands on stdout."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from common.cli import console, main
from common.errors import ArgumentError, RoundError, StudyError
from common.simulation import run
from tests.patience import patient

REPORT: dict[str, Any] = {
    "rounds": 2,
    "metrics": {"federated": {"sites": {}, "mean": {"dice": 0.5, "hd95": None}}},
}
SCORED: dict[str, Any] = {
    "metrics": {"sites": {"a": {"dice": 0.25}, "b": {"dice": 0.75}}, "mean": {"dice": 0.5}}
}


SITE_ARGUMENTS = (
    "approval_arguments",
    "audit_arguments",
    "intake_arguments",
    "process_arguments",
    "site_arguments",
    "site_options",
    "view_arguments",
)


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


def python(*words: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        timeout=patient(60),
        check=False,
        **settings,
    )


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys; from common.cli import main; main.main(['--help']);"
        " print(*sorted({m.split('.')[0] for m in sys.modules})); print(*(m for m in sys.modules"
        " if m.startswith(('client', 'server'))))"
    )
    done = python("-c", script)
    sides = set(done.stdout.splitlines()[-1].split())
    loaded = set(done.stdout.splitlines()[-2].split())
    assert done.returncode == 0
    assert "consilium demo" in done.stdout
    assert not loaded & {
        "torch",
        "flwr",
        "numpy",
        "monai",
        "rich",
        "scipy",
        "tomllib",
        "tempfile",
    }
    assert sides == {
        *("client", "client.commands", "client.commands.arguments"),
        *(f"client.commands.arguments.{name}" for name in SITE_ARGUMENTS),
        *("server", "server.commands", "server.commands.server_arguments"),
    }


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


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("consilium")


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
                " of a TOML study file."
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


@pytest.mark.parametrize("words", [[], ["study"]])
def test_no_command_shows_the_help_and_fails(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("usage: consilium")


def test_simulate_hands_on_what_was_asked(seen: list[Any]) -> None:
    words = (
        "simulate s.toml --sites hospitals --out o --engine ray --compare pooled,local,local "
        "--rounds 3 --seed 0 --device cpu --threads 2 --json"
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


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            RoundError("Round 3 has 1 update; at least 2 are needed."),
            1,
            "Round 3 has 1 update; at least 2 are needed.",
        ),
        (StudyError("name is ''."), 2, "name is ''."),
        (ArgumentError("x."), 2, "x."),
        (KeyboardInterrupt(), 1, "stopped at your request."),
    ],
)
def test_errors_end_in_a_sentence_and_an_exit_code(
    error: BaseException,
    code: int,
    text: str,
    seen: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(run, "demo", fail)
    assert main.main(["demo", "--json"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"consilium: {text}\n"


@pytest.mark.parametrize(
    "error", [AttributeError("half imported"), RoundError("No answer."), KeyboardInterrupt()]
)
def test_whatever_ctrl_c_ends_in_it_is_a_stop(
    error: BaseException,
    seen: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def cut_short(*_: Any, **__: Any) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise error from None

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(run, "demo", cut_short)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert main.main(["demo"]) == 1
    assert capsys.readouterr().err == "consilium: stopped at your request.\n"
    assert list(tmp_path.glob("consilium-*.log")) == []
    assert signal.getsignal(signal.SIGINT) is before


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


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The demo has a fault that nobody foresaw."""

    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(run, "demo", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("broken")
def test_an_unforeseen_error_is_short_and_its_trace_is_private(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["demo"]) == 1
    shown = capsys.readouterr().err
    [trace] = tmp_path.glob("consilium-*.log")
    assert (
        shown
        == f"consilium: unexpected ZeroDivisionError: by nought; full trace written to {trace}.\n"
    )
    assert "Traceback" in trace.read_text("utf-8")
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


@pytest.mark.parametrize("words", [["demo", "--debug"], ["--debug", "demo"]])
@pytest.mark.usefixtures("broken")
def test_debug_shows_the_trace(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 1
    assert "Traceback" in capsys.readouterr().err
    assert list(tmp_path.glob("consilium-*.log")) == []


def test_a_reader_that_stops_listening_is_no_fault() -> None:
    """``consilium study show --fields | head -1``."""
    program = [sys.executable, "-m", "common.cli.main", "study", "show", "--fields"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()
        assert process.wait(patient(60)) == 1
    assert complaint == ""


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_colours_only_on_a_terminal_and_only_if_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert console.paint("x", "red", Terminal()) == "\033[31mx\033[0m"
    assert console.paint("x", "red", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.paint("x", "red", Terminal()) == "x"
    monkeypatch.setenv("NO_COLOR", "")
    assert console.paint("x", "red", Terminal()) != "x"
    monkeypatch.setenv("TERM", "dumb")
    assert console.paint("x", "red", Terminal()) == "x"


def test_flower_calls_nobody(monkeypatch: pytest.MonkeyPatch, seen: list[Any]) -> None:
    for name in ("FLWR_TELEMETRY_ENABLED", "FLWR_DISABLE_UPDATE_CHECK"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    assert main.main(["demo"]) == 0
    assert os.environ["FLWR_TELEMETRY_ENABLED"] == "0"
    assert os.environ["FLWR_DISABLE_UPDATE_CHECK"] == "1"
    assert len(seen) == 1
