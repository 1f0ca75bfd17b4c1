"""The ``consilium`` command: reads and checks its arguments here, then calls the code that does the work.

Nothing heavy is imported before a command needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from common import console
from common.errors import ArgumentError, ConsiliumError, did_you_mean

_FAILED, _WRONG_INPUT = 1, 2
_LARGEST_SEED = 2**63 - 1
_COMPARISONS = ("local", "pooled")


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
    parser = _parser()
    arguments, extra = parser.parse_known_args(words)
    chosen = getattr(arguments, "parser", parser)
    if extra:
        hint = did_you_mean(extra[0], chosen.options())
        raise ArgumentError(f"{extra[0]!r} is not an argument of '{chosen.prog}'{hint}; see '{chosen.prog} --help'.")
    if not hasattr(arguments, "call"):
        console.note(chosen.format_help().rstrip("\n"))
        return _WRONG_INPUT
    call: Callable[[Namespace], int] = arguments.call
    return call(arguments)


class _Parser(argparse.ArgumentParser):
    """argparse whose complaints are one sentence with the closest allowed word."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def options(self) -> list[str]:
        """Every option that this command knows."""
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(f"{message.removeprefix('argument ')}; see '{self.prog} --help'.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        allowed = sorted(map(str, action.choices))
        hint = did_you_mean(str(value), allowed)
        if not action.option_strings:
            raise ArgumentError(f"{value!r} is not a command of '{self.prog}'{hint}; commands: {', '.join(allowed)}.")
        raise ArgumentError(f"{action.option_strings[0]} is {value!r}{hint}; allowed: {', '.join(allowed)}.")


class _Version(argparse.Action):
    def __call__(self, *_: Any) -> None:
        from importlib import metadata  # noqa: PLC0415  # costs time that no other command needs to pay

        try:
            console.out(f"consilium {metadata.version('consilium')}")
        except metadata.PackageNotFoundError:
            console.out("consilium, not installed")
        raise SystemExit(0)


def _parser() -> _Parser:
    parser = _Parser(prog="consilium", description="Train one model with several hospitals; every scan stays in its own building.", epilog=_TOUR)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    parser.add_argument("--debug", action="store_true", help="print the full trace of an unexpected error")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    _add_study(commands)
    _add_simulate(commands)
    _add_evaluate(commands)
    _add_demo(commands)
    return parser


def _add(commands: Any, name: str, text: str, call: Callable[[Namespace], int] | None = None, examples: Iterable[str] = ()) -> _Parser:
    epilog = "\n".join(["examples:", *(f"  {e}" for e in examples)]) if examples else None
    parser: _Parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".", epilog=epilog)
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="print the full trace of an unexpected error")
    parser.set_defaults(parser=parser, **({"call": call} if call else {}))
    return parser


def _add_study(commands: Any) -> None:
    group = _add(commands, "study", "write, check and explain study files").add_subparsers(metavar="COMMAND", title="commands")
    new = _add(group, "new", "write a commented study file with every default", _study, _NEW)
    new.add_argument("name", metavar="NAME", type=_name, help="name of the study")
    new.add_argument("--task", required=True, metavar="TASK", help="what the network is for, e.g. segmentation")
    new.add_argument("--model", metavar="MODEL", help="network; default: a common one for the task")
    new.add_argument("--strategy", metavar="STRATEGY", default="fedavg", help="how updates become one model (default: fedavg)")
    new.add_argument("--dimensions", type=int, choices=(2, 3), default=2, help="2 for images, 3 for volumes (default: 2)")
    new.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: NAME.toml)")
    new.add_argument("--force", action="store_true", help="replace an existing file")
    check = _add(group, "check", "read and validate a study file, down to its network", _study, _CHECK)
    check.add_argument("study", metavar="STUDY", type=Path, help="study file")
    show = _add(group, "show", "print a study with every default spelled out", _study, _SHOW)
    show.add_argument("study", metavar="STUDY", type=Path, nargs="?", help="study file; may be left out with --fields")
    show.add_argument("--fields", action="store_true", help="table of every field: default, limits, meaning")
    for parser, verb in ((new, "new"), (check, "check"), (show, "show")):
        parser.set_defaults(verb=verb)
        if verb != "new":
            _add_json(parser)


def _add_simulate(commands: Any) -> None:
    parser = _add(commands, "simulate", "run a study over hospital folders on this machine", _simulate, _SIMULATE)
    parser.add_argument("study", metavar="STUDY", type=Path, help="study file")
    _add_sites(parser)
    parser.add_argument("--out", type=Path, metavar="RUN", help="folder for the results (default: runs/ and the study file's name)")
    parser.add_argument("--engine", choices=("inline", "ray"), default="inline", help="inline: one process (default); ray: Flower's engine")
    parser.add_argument("--compare", type=_comparisons, default=(), metavar="LIST", help="also train: local (each hospital alone), pooled (all data in one place)")
    parser.add_argument("--rounds", type=_whole(1), metavar="N", help="number of rounds, instead of the study's")
    parser.add_argument("--seed", type=_whole(0, _LARGEST_SEED), metavar="N", help="seed, instead of the study's")
    _add_device(parser)
    _add_json(parser)


