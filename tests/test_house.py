"""The rules of the house, held by reading every file: what none contains, sizes, names, words."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

HOUSE = Path(__file__).resolve().parent.parent
FOLDERS = ("server", "client", "common")

LONGEST_LINE = 100
LONGEST_FILE = 300
LONGEST_FUNCTION = 50
TYPICAL_FUNCTION = 9
"""Lines that half of all functions do not exceed."""
USUAL_FUNCTION = 26
"""Lines that nine of ten functions do not exceed."""
MOST_FILES = 15
"""Files of one folder besides its ``__init__.py``."""

PLUGINS = (
    "client/readers",
    "client/targets",
    "common/models",
    "common/strategies",
    "common/targets",
    "common/tasks",
    "common/transforms",
)
"""Folders in which a file's name is the name of a plug-in: ``mask`` is a target and its source."""
ALIKE = ("Options",)
"""Classes that several files have by agreement."""
FILLERS = ("found", "known", "told", "wanted")
"""Names that say nothing about what they hold."""

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
SIMULATED = re.compile(r"\b(?:is_|in_)?simulat(?:ed|ion|ing)\b")
LEFT_OVER = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")

Finding = Iterator[str]
FileRule = Callable[[ast.Module, str], Finding]
"""From a file's tree and text to ``line what is wrong``."""
HouseRule = Callable[[Path], Finding]
"""From the house to what is wrong with it as a whole."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


# Rules of one file


def calls(tree: ast.Module, _: str) -> Finding:
    """Calls that no file makes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)) in CALLS:
            yield f"{node.lineno} calls {name}: {CALLS[name]}"
        if isinstance(node, ast.Call) and any(
            k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords
        ):
            yield f"{node.lineno} allows pickle"


def statements(tree: ast.Module, _: str) -> Finding:
    """Statements that no file contains."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield f"{node.lineno} asserts: raise an error from common/errors.py"
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None or ast.unparse(node.type) == "BaseException"
        ):
            yield f"{node.lineno} catches everything, also Ctrl-C"
        if isinstance(node, ast.If | ast.IfExp) and SIMULATED.search(ast.unparse(node.test)):
            yield (
                f"{node.lineno} asks whether it is simulated: "
                "simulation and deployment run the same lines"
            )
        if isinstance(node, ast.Global):
            yield f"{node.lineno} changes a global name"


def lengths(tree: ast.Module, text: str) -> Finding:
    """Files and functions that nobody can read in one go."""
    count = text.count("\n")
    if count > LONGEST_FILE:
        yield f"1 has {count} lines; at most {LONGEST_FILE}"
    for node in ast.walk(tree):
        if isinstance(node, Function) and length(node) > LONGEST_FUNCTION:
            yield f"{node.lineno} {node.name} has {length(node)} lines; at most {LONGEST_FUNCTION}"


def columns(_: ast.Module, text: str) -> Finding:
    """Lines that do not fit beside another file; an address cannot be broken."""
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > LONGEST_LINE and "://" not in line:
            yield f"{number} has {len(line)} columns; at most {LONGEST_LINE}"


def fillers(tree: ast.Module, _: str) -> Finding:
    """Variables, arguments, attributes and functions that are named by no noun of the field."""
    for node in ast.walk(tree):
        names = [getattr(node, field, None) for field in ("id", "arg", "attr", "name", "asname")]
        for name in names:
            if name in FILLERS:
                yield f"{getattr(node, 'lineno', 1)} names something {name}: say what it is"


def packed(tree: ast.Module, _: str) -> Finding:
    """Values put on one line that have nothing to do with each other; a swap needs its tuple."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Tuple)
            and isinstance(node.value, ast.Tuple)
            and not _expressions(node.targets[0]) & _expressions(node.value)
        ):
            yield f"{node.lineno} assigns unrelated values at once: give each a line"


def _expressions(tree: ast.AST) -> set[str]:
    kinds = ast.Name | ast.Attribute | ast.Subscript
    return {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, kinds)}


def described(tree: ast.Module, _: str) -> Finding:
    """Modules and public classes and functions without a word about them."""
    if ast.get_docstring(tree) is None:
        yield "1 the module has no docstring"
    yield from _described(tree)


def _described(scope: ast.Module | ast.ClassDef) -> Finding:
    for node in scope.body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
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


RULES: tuple[FileRule, ...] = (
    calls,
    statements,
    lengths,
    columns,
    fillers,
    packed,
    described,
    left_over,
    future,
)


# Rules of the house as a whole


