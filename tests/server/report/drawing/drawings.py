"""Reading a chart back: its coordinates, and whether all of it is where it should be."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from server.report.drawing.svg import Frame

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
_SLACK = 16.0
"""A tick's text is centred on the edge of the plot."""
WIDTHS = (760, 360)
HARD = [float(v) for v in (0, 1, -1, 1e-12, 1e15, -1e15, 0.5)]
"""Values with which an axis is hard to divide."""


def frame(width: int = 760) -> Frame:
    return Frame("c", "A <title>", "Description & more", width)


def coordinates(element: ET.Element) -> Iterator[tuple[float, float]]:
    get = element.attrib
    kind = element.tag
    if kind == "line":
        yield float(get["x1"]), float(get["y1"])
        yield float(get["x2"]), float(get["y2"])
    elif kind == "circle":
        yield float(get["cx"]), float(get["cy"])
    elif kind == "rect":
        assert float(get["width"]) >= 0
        assert float(get["height"]) >= 0
        yield float(get["x"]), float(get["y"])
        yield float(get["x"]) + float(get["width"]), float(get["y"]) + float(get["height"])
    elif kind == "text":
        yield float(get["x"]), float(get["y"])
    elif kind == "path":
        numbers = [float(n) for n in _NUMBER.findall(get["d"])]
        assert len(numbers) % 2 == 0
        yield from zip(numbers[::2], numbers[1::2], strict=True)


def check(svg: str) -> ET.Element:
    """Well-formed, labelled, and every coordinate finite and inside the view box."""
    assert "nan" not in svg.lower().replace("finance", "")
    assert "inf" not in svg.lower()
    root = ET.fromstring(svg)
    _, _, width, height = (float(v) for v in root.attrib["viewBox"].split())
    count = 0
    for element in root.iter():
        for x, y in coordinates(element):
            count += 1
            assert math.isfinite(x)
            assert math.isfinite(y)
            assert -_SLACK <= x <= width + _SLACK
            assert -_SLACK <= y <= height + _SLACK
    assert count
    assert root.attrib["role"] == "img"
    ids = root.attrib["aria-labelledby"].split()
    assert [child.attrib["id"] for child in root[:2]] == ids
    assert [child.tag for child in root[:2]] == ["title", "desc"]
    return root
