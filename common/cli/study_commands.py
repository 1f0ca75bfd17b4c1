"""``consilium study new | check | show``: write, check and explain study files."""

from __future__ import annotations

import dataclasses
import importlib
import sys
import typing
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common import checks, networks
from common.cli import console, rehearsal
from common.errors import ArgumentError, InputError, StudyError
from common.study import config, plugins, toml
from common.study import study as studies
from common.study.sections import SECTIONS

Row = tuple[str, str, str, str]
"""Place, default, what is allowed, meaning."""

_TOP: tuple[Row, ...] = (
    (
        "name",
        "required",
        "a text in quotes",
        "name of the study, in reports and folders: letters, digits, . - _",
    ),
    (
        "description",
        '""',
        "a text in quotes",
        "what the study is for; hospitals read it before they agree",
    ),
    ("seed", "1", "a whole number, 0 to 2^63 - 1", "start of every random draw of the training"),
)
_PLUGINS = {
    "task": ("common.tasks", "TASK"),
    "model": ("common.models", "MODEL"),
    "strategy": ("common.strategies", "STRATEGY"),
}
_FIRST_CHOICE = ("unet", "resnet", "retinanet")
_STEPS = {"prepare": ("resize", "standardise"), "augment": ("flip", "affine", "intensity")}
_SIDE = {2: 128, 3: 64}
_HEAD = """A study: everything about a federated training, and the only thing that travels to a hospital beside the model.
Check it with 'consilium study check FILE'; every field and every step there is: 'consilium study show --fields'."""


def new(arguments: Namespace) -> int:
    """Write a commented study file with every default spelled out."""
    path = arguments.out or Path(f"{arguments.name}.toml")
    model = arguments.model or _model_for(arguments.task)
    table = _template(
        arguments.name, arguments.task, model, arguments.strategy, arguments.dimensions
    )
    text = toml.dumps(table, _notes(table))
    studies.parse(table)
    _write(path, text, arguments.force)
    marked = ", ".join(f"{place} = {toml.inline(value)}" for place, value in _examples(table))
    console.note(
        f"{path} is written{f'; put your own in place of {marked}' if marked else ''}. Then: consilium study check {path}"
    )
    return 0


def _write(path: Path, text: str, replace: bool) -> None:
    try:
        if path.is_dir():
            raise ArgumentError(f"{path} is a folder; give a file with --out.")
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ArgumentError(
            f"{path} exists; give another name, another --out, or --force to replace it."
        ) from None
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror}); give another file with --out."
        ) from None


def check(arguments: Namespace) -> int:
    """Read a study, build its network, try its steps on an invented image, look whether a hospital serves it; text or one JSON object."""
    if arguments.names and not arguments.site:
        raise ArgumentError("--names is given without --site; name the hospital's folder too.")
    study = studies.read(arguments.study)
    with console.work():
        weights = _start(study, arguments.study.parent)
        rehearsal.steps(study)
        found = _fitness(arguments, study) if arguments.site else []
    facts = {
        "ok": True,
        "name": study.name,
        "task": study.task.name,
        "model": study.model.name,
        "weights": weights,
        "strategy": study.strategy.name,
        "rounds": study.federation.rounds,
        "hash": study.digest,
    }
    if arguments.json:
        served = checks.to_json(found)
        console.out_json({**facts, "ok": served["ok"], "site": served} if arguments.site else facts)
        return checks.exit_code(found)
    what = f"{study.task.name} with {study.model.name} ({weights:,} weights), {study.strategy.name}, {study.federation.rounds} rounds"
    console.out(
        f"{arguments.study} is a valid study: {study.name}, {what}, hash {study.digest[:16]}"
    )
    return checks.show(found, False) if arguments.site else 0


def _fitness(arguments: Namespace, study: studies.Study) -> list[checks.CheckResult]:
    """What stands between a hospital's folder and the study; only the hospital's side opens the folder."""
    found: list[checks.CheckResult] = importlib.import_module(
        "client.ingest.readiness.fitness"
    ).check(arguments.site, study, arguments.names, arguments.device)
    return found


def _start(study: studies.Study, base: Path) -> int:
    """Number of weights of the study's network; the file that it starts from is there and fits."""
    wanted = study.training.pretrained
    if wanted and not (base / wanted).is_file():
        place = f"training.pretrained is {toml.inline(wanted)}"
        raise StudyError(
            f"{place}, but there is no file {base / wanted}; give a safetensors file, relative to the study file."
        )
    return networks.start_weights(study, base)[0].size


def show(arguments: Namespace) -> int:
    """Print a study with every default spelled out, or the table of all fields."""
    if not arguments.fields and arguments.study is None:
        raise ArgumentError(
            "STUDY is missing; give a study file, or --fields for the table of every field."
        )
    study = studies.read(arguments.study) if arguments.study else None
    if arguments.fields:
        _show_fields(study, arguments.json)
    elif study is not None and arguments.json:
        console.out_json(study.to_table())
    elif study is not None:
        console.out(toml.dumps(study.to_table()).rstrip("\n"))
    return 0