def _add_evaluate(commands: Any) -> None:
    parser = _add(commands, "evaluate", "score a trained model on hospital folders, also ones never trained on", _evaluate, _EVALUATE)
    parser.add_argument("model", metavar="RUN/model", type=_folder, help="model folder of a run")
    _add_sites(parser)
    parser.add_argument("--split", choices=("test", "all"), default="test", help="the hospitals' own test patients (default) or every image")
    _add_device(parser)
    _add_json(parser)


def _add_demo(commands: Any) -> None:
    parser = _add(commands, "demo", "make phantom hospitals, train over them and write a report", _demo, ("consilium demo",))
    parser.add_argument("--out", type=Path, metavar="RUN", default=Path("runs/demo"), help="folder for the results (default: runs/demo)")
    _add_json(parser)


def _add_sites(parser: _Parser) -> None:
    parser.add_argument("--sites", type=_folder, required=True, metavar="DIR", help="folder in which every sub-folder is one hospital")


def _add_device(parser: _Parser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where networks run (default: auto, a GPU if there is one)")


def _add_json(parser: _Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else there")


def _name(text: str) -> str:
    if not text or any(c in text for c in "/\\") or not text.isprintable() or text.startswith((".", "-")):
        raise ArgumentTypeError(f"{text!r} is not a name; give letters, digits, '-' or '_', no path")
    return text


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise ArgumentTypeError(f"{text!r} is not a folder; give one that exists")
    return path


def _whole(low: int, high: int | None = None) -> Callable[[str], int]:
    limits = f"{low} or more" if high is None else f"{low} to {high}"

    def convert(text: str) -> int:
        value = int(text) if text.lstrip("-").isdecimal() else low - 1
        if value < low or (high is not None and value > high):
            raise ArgumentTypeError(f"{text!r} is not allowed; give a whole number, {limits}")
        return value

    return convert


def _comparisons(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in _COMPARISONS:
            hint = did_you_mean(name, _COMPARISONS)
            raise ArgumentTypeError(f"{name!r} is not a comparison{hint}; allowed: {', '.join(_COMPARISONS)}, or both with a comma")
    return names


def _study(arguments: Namespace) -> int:
    from common import cli_study  # noqa: PLC0415

    commands: dict[str, Callable[[Namespace], int]] = {"new": cli_study.new, "check": cli_study.check, "show": cli_study.show}
    return commands[arguments.verb](arguments)


def _simulate(arguments: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    out = arguments.out or Path("runs") / arguments.study.stem
    with console.work():
        report = run.simulate(
            arguments.study,
            arguments.sites,
            out,
            engine=arguments.engine,
            compare=arguments.compare,
            rounds=arguments.rounds,
            seed=arguments.seed,
            device=arguments.device,
        )
    return _answer(report, arguments.json, report["metrics"], f"Report: {out / 'report.html'}")


def _evaluate(arguments: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    with console.work():
        scored = run.evaluate(arguments.model, arguments.sites, split=arguments.split, device=arguments.device)
    rows = {**{site: {"mean": values} for site, values in scored["metrics"]["sites"].items()}, "mean": scored["metrics"]}
    return _answer(scored, arguments.json, rows, "")


def _demo(arguments: Namespace) -> int:
    from common.simulation import run  # noqa: PLC0415

    with console.work():
        report = run.demo(arguments.out)
    return _answer(report, arguments.json, report["metrics"], f"Report: {arguments.out / 'report.html'}")


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


_TOUR = """start here:
  consilium demo                                        phantom hospitals, training and a report, no other set-up
  consilium study new lungs --task segmentation         a study file to fill in
  consilium simulate lungs.toml --sites hospitals/      the study over hospital folders on this machine"""
_NEW = ("consilium study new lungs --task segmentation", "consilium study new nodules --task detection --dimensions 3 --out studies/nodules.toml")
_CHECK = ("consilium study check lungs.toml", "consilium study check lungs.toml --json")
_SHOW = ("consilium study show lungs.toml", "consilium study show --fields")
_SIMULATE = ("consilium simulate lungs.toml --sites hospitals/", "consilium simulate lungs.toml --sites hospitals/ --compare local,pooled --rounds 10 --out runs/first")
_EVALUATE = ("consilium evaluate runs/lungs/model --sites hospitals/", "consilium evaluate runs/lungs/model --sites new_hospital/ --split all --json")


if __name__ == "__main__":
    raise SystemExit(main())
