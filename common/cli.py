"""The ``consilium`` command: reads and checks its arguments here, then calls the code that does the work.

Nothing heavy is imported before a command needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import arguments, console
from common.errors import ArgumentError, ConsiliumError, did_you_mean

_FAILED, _WRONG_INPUT = 1, 2
_SILENT = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
"""Flower calls nobody from a Consilium command, unless the user's environment says otherwise."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        exit code: 0 done, 1 the work failed or was stopped, 2 the input is wrong.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse after --help and --version
        return int(stop.code or 0)
    except ConsiliumError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("stopped at your request.")
        return _FAILED
    except BrokenPipeError:  # the reader of our output has had enough, e.g. | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    except Exception as error:
        _explain(error, "--debug" in words)
        return _FAILED
    return code


def _run(words: Sequence[str]) -> int:
    for name, value in _SILENT.items():
        os.environ.setdefault(name, value)
    parser = arguments.build()
    given, extra = parser.parse_known_args(words)
    chosen: arguments.Parser = getattr(given, "parser", parser)
    if extra:
        hint = did_you_mean(extra[0], chosen.options())
        raise ArgumentError(f"{extra[0]!r} is not an argument of '{chosen.prog}'{hint}; see '{chosen.prog} --help'.")
    command = _COMMANDS.get(chosen.prog)
    if command is None:
        console.note(chosen.format_help().rstrip("\n"))
        return _WRONG_INPUT
    return command(given)


def _study(given: Namespace) -> int:
    from common import cli_study  # noqa: PLC0415

    commands: dict[str, Callable[[Namespace], int]] = {"new": cli_study.new, "check": cli_study.check, "show": cli_study.show}
    return commands[given.parser.prog.split()[-1]](given)


def _simulate(given: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    out = given.out or Path("runs") / given.study.stem
    with console.work():
        report = run.simulate(
            given.study,
            given.sites,
            out,
            engine=given.engine,
            compare=given.compare,
            rounds=given.rounds,
            seed=given.seed,
            device=given.device,
        )
    return _answer(report, given.json, report["metrics"], f"Report: {out / 'report.html'}")


def _evaluate(given: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    with console.work():
        scored = run.evaluate(given.model, given.sites, split=given.split, device=given.device)
    rows = {**{site: {"mean": values} for site, values in scored["metrics"]["sites"].items()}, "mean": scored["metrics"]}
    return _answer(scored, given.json, rows, "")


def _demo(given: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    with console.work():
        report = run.demo(given.out)
    return _answer(report, given.json, report["metrics"], f"Report: {given.out / 'report.html'}")


def _answer(result: dict[str, Any], as_json: bool, rows: dict[str, Any], last: str) -> int:
    """The result as JSON, or as a table with one line a row and its mean metrics."""
    if as_json:
        console.out_json(result)
        return 0
    width = max(map(len, rows), default=0)
    for name, row in rows.items():
        values = (f"{metric} {'undefined' if value is None else f'{value:.3f}'}" for metric, value in row["mean"].items())
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
    with tempfile.NamedTemporaryFile("w", prefix="consilium-", suffix=".log", delete=False, encoding="utf-8") as file:
        file.write(trace)
    _complain(f"unexpected {type(error).__name__}: {error}; full trace written to {file.name}.")


_COMMANDS: dict[str, Callable[[Namespace], int]] = {
    **dict.fromkeys(("consilium study new", "consilium study check", "consilium study show"), _study),
    "consilium simulate": _simulate,
    "consilium evaluate": _evaluate,
    "consilium demo": _demo,
}

if __name__ == "__main__":
    raise SystemExit(main())
