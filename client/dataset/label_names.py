"""``labels.toml``: a hospital's words beside a study's, wherever labels, masks and boxes are read.

::

    [columns]              # column of labels.csv or cases.csv = the study's column
    Befund = "pneumonia"
    [labels]               # value of a column, or label of a box = the study's name; "" = not used
    ja = "1"
    nein = "0"
    [masks]                # value of a pixel = the study's class
    7 = "liver"

A class of [masks] that the study does not ask for is background. Without the file, and for what it
does not list, the hospital's own words are taken as they are; [masks] lists every value but 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from client.readers import _limits
from common.errors import CaseError, SiteError
from common.study import toml

FILE = "labels.toml"
_SECTIONS = ("columns", "labels", "masks")
_LARGEST = 1 << 20


@dataclass(frozen=True)
class LabelNames:
    """A hospital's words (left) and a study's (right)."""

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[int, str] = field(default_factory=dict)

    def rows(
        self, columns: list[str], records: list[dict[str, str]]
    ) -> tuple[list[str], list[dict[str, str]]]:
        """A table under the study's column names."""
        if not self.columns:
            return columns, records
        named = [{self.columns.get(c, c): v for c, v in record.items()} for record in records]
        return [self.columns.get(c, c) for c in columns], named

    def label(self, text: str) -> str:
        """The study's name for a value."""
        return self.labels.get(text, text)

    def entry(self, entry: Any) -> Any:
        """An entry of boxes.json under the study's names, without the objects that are not used.

        A malformed entry is given back as it is: who checks entries says what is wrong with it.
        """
        objects = entry.get("objects") if isinstance(entry, dict) else None
        if (
            not self.labels
            or not isinstance(objects, list)
            or not all(isinstance(item, dict) and "label" in item for item in objects)
        ):
            return entry
        named = [{**item, "label": self.label(str(item["label"]))} for item in objects]
        return {**entry, "objects": [item for item in named if item["label"]]}

    def classes(
        self, stored: npt.NDArray[np.generic], classes: tuple[str, ...]
    ) -> npt.NDArray[np.uint8]:
        """Class numbers of a mask; 0 where the study does not ask for the class.

        Raises:
            CaseError: a value that [masks] does not list.
        """
        result = np.zeros(stored.shape, np.uint8)
        listed = stored == 0
        for value, name in self.masks.items():
            here = stored == value
            listed |= here
            if name in classes:
                result[here] = classes.index(name) + 1
        if not listed.all():
            raise CaseError("mask.unlisted")
        return result


def read(folder: Path) -> LabelNames:
    """The names of a hospital's folder; empty where there is no labels.toml.

    Raises:
        SiteError: it cannot be read, or two columns are given one name.
    """
    path = folder / FILE
    try:
        if not path.is_file():
            return LabelNames()
        table = toml.loads(_limits.table_bytes(path, _LARGEST).decode("utf-8-sig"))
        strangers = [name for name in table if name not in _SECTIONS]
        if strangers or not all(
            isinstance(v, str) for section in table.values() for v in section.values()
        ):
            raise ValueError(f"{strangers}")
        names = LabelNames(
            table.get("columns", {}),
            table.get("labels", {}),
            {int(k): v for k, v in table.get("masks", {}).items()},
        )
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise SiteError("table.names_unreadable", f"{path}: {error!r}") from None
    if len(set(names.columns.values())) < len(names.columns):
        raise SiteError("table.one_name_twice")
    return names


def dumps(names: LabelNames) -> str:
    """The names as :func:`read` takes them."""
    table = {
        "columns": dict(names.columns),
        "labels": dict(names.labels),
        "masks": {str(k): v for k, v in names.masks.items()},
    }
    return toml.dumps({name: section for name, section in table.items() if section})


def beside(mask: Path) -> LabelNames:
    """The names of the folder in whose ``masks/`` a mask lies."""
    folders = [parent for parent in mask.parents if parent.name == "masks"]
    # The outermost: a hospital may name a folder of its own within it the same.
    return read(folders[-1].parent) if folders else LabelNames()
