"""The study file: one TOML file that says everything about a federated study.

It is the only thing that travels to a hospital beside the model. Every field is documented where
it is declared, in ``common/study/sections.py`` and in each plug-in's settings class; ``consilium
study show --fields`` prints them. Nothing in a study file is code: names are looked up
among installed plug-ins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from common.errors import StudyError, did_you_mean
from common.study import config, plugins, toml
from common.study.config import closest, shown
from common.study.sections import (
    SECTIONS,
    Data,
    Evaluation,
    FederationSettings,
    Named,
    SecureAggregation,
    Training,
)


@dataclass(frozen=True)
class Study:
    """A checked study."""

    name: str
    description: str
    seed: int
    task: Named
    model: Named
    strategy: Named
    data: Data
    prepare: tuple[Named, ...]
    augment: tuple[Named, ...]
    training: Training
    federation: FederationSettings
    evaluation: Evaluation
    secure_aggregation: SecureAggregation = field(default_factory=SecureAggregation)

    def to_table(self) -> dict[str, Any]:
        """The study with every default spelled out, as TOML tables."""
        sections = {"data": config.to_table(self.data)}
        sections["data"]["prepare"] = [s.to_table("step") for s in self.prepare]
        sections["data"]["augment"] = [s.to_table("step") for s in self.augment]
        for name in ("task", "model", "strategy"):
            sections[name] = getattr(self, name).to_table()
        for name in ("training", "federation", "secure_aggregation", "evaluation"):
            sections[name] = config.to_table(getattr(self, name))
        return {"name": self.name, "description": self.description, "seed": self.seed, **sections}

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved study in canonical JSON, as hex."""
        return hashlib.sha256(json.dumps(self.to_table(), sort_keys=True).encode()).hexdigest()


_PLUGINS = {
    "task": ("common.tasks", "TASK"),
    "model": ("common.models", "MODEL"),
    "strategy": ("common.strategies", "STRATEGY"),
}
_TOP = ("name", "description", "seed", *_PLUGINS, *SECTIONS)


def settings() -> frozenset[str]:
    """Names of all settings, e.g. "data.min_patients", with those of every installed plug-in.

    Steps of the data count as one.
    """
    classes: list[tuple[str, Any]] = list(SECTIONS.items())
    for section, (package, export) in _PLUGINS.items():
        classes += [
            (section, plugins.load(package, name, export).options)
            for name in plugins.names(package)
        ]
    places = {f"{section}.{option.name}" for section, cls in classes for option in fields(cls)}
    return frozenset(
        (
            *places,
            *_TOP,
            *(f"{section}.name" for section in _PLUGINS),
            "data.prepare",
            "data.augment",
        )
    )


def read(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        StudyError: the file cannot be read, is not TOML, or a field is wrong.
    """
    return parse(toml.read(path, "Study file", StudyError))


def parse(table: Mapping[str, Any]) -> Study:
    """Check a study given as tables.

    Raises:
        StudyError: a field is unknown, missing, of the wrong type or out of range.
    """
    for key in table:
        if key not in _TOP:
            raise StudyError(
                f"{key} is not a section of a study{did_you_mean(key, _TOP)}; allowed: "
                f"{', '.join(_TOP)}."
            )
    values = dict(table)
    data = dict(_table(values.get("data", {}), "data"))
    steps = {kind: _steps(data.pop(kind, []), f"data.{kind}") for kind in ("prepare", "augment")}
    named = {name: _plugin(_table(values.get(name, {}), name), name) for name in _PLUGINS}
    study = Study(
        name=_name(values),
        description=_description(values.get("description", "")),
        seed=_seed(values.get("seed", 1)),
        task=named["task"],
        model=named["model"],
        strategy=named["strategy"],
        data=config.load(Data, data, "data"),
        prepare=steps["prepare"],
        augment=steps["augment"],
        training=config.load(Training, _table(values.get("training", {}), "training"), "training"),
        federation=config.load(
            FederationSettings, _table(values.get("federation", {}), "federation"), "federation"
        ),
        secure_aggregation=config.load(
            SecureAggregation,
            _table(values.get("secure_aggregation", {}), "secure_aggregation"),
            "secure_aggregation",
        ),
        evaluation=config.load(
            Evaluation, _table(values.get("evaluation", {}), "evaluation"), "evaluation"
        ),
    )
    _check_together(study)
    return study


def _check_together(study: Study) -> None:
    serves = plugins.load("common.models", study.model.name, "MODEL").tasks
    if study.task.name not in serves:
        raise StudyError(
            f"model.name is {shown(study.model.name)}, which serves {', '.join(serves)}; "
            f"task.name is {shown(study.task.name)}."
        )
    if study.data.test_fraction + study.data.validation_fraction >= 1:
        raise StudyError(
            "data.test_fraction + data.validation_fraction is 1 or more; leave patients for "
            "training."
        )
    for place, named, kinds in (
        ("prepare", study.prepare, ("prepare",)),
        ("augment", study.augment, ("crop", "augment")),
    ):
        for i, step in enumerate(named):
            kind = plugins.load("common.transforms", step.name, "TRANSFORM").kind
            if kind not in kinds:
                belongs = "prepare" if kind == "prepare" else "augment"
                raise StudyError(
                    f"data.{place}[{i}].step is {shown(step.name)}, which belongs under "
                    f"data.{belongs}."
                )


def _plugin(table: Mapping[str, Any], section: str, key: str = "name") -> Named:
    package, export = _PLUGINS[section]
    if section == "strategy" and not table:
        table = {"name": "fedavg"}
    return _named(table, where=section, key=key, package=package, export=export)


def _named(table: Mapping[str, Any], where: str, key: str, package: str, export: str) -> Named:
    installed = plugins.names(package)
    # A study that came as JSON may hold null, which TOML cannot write: missing as well.
    name = table.get(key)
    if name is None:
        raise StudyError(f"{where}.{key} is missing; give one of {', '.join(installed)}.")
    if not isinstance(name, str):
        raise StudyError(f"{where}.{key} is {shown(name)}; give one of {', '.join(installed)}.")
    if name not in installed:
        raise StudyError(
            f"{where}.{key} is {shown(name)}{closest(name, installed)}; installed: "
            f"{', '.join(installed)}."
        )
    plugin = plugins.load(package, name, export, f"{where}.{key}")
    return Named(
        name, config.load(plugin.options, {k: v for k, v in table.items() if k != key}, where)
    )


def _steps(tables: Any, where: str) -> tuple[Named, ...]:
    if not isinstance(tables, list):
        raise StudyError(f"{where} is {shown(tables)}; give a list of tables, each with a step.")
    return tuple(
        _named(
            _table(t, f"{where}[{i}]"),
            where=f"{where}[{i}]",
            key="step",
            package="common.transforms",
            export="TRANSFORM",
        )
        for i, t in enumerate(tables)
    )


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise StudyError(f"{where} is {shown(value)}; give a table.")
    return value


def _name(table: Mapping[str, Any]) -> str:
    if "name" not in table:
        raise StudyError(f"name is missing; give {config.NAME_RULE}.")
    value = table["name"]
    if not isinstance(value, str) or not config.NAME.fullmatch(value):
        raise StudyError(f"name is {shown(value)}; give {config.NAME_RULE}, in quotes.")
    return value


def _description(value: Any) -> str:
    if not isinstance(value, str):
        raise StudyError(f"description is {shown(value)}; give a text in quotes.")
    return value


def _seed(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
        raise StudyError(f"seed is {shown(value)}; give a whole number from 0 to 2^63 - 1.")
    return value
