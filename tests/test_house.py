"""The rules of the house, held by reading every file: what no room contains, how long things are, what is described."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
ROOMS = ("server", "client", "common")
TEXTS = (
    ".py",
    ".toml",
    ".txt",
    ".md",
    ".yaml",
    ".yml",
    ".sh",
    ".css",
    ".js",
    ".html",
    ".service",
    ".cfg",
    ".conf",
    "",
)
SKIPPED = (
    ".git",
    ".venv",
    "runs",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
    "build",
    "dist",
    "LICENSE",
)

LONGEST_FILE, LONGEST_FUNCTION = 300, 60
CALLS = {
    "print": "results go through common/cli/console.py, progress through the reporter",
    "eval": "texts are never code",
    "exec": "texts are never code",
    "compile": "texts are never code",
    "breakpoint": "left over from debugging",
    "torch.load": "weights are safetensors",
    "torch.save": "weights are safetensors",
    "yaml.load": "settings are TOML",
    "np.random.seed": "randomness is passed in",
    "pickle.load": "nothing is unpickled",
    "pickle.loads": "nothing is unpickled",
    "os.system": "no shell",
}
REGISTRIES = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|download\.pytorch\.org|anaconda\.org)|--(?:extra-)?index-url",
    re.IGNORECASE,
)
MACHINE_PATHS = re.compile(r"(?<![\w.:/-])/(?:work|home|root|Users|tmp|mnt|media|scratch)/\w")
SIMULATED = re.compile(r"\b(?:is_|in_)?simulat(?:ed|ion|ing)\b")
LEFT_OVER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")

Finding = Iterator[str]


def calls(tree: ast.Module, _: str) -> Finding:
    """Calls that no room makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in CALLS:
            yield f"{node.lineno} calls {name}: {CALLS[name]}"
        if isinstance(node, ast.Call) and any(
            k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords
        ):
            yield f"{node.lineno} allows pickle"


