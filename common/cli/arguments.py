"""The words of the ``consilium`` command: sub-commands, options, their limits and their help."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from common.cli.argument_types import comparisons, folder, model_folder, path, study_name, whole
from common.cli.parser import Parser, Version, add_command, add_json

_SIDES = ("server.commands.server_arguments", "client.commands.arguments.site_arguments")
"""Each side's arguments lie beside its commands and are loaded by name: common imports no side."""
_LARGEST_SEED = 2**63 - 1
_MOST_THREADS = 1024
_PROMISE = "Train one model with several hospitals; every scan stays in its own building."
_TOUR = f"""start here:
  {"consilium demo":<52}  phantom hospitals, training and a report, no other set-up
  {"consilium study new lungs --task segmentation":<52}  a study file to fill in
  {"consilium simulate lungs.toml --sites hospitals/":<52}\
  the study over hospital folders on this machine"""
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
    (
        "consilium simulate lungs.toml --sites hospitals/ --compare local,pooled --rounds 10"
        " --out runs/first"
    ),
)
_EVALUATE = (
    "consilium evaluate runs/lungs/model --sites hospitals/",
    "consilium evaluate runs/lungs/model --sites new_hospital/ --split all --json",
)


def build() -> Parser:
    """The parser of the whole command line.

    The namespace that it fills holds the parser of the sub-command as ``parser``; its ``prog`` says
    which sub-command was typed.
    """
    parser = Parser(prog="consilium", description=_PROMISE, epilog=_TOUR)
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and stop")
    parser.add_argument(
        "--debug", action="store_true", help="print the full trace of an unexpected error"
    )
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    _add_study(commands)
    _add_simulate(commands)
    _add_evaluate(commands)
    _add_demo(commands)
    # Last in the list of commands: most users start on one machine.
    for side in _SIDES:
        importlib.import_module(side).add(commands, add_command, whole)
    return parser


def _add_study(commands: Any) -> None:
    group = add_command(commands, "study", "write, check and explain study files").add_subparsers(
        metavar="COMMAND", title="commands"
    )
    _add_new(group)
    _add_check(group)
    _add_show(group)


def _add_new(group: Any) -> None:
    parser = add_command(group, "new", "write a commented study file with every default", _NEW)
    parser.add_argument("name", metavar="NAME", type=study_name, help="name of the study")
    parser.add_argument(
        "--task", required=True, metavar="TASK", help="what the network is for, e.g. segmentation"
    )
    parser.add_argument(
        "--model", metavar="MODEL", help="network; default: a common one for the task"
    )
    parser.add_argument(
        "--strategy",
        metavar="STRATEGY",
        default="fedavg",
        help="how updates become one model (default: fedavg)",
    )
    parser.add_argument(
        "--dimensions",
        type=int,
        choices=(2, 3),
        default=2,
        help="2 for images, 3 for volumes (default: 2)",
    )
    parser.add_argument(
        "--out", type=path, metavar="FILE", help="file to write (default: NAME.toml)"
    )
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def _add_check(group: Any) -> None:
    text = "read and validate a study file, down to its network"
    parser = add_command(group, "check", text, _CHECK)
    parser.add_argument("study", metavar="STUDY", type=path, help="study file")
    parser.add_argument(
        "--site",
        type=folder,
        metavar="SITE",
        help="also look whether this hospital's folder serves the study",
    )
    parser.add_argument(
        "--names",
        type=path,
        metavar="FILE",
        help="with --site: a labels.toml in place of the folder's own",
    )
    _add_device(parser)
    add_json(parser)


def _add_show(group: Any) -> None:
    parser = add_command(group, "show", "print a study with every default spelled out", _SHOW)
    parser.add_argument(
        "study",
        metavar="STUDY",
        type=path,
        nargs="?",
        help="study file; may be left out with --fields",
    )
    parser.add_argument(
        "--fields", action="store_true", help="table of every field: default, limits, meaning"
    )
    add_json(parser)


def _add_simulate(commands: Any) -> None:
    parser = add_command(
        commands, "simulate", "run a study over hospital folders on this machine", _SIMULATE
    )
    parser.add_argument("study", metavar="STUDY", type=path, help="study file")
    _add_sites(parser)
    parser.add_argument(
        "--out",
        type=path,
        metavar="RUN",
        help="folder for the results (default: runs/ and the study file's name)",
    )
    engine = "inline: one process (default); ray: Flower's engine"
    parser.add_argument("--engine", choices=("inline", "ray"), default="inline", help=engine)
    arms = "also train: local (each hospital alone), pooled (all data in one place)"
    parser.add_argument("--compare", type=comparisons, default=(), metavar="LIST", help=arms)
    parser.add_argument(
        "--rounds", type=whole(1), metavar="N", help="number of rounds, instead of the study's"
    )
    parser.add_argument(
        "--seed", type=whole(0, _LARGEST_SEED), metavar="N", help="seed, instead of the study's"
    )
    _add_device(parser)
    threads = (
        "processor threads of each hospital's training (default: all cores); "
        "the same number gives the same weights to the bit"
    )
    parser.add_argument("--threads", type=whole(1, _MOST_THREADS), metavar="N", help=threads)
    add_json(parser)


def _add_evaluate(commands: Any) -> None:
    parser = add_command(
        commands,
        "evaluate",
        "score a trained model on hospital folders, also ones never trained on",
        _EVALUATE,
    )
    parser.add_argument(
        "model", metavar="RUN/model", type=model_folder, help="model folder of a run"
    )
    _add_sites(parser)
    parser.add_argument(
        "--split",
        choices=("test", "all"),
        default="test",
        help="the hospitals' own test patients (default) or every image",
    )
    _add_device(parser)
    add_json(parser)


def _add_demo(commands: Any) -> None:
    parser = add_command(
        commands,
        "demo",
        "make phantom hospitals, train over them and write a report",
        ("consilium demo",),
    )
    parser.add_argument(
        "--out",
        type=path,
        metavar="RUN",
        default=Path("runs/demo"),
        help="folder for the results (default: runs/demo)",
    )
    add_json(parser)


def _add_sites(parser: Parser) -> None:
    parser.add_argument(
        "--sites",
        type=folder,
        required=True,
        metavar="DIR",
        help="folder in which every sub-folder is one hospital",
    )


def _add_device(parser: Parser) -> None:
    where = "where networks run (default: auto, a GPU if there is one)"
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help=where)
