"""Every installed plug-in keeps its package's promise; a new file is tested by being there."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from typing import Any

import pytest

from client.readers import Reader
from common.models import Model
from common.strategies import Strategy
from common.study import config, plugins
from common.tasks import TaskType
from common.transforms import Transform

PACKAGES: dict[str, tuple[str, type]] = {
    "common.tasks": ("TASK", TaskType),
    "common.models": ("MODEL", Model),
    "common.strategies": ("STRATEGY", Strategy),
    "common.transforms": ("TRANSFORM", Transform),
}
PLUGINS = [(package, name) for package in PACKAGES for name in plugins.names(package)]
PLAIN = (bool, int, float, str)

every = pytest.mark.parametrize(
    ("package", "name"), PLUGINS, ids=[f"{package}.{name}" for package, name in PLUGINS]
)


def load(package: str, name: str) -> Any:
    return plugins.load(package, name, PACKAGES[package][0])


def test_there_are_plugins_of_every_kind() -> None:
    for package in PACKAGES:
        assert plugins.names(package), package


@every
def test_it_exports_the_agreed_name_with_the_agreed_type(package: str, name: str) -> None:
    assert isinstance(load(package, name), PACKAGES[package][1])


@every
def test_its_name_is_a_word_that_a_study_can_hold(package: str, name: str) -> None:
    assert name.isidentifier()
    assert name == name.lower()


@every
def test_it_says_what_it_is(package: str, name: str) -> None:
    text = inspect.getdoc(importlib.import_module(f"{package}.{name}")) or ""
    assert len(text.split("\n")[0]) > 20
    assert inspect.getdoc(load(package, name).options)


@every
def test_its_settings_are_a_frozen_dataclass(package: str, name: str) -> None:
    options = load(package, name).options
    assert dataclasses.is_dataclass(options)
    assert vars(options)["__dataclass_params__"].frozen


@every
def test_each_setting_is_documented_and_plain(package: str, name: str) -> None:
    """A type that TOML has a form for, one line of meaning, and limits that make sense."""
    options = load(package, name).options
    hints = typing.get_type_hints(options)
    for field in dataclasses.fields(options):
        assert {"doc", "low", "high", "choices"} <= set(field.metadata), (
            f"{field.name} is not declared with setting()"
        )
        meaning = field.metadata["doc"]
        assert len(meaning) > 4, field.name
        assert "\n" not in meaning, field.name
        assert meaning.endswith("...") or not meaning.endswith("."), field.name
        assert _item(hints[field.name]) in PLAIN, f"{field.name} is {hints[field.name]}"
        low, high = field.metadata["low"], field.metadata["high"]
        assert low is None or high is None or low < high, field.name


@every
def test_its_defaults_pass_its_own_limits(package: str, name: str) -> None:
    """Defaults written into a study file are read back as the same settings."""
    options = load(package, name).options
    defaults = {
        f.name: f.default
        for f in dataclasses.fields(options)
        if f.default is not dataclasses.MISSING and f.default is not None
    }
    table = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
    required = {
        f.name: _example(f, typing.get_type_hints(options))
        for f in dataclasses.fields(options)
        if f.default is dataclasses.MISSING
    }
    loaded = config.load(options, {**table, **required}, name)
    assert {k: getattr(loaded, k) for k in defaults} == defaults
    assert config.load(options, config.to_table(loaded), name) == loaded


@every
def test_its_fields_can_be_listed(package: str, name: str) -> None:
    rows = list(config.describe(load(package, name).options, name))
    assert all(all(cell for cell in row) for row in rows)


@pytest.mark.parametrize("name", plugins.names("common.models"))
def test_a_network_serves_installed_tasks(name: str) -> None:
    tasks = load("common.models", name).tasks
    assert tasks
    assert set(tasks) <= set(plugins.names("common.tasks"))


@pytest.mark.parametrize("name", plugins.names("common.tasks"))
def test_a_task_has_a_network(name: str) -> None:
    assert [
        model
        for model in plugins.names("common.models")
        if name in load("common.models", model).tasks
    ]


@pytest.mark.parametrize("name", plugins.names("common.transforms"))
def test_a_step_does_what_its_kind_says_and_nothing_else(name: str) -> None:
    step = load("common.transforms", name)
    kinds = [kind for kind in ("prepare", "augment", "crop") if getattr(step, kind) is not None]
    assert kinds == [step.kind]


def test_readers_share_no_ending() -> None:
    modules = [
        importlib.import_module(f"client.readers.{name}")
        for name in plugins.names("client.readers")
    ]
    readers = {module.__name__: module.READER for module in modules if hasattr(module, "READER")}
    assert readers
    assert all(isinstance(reader, Reader) for reader in readers.values())
    endings = [ending for reader in readers.values() for ending in reader.suffixes]
    assert len(set(endings)) == len(endings)
    assert all(
        ending == ending.lower() and (not ending or ending.startswith(".")) for ending in endings
    )


def _item(hint: Any) -> Any:
    """The plain type within ``T | None`` and ``tuple[T, ...]``."""
    inner = [a for a in typing.get_args(hint) if a not in (type(None), Ellipsis)]
    return _item(inner[0]) if inner else hint


def _example(field: dataclasses.Field[Any], hints: dict[str, Any]) -> Any:
    item = _item(hints[field.name])
    value = (
        field.metadata["choices"][0]
        if field.metadata["choices"]
        else item(field.metadata["low"] or 1)
    )
    return [value] if typing.get_origin(hints[field.name]) is tuple else value