def statements(tree: ast.Module, _: str) -> Finding:
    """Statements that no room contains."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield f"{node.lineno} asserts: raise an error from common/errors.py"
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None or ast.unparse(node.type) == "BaseException"
        ):
            yield f"{node.lineno} catches everything, also Ctrl-C"
        if isinstance(node, ast.If | ast.IfExp) and SIMULATED.search(ast.unparse(node.test)):
            yield f"{node.lineno} asks whether it is simulated: simulation and deployment run the same lines"
        if isinstance(node, ast.Global):
            yield f"{node.lineno} changes a global name"


def lengths(tree: ast.Module, text: str) -> Finding:
    """Files and functions that nobody can read in one go."""
    lines = text.count("\n")
    if lines > LONGEST_FILE:
        yield f"1 has {lines} lines; at most {LONGEST_FILE}"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > LONGEST_FUNCTION:
                yield f"{node.lineno} {node.name} has {length} lines; at most {LONGEST_FUNCTION}"


def described(tree: ast.Module, _: str) -> Finding:
    """Modules and public classes and functions without a word about them."""
    if ast.get_docstring(tree) is None:
        yield "1 the module has no docstring"
    yield from _described(tree)


def _described(scope: ast.Module | ast.ClassDef) -> Finding:
    for node in scope.body:
        if isinstance(
            node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                yield f"{node.lineno} {node.name} has no docstring"
            if isinstance(node, ast.ClassDef):
                yield from _described(node)


def left_over(_: ast.Module, text: str) -> Finding:
    """Reminders that were never dealt with."""
    for number, line in enumerate(text.splitlines(), 1):
        if LEFT_OVER.search(line):
            yield f"{number} has a reminder: {line.strip()[:60]}"


def future(tree: ast.Module, _: str) -> Finding:
    """Files with annotations that are evaluated at import."""
    names = [
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
    ]
    if len(tree.body) > 1 and "from __future__ import annotations" not in names:
        yield "1 does not start with: from __future__ import annotations"


RULES: tuple[Callable[[ast.Module, str], Finding], ...] = (
    calls,
    statements,
    lengths,
    described,
    left_over,
    future,
)


def findings(house: Path, rule: Callable[[ast.Module, str], Finding]) -> Finding:
    """``file:line what is wrong`` for every file of the rooms."""
    for room in ROOMS:
        for path in sorted((house / room).rglob("*.py")):
            text = path.read_text("utf-8")
            yield from (
                f"{path.relative_to(house).as_posix()}:{found}"
                for found in rule(ast.parse(text), text)
            )


def texts(house: Path) -> Iterator[tuple[str, str]]:
    """``(file, text)`` of every text file of the house."""
    for path in sorted(house.rglob("*")):
        name = path.relative_to(house)
        if (
            path.is_file()
            and path.suffix in TEXTS
            and not any(part in SKIPPED or part.endswith(".egg-info") for part in name.parts)
        ):
            yield name.as_posix(), path.read_text("utf-8", errors="replace")


def matches(house: Path, pattern: re.Pattern[str]) -> Finding:
    """``file:line text`` wherever the pattern stands, this file aside."""
    for file, text in texts(house):
        if file != Path(__file__).relative_to(HOUSE).as_posix():
            yield from (
                f"{file}:{n} {line.strip()[:100]}"
                for n, line in enumerate(text.splitlines(), 1)
                if pattern.search(line)
            )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_room_keeps_the_rule(rule: Callable[[ast.Module, str], Finding]) -> None:
    assert list(findings(HOUSE, rule)) == []


@pytest.mark.parametrize(
    "pattern", [REGISTRIES, MACHINE_PATHS], ids=["registries", "machine paths"]
)
def test_no_file_names_a_place_that_only_one_machine_has(pattern: re.Pattern[str]) -> None:
    assert list(matches(HOUSE, pattern)) == []


def test_the_rules_look_at_the_whole_house() -> None:
    """The tests above are not green because they looked in the wrong place."""
    files = dict(texts(HOUSE))
    assert {
        "run",
        "pyproject.toml",
        "constraints.txt",
        "common/study/study.py",
        "server/rounds.py",
        "client/app.py",
    } <= set(files)
    assert not any(file.startswith((".venv/", ".git/", "runs/")) for file in files)


PLANTED = [
    (calls, "print('x')", "calls print"),
    (calls, "def f(t):\n    return eval(t)", "calls eval"),
    (calls, "exec('x = 1')", "calls exec"),
    (calls, "import torch\ntorch.load('w')", "calls torch.load"),
    (calls, "import numpy as np\nnp.load('w', allow_pickle=True)", "allows pickle"),
    (statements, "def f(x):\n    assert x", "asserts"),
    (statements, "try:\n    pass\nexcept:\n    pass", "catches everything"),
    (statements, "try:\n    pass\nexcept BaseException:\n    pass", "catches everything"),
    (statements, "if simulated:\n    pass", "asks whether it is simulated"),
    (statements, "x = 1 if node.is_simulation else 2", "asks whether it is simulated"),
    (statements, "def f():\n    global x\n    x = 1", "global"),
    (lengths, "x = 1\n" * 301, "has 301 lines"),
    (lengths, "def f():\n" + "    x = 1\n" * 60, "f has 61 lines"),
    (described, "x = 1", "module has no docstring"),
    (described, '"""M."""\ndef f(): ...', "f has no docstring"),
    (described, '"""M."""\nclass A:\n    """A."""\n    def f(self): ...', "f has no docstring"),
    (left_over, "x = 1  # TO" + "DO: later", "has a reminder"),
    (future, '"""M."""\nimport json', "does not start with"),
]


@pytest.mark.parametrize(("rule", "text", "words"), PLANTED)
def test_a_planted_fault_is_caught(
    tmp_path: Path, rule: Callable[[ast.Module, str], Finding], text: str, words: str
) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "x.py").write_text(text, "utf-8")
    [found] = findings(tmp_path, rule)
    assert found.startswith("server/x.py:")
    assert words in found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_clean_file_passes(tmp_path: Path, rule: Callable[[ast.Module, str], Finding]) -> None:
    (tmp_path / "common").mkdir()
    clean = '"""M."""\n\nfrom __future__ import annotations\n\n\ndef f(x: int) -> int:\n    """F."""\n    return _g(x)\n\n\ndef _g(x): return x\n'
    (tmp_path / "common" / "x.py").write_text(clean, "utf-8")
    assert list(findings(tmp_path, rule)) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRIES, "pip install --index-url x"),
        (REGISTRIES, "see https://pypi.org/x"),
        (MACHINE_PATHS, 'open("/home/ann/x")'),
        (MACHINE_PATHS, "cp /tmp/a b"),
    ],
)
def test_a_planted_place_is_caught(tmp_path: Path, pattern: re.Pattern[str], text: str) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "x.md").write_text(f"line\n{text}\n", "utf-8")
    [found] = matches(tmp_path, pattern)
    assert found.startswith("deploy/x.md:2 ")


def test_a_web_address_is_not_a_machine_path(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text(
        "https://example.org/home/page and runs/tmp/x and ./work/x\n", "utf-8"
    )
    assert list(matches(tmp_path, MACHINE_PATHS)) == []
