"""A new study file: every default spelled out, with its meaning as a comment."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from common.cli import study_fields
from common.errors import ArgumentError
from common.study import config, plugins
from common.study.sections import SECTIONS

_FIRST_CHOICE = ("unet", "resnet", "retinanet")
"""The usual network of each task; a task that none of them serves takes the first that does."""
_STEPS = {"prepare": ("resize", "standardise"), "augment": ("flip", "affine", "intensity")}
_SIDE = {2: 128, 3: 64}
"""Pixels along each side after resizing, by number of dimensions: trains on a laptop."""
_HEAD = (
    "A study: everything about a federated training, and the only thing that travels to a hospital"
    " beside the model.\n"
    "Check it with 'consilium study check FILE'; every field and every step there is:"
    " 'consilium study show --fields'."
)


def template(name: str, task: str, model: str, strategy: str, dimensions: int) -> dict[str, Any]:
    """The whole study as a table, with every default spelled out."""
    chosen = {"task": task, "model": model, "strategy": strategy}
    named = {section: _named(section, name) for section, name in chosen.items()}
    steps = {kind: [_step(step, dimensions) for step in listed] for kind, listed in _STEPS.items()}
    sections = {section: _defaults(cls) for section, cls in SECTIONS.items()}
    sections["data"] |= {"dimensions": dimensions, **steps}
    sections["secure_aggregation"] |= {"enabled": True}
    # In the order in which a person reads them: tables in TOML follow the plain values.
    return {"name": name, "description": "", "seed": 1, **named, **sections}


def _named(section: str, name: str) -> dict[str, Any]:
    package, export = study_fields.PLUGINS[section]
    return {"name": name, **_defaults(plugins.load(package, name, export, f"--{section}").options)}


def _step(name: str, dimensions: int) -> dict[str, Any]:
    options = _defaults(plugins.load("common.transforms", name, "TRANSFORM").options)
    if name == "resize":
        options |= {"size": [_SIDE[dimensions]] * dimensions, "keep_aspect": True}
    return {"step": name, **options}


def model_for(task: str) -> str:
    """The usual network of a task.

    Raises:
        StudyError: there is no such task.
        ArgumentError: no installed network serves it.
    """
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
    """Every default, an example where there is none; TOML has no form for None: it is left out."""
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


def examples(table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields of the task that have no default, with the example that the template holds."""
    for place, default, _, _ in config.describe(
        plugins.load("common.tasks", table["task"]["name"], "TASK").options, "task"
    ):
        if default == "required":
            yield place, table["task"][place.removeprefix("task.")]


def notes_for(table: Mapping[str, Any]) -> dict[str, str]:
    """The comments of a template: what each section is about, what each field means and allows."""
    notes = {"": _HEAD, **{row[0]: _note(row) for row in study_fields.TOP}}
    for name, cls in SECTIONS.items():
        notes |= {name: study_fields.meaning_of(cls), **_notes_of(cls, name, name)}
    for section, (package, export) in study_fields.PLUGINS.items():
        name = table[section]["name"]
        notes |= {
            section: study_fields.summary_of(package, name),
            **_notes_of(plugins.load(package, name, export).options, section, section),
        }
        notes[f"{section}.name"] = f"installed: {', '.join(plugins.names(package))}"
    for kind in _STEPS:
        for i, step in enumerate(table["data"][kind]):
            notes |= _notes_of_step(step["step"], f"data.{kind}", f"data.{kind}[{i}]")
    return notes


def _notes_of_step(name: str, where: str, place: str) -> dict[str, str]:
    options = plugins.load("common.transforms", name, "TRANSFORM").options
    summary = study_fields.summary_of("common.transforms", name)
    return {place: summary, **_notes_of(options, where, place)}


def _notes_of(cls: type, where: str, place: str) -> dict[str, str]:
    return {place + row[0].removeprefix(where): _note(row) for row in config.describe(cls, where)}


def _note(row: study_fields.Row) -> str:
    _, default, allowed, meaning = row
    # "a number, 0 to 1": the type shows in the default, so only the limits are told.
    limits = allowed if " | " in allowed else allowed.rpartition(", ")[2] if ", " in allowed else ""
    text = meaning if not limits or limits.startswith("each ") else f"{meaning} ({limits})"
    return f"required: {text}" if default == "required" else text
