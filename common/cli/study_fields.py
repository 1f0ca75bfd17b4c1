"""Every field of a study file as a table: default, what is allowed, meaning.

The table is read off the sections and the installed plug-ins, so it cannot miss one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from common.study import config, plugins
from common.study import study as studies
from common.study.sections import SECTIONS

Row = tuple[str, str, str, str]
"""Place, default, what is allowed, meaning."""

TOP: tuple[Row, ...] = (
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
PLUGINS = {
    "task": ("common.tasks", "TASK"),
    "model": ("common.models", "MODEL"),
    "strategy": ("common.strategies", "STRATEGY"),
}


def fields(study: studies.Study | None = None) -> Iterator[tuple[str, str, list[Row]]]:
    """Every field: ``(header, meaning, rows)`` for each section and each plug-in.

    Args:
        study: only the plug-ins that this study names; every installed one if it is None.
    """
    yield "study", "Head of the file", list(TOP)
    for name, cls in SECTIONS.items():
        yield f"[{name}]", meaning_of(cls), list(config.describe(cls, name))
    # Loaded by name and described as they are: adding a plug-in changes nothing here.
    for section, (package, export) in PLUGINS.items():
        for name in plugins.names(package) if study is None else [getattr(study, section).name]:
            options = plugins.load(package, name, export).options
            yield (
                f'[{section}] name = "{name}"',
                summary_of(package, name),
                list(config.describe(options, section)),
            )
    yield from _transforms(study)


def _transforms(study: studies.Study | None) -> Iterator[tuple[str, str, list[Row]]]:
    used = None if study is None else {step.name for step in (*study.prepare, *study.augment)}
    for name in plugins.names("common.transforms"):
        if used is None or name in used:
            transform = plugins.load("common.transforms", name, "TRANSFORM")
            place = "data.prepare" if transform.kind == "prepare" else "data.augment"
            yield (
                f'[[{place}]] step = "{name}"',
                summary_of("common.transforms", name),
                list(config.describe(transform.options, place)),
            )


def meaning_of(cls: type) -> str:
    """What a section is about: the first sentence of its docstring, without a citation."""
    return _first_paragraph(cls.__doc__).split(" ([")[0].rstrip(".")


def summary_of(package: str, name: str) -> str:
    """What a loaded plug-in does: the first sentence of its module's docstring."""
    return _first_paragraph(sys.modules[f"{package}.{name}"].__doc__).rstrip(".")


def _first_paragraph(docstring: str | None) -> str:
    """On one line, however the source wraps it."""
    return " ".join((docstring or "").strip().split("\n\n")[0].split())
