"""A plug-in is one file whose name is its name.

``names("common.models")`` lists what is installed; ``load("common.models", "unet", "MODEL")``
returns that file's one agreed export. A name is looked up in the list and never turned into an
import path, so a name that came over the wire cannot reach any other module.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from common.errors import StudyError, did_you_mean


def names(package: str) -> list[str]:
    """Names of the plug-ins in a package; files that start with an underscore are helpers."""
    path = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))


def load(package: str, name: str, export: str, where: str = "name") -> Any:
    """The agreed export of one plug-in.

    Raises:
        StudyError: no plug-in of that name is installed.
    """
    installed = names(package)
    if name not in installed:
        hint = did_you_mean(name, installed)
        raise StudyError(f"{where} is {name!r}{hint}; installed: {', '.join(installed)}.")
    return getattr(importlib.import_module(f"{package}.{name}"), export)
