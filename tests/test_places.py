"""No text file names a place that only one machine has, or a registry of packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
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
REGISTRIES = re.compile(
    r"\b(?:pypi\.org|pythonhosted\.org|download\.pytorch\.org|anaconda\.org)"
    r"|--(?:extra-)?index-url",
    re.IGNORECASE,
)
MACHINE_PATHS = re.compile(r"(?<![\w.:/-])/(?:work|home|root|Users|tmp|mnt|media|scratch)/\w")


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


def matches(house: Path, pattern: re.Pattern[str]) -> Iterator[str]:
    """``file:line text`` wherever the pattern stands, this file aside."""
    for file, text in texts(house):
        if file != Path(__file__).relative_to(HOUSE).as_posix():
            yield from (
                f"{file}:{n} {line.strip()[:100]}"
                for n, line in enumerate(text.splitlines(), 1)
                if pattern.search(line)
            )


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
    [match] = matches(tmp_path, pattern)
    assert match.startswith("deploy/x.md:2 ")


def test_a_web_address_is_not_a_machine_path(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text(
        "https://example.org/home/page and runs/tmp/x and ./work/x\n", "utf-8"
    )
    assert list(matches(tmp_path, MACHINE_PATHS)) == []
