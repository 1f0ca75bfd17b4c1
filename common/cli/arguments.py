"""The words of the ``consilium`` command: sub-commands, options, their limits and their help."""

from __future__ import annotations

import argparse
import importlib
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from common.cli import console
from common.errors import ArgumentError, did_you_mean

_SIDES = ("server.commands.server_arguments", "client.commands.site_arguments")
"""Each side's words lie beside its commands and are loaded by name: this room imports neither side."""
_LARGEST_SEED = 2**63 - 1
_MOST_THREADS = 1024
_COMPARISONS = ("local", "pooled")
_PROMISE = "Train one model with several hospitals; every scan stays in its own building."
_TOUR = """start here:
  consilium demo                                        phantom hospitals, training and a report, no other set-up
  consilium study new lungs --task segmentation         a study file to fill in
  consilium simulate lungs.toml --sites hospitals/      the study over hospital folders on this machine"""
_NEW = (
    "consilium study new lungs --task segmentation",
    "consilium study new nodules --task detection --dimensions 3 --out studies/nodules.toml",
)
_CHECK = (
    "consilium study check lungs.toml",
    "consilium study check lungs.toml --site hospitals/north",
)
_SHOW = ("consilium study show lungs.toml", "consilium study show --fields")
_SIMULATE = (
    "consilium simulate lungs.toml --sites hospitals/",
    "consilium simulate lungs.toml --sites hospitals/ --compare local,pooled --rounds 10 --out runs/first",
)
_EVALUATE = (
    "consilium evaluate runs/lungs/model --sites hospitals/",
    "consilium evaluate runs/lungs/model --sites new_hospital/ --split all --json",
)


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one sentence with the closest allowed word."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings
        )

    def options(self) -> list[str]:
        """Every option that this command knows."""
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Raise argparse's complaint as an ArgumentError."""
        raise ArgumentError(f"{message.removeprefix('argument ')}; see '{self.prog} --help'.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        allowed = sorted(map(str, action.choices))
        hint = did_you_mean(str(value), allowed)
        if not action.option_strings:
            raise ArgumentError(
                f"{value!r} is not a command of '{self.prog}'{hint}; commands: {', '.join(allowed)}."
            )
        raise ArgumentError(
            f"{action.option_strings[0]} is {value!r}{hint}; allowed: {', '.join(allowed)}."
        )


class _Version(argparse.Action):
    def __call__(self, *_: Any) -> None:
        from importlib import metadata  # noqa: PLC0415  # costs time that no other command needs to pay

        try:
            console.out(f"consilium {metadata.version('consilium')}")
        except metadata.PackageNotFoundError:
            console.out("consilium, not installed")
        raise SystemExit(0)


def build() -> Parser:
    """The parser; ``parser`` in what it reads is that of the sub-command, whose ``prog`` tells which one it is."""
    parser = Parser(prog="consilium", description=_PROMISE, epilog=_TOUR)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and stop")
    parser.add_argument(
        "--debug", action="store_true", help="print the full trace of an unexpected error"
    )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    _add_study(commands)
    _add_simulate(commands)
    _add_evaluate(commands)
    _add_demo(commands)
    for side in _SIDES:
        importlib.import_module(side).add(commands, _add, _whole)
    return parser


def _add(commands: Any, name: str, text: str, examples: Iterable[str] = ()) -> Parser:
    epilog = "\n".join(["examples:", *(f"  {e}" for e in examples)]) if examples else None
    parser: Parser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=epilog
    )
    parser.add_argument(
        "--debug",
        action="store_true",
        default=argparse.SUPPRESS,
        help="print the full trace of an unexpected error",
    )
    parser.set_defaults(parser=parser)
    return parser


def _add_study(commands: Any) -> None:
    group = _add(commands, "study", "write, check and explain study files").add_subparsers(
        metavar="COMMAND", title="commands"
    )
    new = _add(group, "new", "write a commented study file with every default", _NEW)
    new.add_argument("name", metavar="NAME", type=_name, help="name of the study")
    new.add_argument(
        "--task", required=True, metavar="TASK", help="what the network is for, e.g. segmentation"
    )
    new.add_argument("--model", metavar="MODEL", help="network; default: a common one for the task")
    new.add_argument(
        "--strategy",
        metavar="STRATEGY",
        default="fedavg",
        help="how updates become one model (default: fedavg)",
    )
    new.add_argument(
        "--dimensions",
        type=int,
        choices=(2, 3),
        default=2,
        help="2 for images, 3 for volumes (default: 2)",
    )
    new.add_argument("--out", type=_path, metavar="FILE", help="file to write (default: NAME.toml)")
    new.add_argument("--force", action="store_true", help="replace an existing file")
    check = _add(group, "check", "read and validate a study file, down to its network", _CHECK)
    check.add_argument("study", metavar="STUDY", type=_path, help="study file")
    check.add_argument(
        "--site",
        type=_folder,
        metavar="SITE",
        help="also look whether this hospital's folder serves the study",
    )
    check.add_argument(
        "--names",
        type=_path,
        metavar="FILE",
        help="with --site: a labels.toml in place of the folder's own",
    )
    _add_device(check)
    show = _add(group, "show", "print a study with every default spelled out", _SHOW)
    show.add_argument(
        "study",
        metavar="STUDY",
        type=_path,
        nargs="?",
        help="study file; may be left out with --fields",
    )
    show.add_argument(
        "--fields", action="store_true", help="table of every field: default, limits, meaning"
    )
    _add_json(check)
    _add_json(show)


