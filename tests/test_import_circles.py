"""No module of the house imports itself by way of others: each can be moved after its imports."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
SIDES = ("server", "client", "common")


def modules(house: Path) -> dict[str, Path]:
    """Every module of the house by its dotted name."""
    paths = [path for side in SIDES for path in (house / side).rglob("*.py")]
    return {_name(path.relative_to(house)): path for path in paths}


def graph(house: Path) -> dict[str, set[str]]:
    """What each module imports from the house, also in functions and for type checkers alone."""
    paths = modules(house)
    return {name: _imports(path, set(paths)) - {name} for name, path in paths.items()}


def circle(house: Path) -> list[str]:
    """Modules of one circle, the first again at the end; none where there is no circle."""
    try:
        TopologicalSorter(graph(house)).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _imports(path: Path, names: set[str]) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    pairs = {
        (node.module or "", a.name)
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for a in node.names
    }
    return (plain | {f"{a}.{b}" if f"{a}.{b}" in names else a for a, b in pairs}) & names


def test_there_is_no_circle() -> None:
    assert circle(HOUSE) == []


def test_the_graph_is_that_of_the_house() -> None:
    """The test above is not green because it looked in the wrong place."""
    arrows = graph(HOUSE)
    assert len(arrows) > 200
    assert "common.errors" in arrows["common.study.study"]
    assert sum(len(targets) for targets in arrows.values()) > len(arrows)


@pytest.mark.parametrize(
    "line",
    [
        "import common.b",
        "from common import b",
        "from common.b import thing",
        "def f():\n    from common import b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from common.b import Thing",
    ],
)
def test_a_planted_circle_is_caught(tmp_path: Path, line: str) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "a.py").write_text(line + "\n", "utf-8")
    (tmp_path / "common" / "b.py").write_text("from common.c import x\n", "utf-8")
    (tmp_path / "common" / "c.py").write_text("from common import a\n", "utf-8")
    assert sorted(set(circle(tmp_path))) == ["common.a", "common.b", "common.c"]