def usual_lengths(house: Path) -> Finding:
    """Functions are short as a rule, and not only below a limit."""
    lines = sorted(
        length(node)
        for path in sources(house)
        for node in ast.walk(parsed(path))
        if isinstance(node, Function)
    )
    if lines and median(lines) > TYPICAL_FUNCTION:
        yield f"half of all functions exceed {median(lines):g} lines; at most {TYPICAL_FUNCTION}"
    if lines and (ninth := lines[len(lines) * 9 // 10]) > USUAL_FUNCTION:
        yield f"a tenth of all functions has {ninth} lines or more; at most {USUAL_FUNCTION}"


def as_many_tests(house: Path) -> Finding:
    """There are as many lines of tests as of code."""
    code = sum(path.read_text("utf-8").count("\n") for path in sources(house))
    tests = sum(path.read_text("utf-8").count("\n") for path in (house / "tests").rglob("*.py"))
    if tests < code:
        yield f"{tests} lines of tests for {code} lines of code"


def one_file_name(house: Path) -> Finding:
    """A file is found by its name alone, unless the name is a plug-in's."""
    places = defaultdict(list)
    for path in sources(house):
        if path.name not in ("__init__.py", "app.py"):
            places[path.name].append(path)
    yield from _repeated(house, places)


def one_class_name(house: Path) -> Finding:
    """A public class is found by its name alone, unless plug-ins agree on it."""
    places = defaultdict(list)
    for path in sources(house):
        for node in parsed(path).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path)
    yield from _repeated(house, {n: paths for n, paths in places.items() if n not in ALIKE})


def _repeated(house: Path, places: dict[str, list[Path]]) -> Finding:
    for name, paths in sorted(places.items()):
        files = [path.relative_to(house) for path in paths]
        if len(files) > 1 and not all(is_plugin(file) for file in files):
            yield f"{name} is in {', '.join(file.as_posix() for file in files)}"


def few_files(house: Path) -> Finding:
    """A folder can be taken in at a glance, unless it is a list of plug-ins."""
    counts: dict[str, int] = defaultdict(int)
    for path in sources(house):
        counts[path.parent.relative_to(house).as_posix()] += path.name != "__init__.py"
    for folder, count in sorted(counts.items()):
        if count > MOST_FILES and folder not in PLUGINS:
            yield f"{folder} has {count} files; at most {MOST_FILES}"


HOUSE_RULES: tuple[HouseRule, ...] = (
    usual_lengths,
    as_many_tests,
    one_file_name,
    one_class_name,
    few_files,
)


def length(function: Function) -> int:
    """Lines of a function from ``def`` to its end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def is_plugin(file: Path) -> bool:
    """Whether a file, as seen from the house, is a plug-in and no helper of one."""
    return file.parent.as_posix() in PLUGINS and not file.name.startswith("_")


def sources(house: Path, folders: tuple[str, ...] = FOLDERS) -> list[Path]:
    """Every Python file of the folders."""
    return [path for folder in folders for path in sorted((house / folder).rglob("*.py"))]


@cache
def parsed(path: Path) -> ast.Module:
    """A file's tree; every rule reads every file, so each is parsed once."""
    return ast.parse(path.read_text("utf-8"))


def findings(house: Path, rule: FileRule, folders: tuple[str, ...] = FOLDERS) -> Finding:
    """``file:line what is wrong`` for every file of the folders."""
    for path in sources(house, folders):
        file = path.relative_to(house).as_posix()
        yield from (f"{file}:{fault}" for fault in rule(parsed(path), path.read_text("utf-8")))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: FileRule) -> None:
    assert list(findings(HOUSE, rule)) == []


@pytest.mark.parametrize("rule", HOUSE_RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: HouseRule) -> None:
    assert list(rule(HOUSE)) == []


def test_tests_keep_to_the_columns_too() -> None:
    assert list(findings(HOUSE, columns, ("tests", "deploy"))) == []


def test_tests_name_what_they_hold_too() -> None:
    assert list(findings(HOUSE, fillers, ("tests",))) == []


def test_the_rules_look_at_the_whole_house() -> None:
    """The tests above are not green because they looked in the wrong place."""
    files = {path.relative_to(HOUSE).as_posix() for path in sources(HOUSE)}
    assert {"common/study/study.py", "server/rounds.py", "client/app.py"} <= files
    assert len(files) > 200
    assert all(any(is_plugin(Path(file)) for file in files if file.startswith(p)) for p in PLUGINS)


PLANTED: list[tuple[FileRule, str, str]] = [
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
    (lengths, "def f():\n" + "    x = 1\n" * 50, "f has 51 lines"),
    (columns, f"x = '{'a' * 96}'", "has 102 columns"),
    (columns, f'"""{"a" * 98}\n"""', "has 101 columns"),
    (fillers, "found = 1", "names something found"),
    (fillers, "def f(known): ...", "names something known"),
    (fillers, "def f(*, told): ...", "names something told"),
    (fillers, "f(wanted=1)", "names something wanted"),
    (fillers, "class A:\n    told: int", "names something told"),
    (fillers, "self.known = 1", "names something known"),
    (fillers, "def found(): ...", "names something found"),
    (fillers, "import json as found", "names something found"),
    (packed, "a, b = 1, 2", "assigns unrelated values"),
    (packed, "def f(self, x):\n    self.a, b = x.a, [c for c in x]", "assigns unrelated values"),
    (described, "x = 1", "module has no docstring"),
    (described, '"""M."""\ndef f(): ...', "f has no docstring"),
    (described, '"""M."""\nclass A:\n    """A."""\n    def f(self): ...', "f has no docstring"),
    (left_over, "x = 1  # TO" + "DO: later", "has a reminder"),
    (future, '"""M."""\nimport json', "does not start with"),
]


