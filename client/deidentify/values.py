"""The elements of a header that can be read at all."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue


def elements(dataset: Dataset) -> Iterator[DataElement]:
    """Every element, in order of tags, whose value can be decoded; one that cannot be is passed over, and so is left out of what is made."""
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: S112  # a damaged value raises nearly anything
            continue
        if isinstance(element, DataElement):
            yield element


def texts(element: DataElement) -> list[str]:
    """The values as text."""
    value = element.value
    values = value if isinstance(value, MultiValue | list | tuple) else [value]
    return [str(one) for one in values if one is not None]
