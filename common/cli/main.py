"""The ``consilium`` command: reads and checks its arguments here, then calls the code that does the work.

Nothing heavy is imported before a command needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from common import environment
from common.cli import arguments, console
from common.cli.parser import Parser
from common.errors import ArgumentError, ConsiliumError, did_you_mean

_FAILED, _WRONG_INPUT = 1, 2
_SILENT = {**environment.FLOWER, "OMP_WAIT_POLICY": "PASSIVE"}
"""Unless the user's environment says otherwise, Flower calls nobody, and threads that wait do not hold a core: on a machine that others
use too, spinning threads made a round fifty times as long."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        exit code: 0 done, 1 the work failed or was stopped, 2 the input is wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    with _Interrupt() as interrupt:
        try:
            code = _run(words)
            sys.stdout.flush()
        except SystemExit as stop:  # argparse after --help and --version
            return int(stop.code or 0)
        except KeyboardInterrupt as stop:
            return _stopped(stop)
        except Exception as error:
            return _stopped(error) if interrupt.noted else _failed(error, "--debug" in words)
    return code


class _Interrupt:
    """Notes Ctrl-C: what it cuts short may end in any other error, as an import that breaks off half-way does."""

    def __init__(self) -> None:
        self.noted = False
        self._ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def __enter__(self) -> _Interrupt:
        with contextlib.suppress(ValueError):  # outside the main thread no signal arrives
            if self._ours:
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ValueError):
            if self._ours:
                signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, *_: object) -> NoReturn:
        self.noted = True
        raise KeyboardInterrupt


def _stopped(error: BaseException) -> int:
    _complain(" ".join(["stopped at your request.", *getattr(error, "__notes__", ())]))
    return _FAILED


def _failed(error: Exception, debug: bool) -> int:
    if isinstance(error, ConsiliumError):
        _complain(getattr(error, "local", str(error)))
        return error.exit_code
    if isinstance(error, BrokenPipeError):  # the reader of our output has had enough, e.g. | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        _explain(error, debug)
    return _FAILED


def _run(words: Sequence[str]) -> int:
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)
    parser = arguments.build()
    given, extra = parser.parse_known_args(words)
    chosen: Parser = getattr(given, "parser", parser)
    if extra:
        hint = did_you_mean(extra[0], chosen.options())
        raise ArgumentError(
            f"{extra[0]!r} is not an argument of '{chosen.prog}'{hint}; see '{chosen.prog} --help'."
        )
    command = _COMMANDS.get(chosen.prog) or _deployed(chosen.prog)
    if command is None:
        console.note(chosen.format_help().rstrip("\n"))
        return _WRONG_INPUT
    return command(given)


def _deployed(words: str) -> Callable[[Namespace], int] | None:
    """A command of the coordinator's or the hospital's side; each side's code is loaded only where its commands are typed."""
    room = {"provision": "server", "server": "server", "site": "client"}.get(
        words.removeprefix("consilium ").split()[0]
    )
    if room is None:
        return None
    side = (
        importlib.import_module("server.commands.server_commands")
        if room == "server"
        else importlib.import_module("client.commands.site_commands")
    )
    command: Callable[[Namespace], int] | None = side.COMMANDS.get(words)
    return command


def _study(given: Namespace) -> int:
    from common.cli import study_commands  # noqa: PLC0415

    commands: dict[str, Callable[[Namespace], int]] = {
        "new": study_commands.new,
        "check": study_commands.check,
        "show": study_commands.show,
    }
    return commands[given.parser.prog.split()[-1]](given)


def _simulate(given: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    out = given.out or Path("runs") / given.study.stem
    with console.work(), _told_what_is_kept(out, given.sites):
        _check_device(given.device)
        report = run.simulate(
            given.study,
            given.sites,
            out,
            engine=given.engine,
            compare=given.compare,
            rounds=given.rounds,
            seed=given.seed,
            device=given.device,
            threads=given.threads,
        )
    return _answer(report, given.json, report["metrics"], f"Report: {out / 'report.html'}")


def _evaluate(given: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    with console.work():
        _check_device(given.device)
        scored = run.evaluate(given.model, given.sites, split=given.split, device=given.device)
    rows = {
        **{site: {"mean": values} for site, values in scored["metrics"]["sites"].items()},
        "mean": scored["metrics"],
    }
    return _answer(scored, given.json, rows, "")


def _demo(given: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    with console.work(), _told_what_is_kept(given.out, given.out / "hospitals"):
        report = run.demo(given.out)
    return _answer(report, given.json, report["metrics"], f"Report: {given.out / 'report.html'}")


def _check_device(wanted: str) -> None:
    """Refuse a GPU that is not there before any hospital starts."""
    if wanted != "cuda":
        return
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        raise ArgumentError(
            "--device is 'cuda', but torch sees no usable GPU here; give cpu or auto."
        )


@contextlib.contextmanager
def _told_what_is_kept(out: Path, sites: Path) -> Iterator[None]:
    """Add to the error that ends a run which of its rounds is on disk, and how to score it."""
    began = time.time()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if kept := _kept(out / "model", sites, began):
            error.add_note(kept)
        raise


def _kept(model: Path, sites: Path, began: float) -> str:
    import json  # noqa: PLC0415
    import shlex  # noqa: PLC0415

    try:
        if (model / "weights.safetensors").stat().st_mtime < began:  # of an earlier run
            return ""
        rounds = json.loads((model / "model.json").read_text("utf-8"))["rounds"]
    except (OSError, ValueError, KeyError):
        return ""
    return f"Rounds done: {rounds}; score their model with: consilium evaluate {shlex.quote(str(model))} --sites {shlex.quote(str(sites))}"


def _answer(result: dict[str, Any], as_json: bool, rows: dict[str, Any], last: str) -> int:
    """The result as JSON, or as a table with one line a row and its mean metrics."""
    if as_json:
        console.out_json(result)
        return 0
    width = max(map(len, rows), default=0)
    for name, row in rows.items():
        values = (
            f"{metric} {'undefined' if value is None else f'{value:.3f}'}"
            for metric, value in row["mean"].items()
        )
        console.out(f"{name.ljust(width)}  {'  '.join(values)}")
    if last:
        console.out(last)
    return 0


def _complain(text: str) -> None:
    console.note(f"{console.paint('consilium:', 'red', sys.stderr)} {text}")


def _explain(error: Exception, debug: bool) -> None:
    """A short sentence for an error that nobody foresaw; its trace goes to a file that only the user can read, or to stderr."""
    import tempfile  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    trace = "".join(traceback.format_exception(error))
    if debug:
        console.note(trace.rstrip("\n"))
        _complain(f"unexpected {type(error).__name__}; its trace stands above.")
        return
    with tempfile.NamedTemporaryFile(
        "w", prefix="consilium-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.write(trace)
    _complain(f"unexpected {type(error).__name__}: {error}; full trace written to {file.name}.")


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    **dict.fromkeys(
        ("consilium study new", "consilium study check", "consilium study show"), _study
    ),
    "consilium simulate": _simulate,
    "consilium evaluate": _evaluate,
    "consilium demo": _demo,
}

if __name__ == "__main__":
    raise SystemExit(main())