def _add_simulate(commands: Any) -> None:
    parser = _add(
        commands, "simulate", "run a study over hospital folders on this machine", _SIMULATE
    )
    parser.add_argument("study", metavar="STUDY", type=_path, help="study file")
    _add_sites(parser)
    parser.add_argument(
        "--out",
        type=_path,
        metavar="RUN",
        help="folder for the results (default: runs/ and the study file's name)",
    )
    engine = "inline: one process (default); ray: Flower's engine"
    parser.add_argument("--engine", choices=("inline", "ray"), default="inline", help=engine)
    arms = "also train: local (each hospital alone), pooled (all data in one place)"
    parser.add_argument("--compare", type=_comparisons, default=(), metavar="LIST", help=arms)
    parser.add_argument(
        "--rounds", type=_whole(1), metavar="N", help="number of rounds, instead of the study's"
    )
    parser.add_argument(
        "--seed", type=_whole(0, _LARGEST_SEED), metavar="N", help="seed, instead of the study's"
    )
    _add_device(parser)
    cores = "processor threads of each hospital's training (default: all cores); the same number gives the same weights to the bit"
    parser.add_argument("--threads", type=_whole(1, _MOST_THREADS), metavar="N", help=cores)
    _add_json(parser)


def _add_evaluate(commands: Any) -> None:
    parser = _add(
        commands,
        "evaluate",
        "score a trained model on hospital folders, also ones never trained on",
        _EVALUATE,
    )
    parser.add_argument("model", metavar="RUN/model", type=_model, help="model folder of a run")
    _add_sites(parser)
    parser.add_argument(
        "--split",
        choices=("test", "all"),
        default="test",
        help="the hospitals' own test patients (default) or every image",
    )
    _add_device(parser)
    _add_json(parser)


def _add_demo(commands: Any) -> None:
    parser = _add(
        commands,
        "demo",
        "make phantom hospitals, train over them and write a report",
        ("consilium demo",),
    )
    parser.add_argument(
        "--out",
        type=_path,
        metavar="RUN",
        default=Path("runs/demo"),
        help="folder for the results (default: runs/demo)",
    )
    _add_json(parser)


def _add_sites(parser: Parser) -> None:
    parser.add_argument(
        "--sites",
        type=_folder,
        required=True,
        metavar="DIR",
        help="folder in which every sub-folder is one hospital",
    )


def _add_device(parser: Parser) -> None:
    where = "where networks run (default: auto, a GPU if there is one)"
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help=where)


def _add_json(parser: Parser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout and nothing else there"
    )


def _name(text: str) -> str:
    from common.study import config  # noqa: PLC0415  # only this command needs it

    if not config.NAME.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is not a name; give {config.NAME_RULE}")
    return text


def _path(text: str) -> Path:
    if not text.strip():
        raise ArgumentTypeError(f"{text!r} is not a path; give one that is not empty")
    return Path(text)


def _folder(text: str) -> Path:
    try:
        there = bool(text.strip()) and Path(text).is_dir()
    except OSError as error:
        raise ArgumentTypeError(
            f"{text!r} cannot be opened ({error.strerror}); give a folder that can be read"
        ) from None
    if not there:
        raise ArgumentTypeError(f"{text!r} is not a folder; give one that exists")
    return Path(text)


def _model(text: str) -> Path:
    path = _folder(text)
    try:
        is_run = not (path / "model.json").exists() and (path / "model" / "model.json").is_file()
    except OSError:  # the command itself says why it cannot be read
        return path
    if is_run:
        raise ArgumentTypeError(
            f"{text!r} is the folder of a run; did you mean {str(path / 'model')!r}?"
        )
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
            raise ArgumentTypeError(
                f"{name!r} is not a comparison{hint}; allowed: {', '.join(_COMPARISONS)}, or both with a comma"
            )
    if not names:
        raise ArgumentTypeError(
            f"{text!r} names no comparison; allowed: {', '.join(_COMPARISONS)}, or both with a comma"
        )
    return names
