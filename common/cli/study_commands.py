"""``consilium study new | check | show``: write, check and explain study files."""

from __future__ import annotations

import importlib
from argparse import Namespace
from pathlib import Path

from common import checks, networks
from common.cli import console, rehearsal, study_fields, study_template
from common.errors import ArgumentError, InputError, StudyError
from common.study import study as studies
from common.study import toml


def new(arguments: Namespace) -> int:
    """Write a commented study file with every default spelled out."""
    path = arguments.out or Path(f"{arguments.name}.toml")
    model = arguments.model or study_template.model_for(arguments.task)
    table = study_template.template(
        name=arguments.name,
        task=arguments.task,
        model=model,
        strategy=arguments.strategy,
        dimensions=arguments.dimensions,
    )
    text = toml.dumps(table, study_template.notes_for(table))
    studies.parse(table)
    _write(path, text, arguments.force)
    marked = ", ".join(
        f"{place} = {toml.inline(value)}" for place, value in study_template.examples(table)
    )
    console.note(
        f"{path} is written{f'; put your own in place of {marked}' if marked else ''}."
        f" Then: consilium study check {path}"
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
    """Read a study, build its network, try its steps on an invented image.

    With --site it also looks whether that hospital's folder serves the study.
    """
    if arguments.names and not arguments.site:
        raise ArgumentError("--names is given without --site; name the hospital's folder too.")
    study = studies.read(arguments.study)
    with console.work():
        weights = _start(study, arguments.study.parent)
        rehearsal.steps(study)
        findings = _fitness(arguments, study) if arguments.site else []
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
        served = checks.to_json(findings)
        console.out_json({**facts, "ok": served["ok"], "site": served} if arguments.site else facts)
        return checks.exit_code(findings)
    console.out(
        f"{arguments.study} is a valid study: {study.name},"
        f" {study.task.name} with {study.model.name} ({weights:,} weights),"
        f" {study.strategy.name}, {study.federation.rounds} rounds, hash {study.digest[:16]}"
    )
    return checks.show(findings, False) if arguments.site else 0


def _fitness(arguments: Namespace, study: studies.Study) -> list[checks.CheckResult]:
    """What stands between a hospital's folder and the study."""
    # By name: only the hospital's side opens the folder, and common imports no side.
    fitness = importlib.import_module("client.ingest.readiness.fitness")
    findings: list[checks.CheckResult] = fitness.check(
        arguments.site, study, arguments.names, arguments.device
    )
    return findings


def _start(study: studies.Study, base: Path) -> int:
    """Number of weights of the study's network; the file that it starts from is there and fits."""
    pretrained = study.training.pretrained
    if pretrained and not (base / pretrained).is_file():
        raise StudyError(
            f"training.pretrained is {toml.inline(pretrained)}, but there is no file"
            f" {base / pretrained}; give a safetensors file, relative to the study file."
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


def _show_fields(study: studies.Study | None, as_json: bool) -> None:
    groups = list(study_fields.fields(study))
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