def fields(study: studies.Study | None = None) -> Iterator[tuple[str, str, list[Row]]]:
    """Every field: ``(header, meaning, rows)`` for each section and plug-in, only those plug-ins that ``study`` names if one is given."""
    yield "study", "Head of the file", list(_TOP)
    for name, cls in SECTIONS.items():
        yield f"[{name}]", _meaning(cls), list(config.describe(cls, name))
    for section, (package, export) in _PLUGINS.items():
        for name in plugins.names(package) if study is None else [getattr(study, section).name]:
            options = plugins.load(package, name, export).options
            yield (
                f'[{section}] name = "{name}"',
                _summary(package, name),
                list(config.describe(options, section)),
            )
    used = None if study is None else {step.name for step in (*study.prepare, *study.augment)}
    for name in plugins.names("common.transforms"):
        if used is None or name in used:
            transform = plugins.load("common.transforms", name, "TRANSFORM")
            place = "data.prepare" if transform.kind == "prepare" else "data.augment"
            yield (
                f'[[{place}]] step = "{name}"',
                _summary("common.transforms", name),
                list(config.describe(transform.options, place)),
            )


def _show_fields(study: studies.Study | None, as_json: bool) -> None:
    groups = list(fields(study))
    if as_json:
        keys = ("field", "default", "allowed", "meaning")
        listed = [
            {
                "group": h,
                "meaning": m,
                "fields": [dict(zip(keys, row, strict=True)) for row in rows],
            }
            for h, m, rows in groups
        ]
        console.out_json({"groups": listed})
        return
    for header, meaning, rows in groups:
        console.out(f"{header}  {meaning}")
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        for row in rows:
            console.out("  " + "  ".join([*(row[i].ljust(widths[i]) for i in range(3)), row[3]]))
        console.out("")


def _template(name: str, task: str, model: str, strategy: str, dimensions: int) -> dict[str, Any]:
    chosen = {"task": task, "model": model, "strategy": strategy}
    named = {section: _named(section, name) for section, name in chosen.items()}
    steps = {kind: [_step(step, dimensions) for step in listed] for kind, listed in _STEPS.items()}
    sections = {section: _defaults(cls) for section, cls in SECTIONS.items()}
    sections["data"] |= {"dimensions": dimensions, **steps}
    sections["secure_aggregation"] |= {"enabled": True}
    return {"name": name, "description": "", "seed": 1, **named, **sections}


def _named(section: str, name: str) -> dict[str, Any]:
    package, export = _PLUGINS[section]
    return {"name": name, **_defaults(plugins.load(package, name, export, f"--{section}").options)}


def _step(name: str, dimensions: int) -> dict[str, Any]:
    given = (
        {"size": [_SIDE[dimensions]] * dimensions, "keep_aspect": True} if name == "resize" else {}
    )
    return {
        "step": name,
        **_defaults(plugins.load("common.transforms", name, "TRANSFORM").options),
        **given,
    }


def _model_for(task: str) -> str:
    plugins.load("common.tasks", task, "TASK", "--task")
    serving = [
        n
        for n in plugins.names("common.models")
        if task in plugins.load("common.models", n, "MODEL").tasks
    ]
    if not serving:
        raise ArgumentError(
            f"--task is {task!r}, which no installed network serves; give another task."
        )
    return next((n for n in _FIRST_CHOICE if n in serving), serving[0])


def _defaults(cls: type) -> dict[str, Any]:
    """Every default, an example where there is none; fields that are None are left out, as TOML has no form for it."""
    hints = typing.get_type_hints(cls)
    values = {
        f.name: _example(hints[f.name], f) if f.default is dataclasses.MISSING else f.default
        for f in dataclasses.fields(cls)
    }
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v is not None}


def _example(hint: Any, field: dataclasses.Field[Any]) -> Any:
    if typing.get_origin(hint) is tuple:
        return [_example(typing.get_args(hint)[0], field)]
    if field.metadata["choices"]:
        return field.metadata["choices"][0]
    return "change_me" if hint is str else hint(field.metadata["low"] or 1)


def _examples(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields of the task that have no default, with the example that the template holds."""
    for place, default, _, _ in config.describe(
        plugins.load("common.tasks", table["task"]["name"], "TASK").options, "task"
    ):
        if default == "required":
            yield place, table["task"][place.removeprefix("task.")]


def _notes(table: Mapping[str, Any]) -> dict[str, str]:
    """The comments of a template: meaning and limits of every field, above each section what it is about."""
    notes = {"": _HEAD, **{row[0]: _note(row) for row in _TOP}}
    for name, cls in SECTIONS.items():
        notes |= {name: _meaning(cls), **_notes_of(cls, name, name)}
    for section, (package, export) in _PLUGINS.items():
        name = table[section]["name"]
        notes |= {
            section: _summary(package, name),
            **_notes_of(plugins.load(package, name, export).options, section, section),
        }
        notes[f"{section}.name"] = f"installed: {', '.join(plugins.names(package))}"
    for kind in _STEPS:
        for i, step in enumerate(table["data"][kind]):
            options = plugins.load("common.transforms", step["step"], "TRANSFORM").options
            place = f"data.{kind}[{i}]"
            notes |= {
                place: _summary("common.transforms", step["step"]),
                **_notes_of(options, f"data.{kind}", place),
            }
    return notes


def _notes_of(cls: type, where: str, place: str) -> dict[str, str]:
    return {place + row[0].removeprefix(where): _note(row) for row in config.describe(cls, where)}


def _note(row: Row) -> str:
    _, default, allowed, meaning = row
    limits = allowed if " | " in allowed else allowed.rpartition(", ")[2] if ", " in allowed else ""
    text = meaning if not limits or limits.startswith("each ") else f"{meaning} ({limits})"
    return f"required: {text}" if default == "required" else text


def _meaning(cls: type) -> str:
    return (cls.__doc__ or "").strip().split("\n")[0].split(" ([")[0].rstrip(".")


def _summary(package: str, name: str) -> str:
    return (sys.modules[f"{package}.{name}"].__doc__ or "").strip().split("\n")[0].rstrip(".")