@pytest.mark.parametrize(("rule", "text", "words"), PLANTED)
def test_a_planted_fault_is_caught(tmp_path: Path, rule: FileRule, text: str, words: str) -> None:
    plant(tmp_path, "server/x.py", text)
    [fault] = findings(tmp_path, rule)
    assert fault.startswith("server/x.py:")
    assert words in fault


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_clean_file_passes(tmp_path: Path, rule: FileRule) -> None:
    plant(
        tmp_path,
        "common/x.py",
        '"""M."""\n\nfrom __future__ import annotations\n\n\n'
        'def f(x: int) -> int:\n    """F; what is known, and found."""\n    return _g(x)\n\n\n'
        "def _g(x): return x\n",
    )
    assert list(findings(tmp_path, rule)) == []


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (columns, f"# https://example.org/{'a' * 100}"),
        (columns, f"x = '{'a' * 94}'"),
        (packed, "a, b = b, a"),
        (packed, "self.a, b = b, self.a"),
        (packed, "low, high = high, low + high"),
        (packed, "a, b = pair"),
        (packed, "a, b = divmod(7, 2)"),
        (fillers, "well_known = unfounded = 1"),
        (lengths, "x = 1\n" * 300),
        (lengths, "def f():\n" + "    x = 1\n" * 49),
    ],
)
def test_the_edge_of_a_rule_is_allowed(tmp_path: Path, rule: FileRule, text: str) -> None:
    plant(tmp_path, "client/x.py", text)
    assert list(findings(tmp_path, rule)) == []


def function(name: str, lines: int) -> str:
    """A function of so many lines."""
    return f"def {name}():\n" + "    x = 1\n" * (lines - 1)


PLANTED_HOUSES: list[tuple[HouseRule, dict[str, str], str]] = [
    (usual_lengths, {"server/x.py": function("f", 10)}, "half of all functions exceed 10 lines"),
    (
        usual_lengths,
        {"server/x.py": "".join(function(f"f{n}", 27 if n == 0 else 2) for n in range(10))},
        "a tenth of all functions has 27 lines",
    ),
    (as_many_tests, {"client/x.py": "x = 1\n" * 3, "tests/test_x.py": "x = 1"}, "1 lines of tests"),
    (one_file_name, {"client/x.py": "", "server/x.py": ""}, "x.py is in server/x.py, client/x.py"),
    (one_file_name, {"common/targets/x.py": "", "client/dataset/x.py": ""}, "x.py is in"),
    (
        one_class_name,
        {"client/x.py": "class A: ...", "common/y.py": "class A: ..."},
        "A is in client/x.py, common/y.py",
    ),
    (few_files, {f"client/view/x{n}.py": "" for n in range(16)}, "client/view has 16 files"),
]


@pytest.mark.parametrize(("rule", "files", "words"), PLANTED_HOUSES)
def test_a_planted_house_is_caught(
    tmp_path: Path, rule: HouseRule, files: dict[str, str], words: str
) -> None:
    for file, text in files.items():
        plant(tmp_path, file, text)
    [fault] = rule(tmp_path)
    assert words in fault


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        (usual_lengths, {"server/x.py": function("f", 9)}),
        (as_many_tests, {"client/x.py": "x = 1", "tests/test_x.py": "x = 1"}),
        (one_file_name, {"client/app.py": "", "server/app.py": ""}),
        (one_file_name, {"client/__init__.py": "", "server/__init__.py": ""}),
        (one_file_name, {"common/targets/x.py": "", "client/targets/x.py": ""}),
        (one_class_name, {"client/x.py": "class _A: ...", "common/y.py": "class _A: ..."}),
        (
            one_class_name,
            {"client/x.py": "class Options: ...", "common/y.py": "class Options: ..."},
        ),
        (one_class_name, {f"common/models/{n}.py": "class Network: ..." for n in "ab"}),
        (few_files, {f"client/view/x{n}.py": "" for n in range(15)}),
        (few_files, {f"common/transforms/x{n}.py": "" for n in range(16)}),
    ],
)
def test_a_clean_house_passes(tmp_path: Path, rule: HouseRule, files: dict[str, str]) -> None:
    for file, text in files.items():
        plant(tmp_path, file, text)
    assert list(rule(tmp_path)) == []


def plant(house: Path, file: str, text: str) -> None:
    """Write a file that ends with a line break, as every file does."""
    (house / file).parent.mkdir(parents=True, exist_ok=True)
    (house / file).write_text(text.removesuffix("\n") + "\n", "utf-8")
