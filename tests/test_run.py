"""The script ``./run``: when it makes, reuses and rebuilds .venv, and what it says if it cannot.

Python and pip are stand-ins.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import patient

HOUSE = Path(__file__).resolve().parent.parent

FAKE = """#!/bin/sh
# A Python that has a version, can make an environment that holds itself, and notes what it is
# asked to do.
case "$*" in
    *version_info*) echo "$FAKE_VERSION" ;;
    *ensurepip*) [ -z "${FAKE_BARE:-}" ] ;;
    "-c import pip") [ -e "$(dirname "$0")/pip" ] ;;
    "-m venv "*)
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && : >"$3/bin/pip"
        echo "venv" >>"$FAKE_LOG" ;;
    "-m pip install "*)
        echo "pip $*" >>"$FAKE_LOG"
        echo "Downloading torch (900.0 MB)"
        echo "chatter"
        [ -z "${FAKE_PIP_FAILS:-}" ] || { echo "ERROR: no route to nowhere"; exit 1; } ;;
    "-m pip wheel "*)
        echo "pip $*" >>"$FAKE_LOG"
        [ -z "${FAKE_PIP_FAILS:-}" ] || { echo "ERROR: no route to nowhere"; exit 1; }
        while [ "$1" != -w ]; do shift; done
        echo wheel >"$2/torch-2.0-any.whl"
        echo wheel >"$2/consilium-1.0-any.whl" ;;
    *) echo "$(basename "$0") $*" >>"$FAKE_LOG"; exit "${FAKE_EXIT:-0}" ;;
esac
"""


class Checkout:
    """A copy of the script in a folder of its own, with a stand-in for Python on its PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a checkout"
        self.log = folder / "log"
        self.environment = {
            "FAKE_LOG": str(self.log),
            "FAKE_VERSION": "3.12",
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
        }
        self.folder.mkdir()
        shutil.copy(HOUSE / "run", self.folder / "run")
        for name in ("pyproject.toml", "constraints.txt"):
            (self.folder / name).write_text("1\n")
        (folder / "bin").mkdir()
        for name in ("python3", "python3.13", "python3.12", "python3.11"):
            (folder / "bin" / name).write_text(FAKE)
            (folder / "bin" / name).chmod(0o755)

    def __call__(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run it from another folder; ``changes`` go into its environment."""
        self.log.write_text("")
        program = [str(self.folder / "run"), *words]
        environment = {**self.environment, **changes}
        return subprocess.run(
            program,
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            timeout=patient(60),
            check=False,
        )

    @property
    def asked(self) -> list[str]:
        """What the stand-ins were asked to do."""
        return [line.replace(str(self.folder), ".") for line in self.log.read_text().splitlines()]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


PIP = "pip -m pip install --progress-bar off -c constraints.txt -e .[test]"


def test_the_first_time_it_installs_and_then_no_more(checkout: Checkout) -> None:
    first = checkout("test", "tests/common", "-k", "two words")
    assert first.returncode == 0
    assert checkout.asked == ["venv", PIP, "python -m pytest tests/common -k two words"]
    assert "Downloading torch" in first.stderr
    assert "chatter" not in first.stderr
    assert first.stdout == ""
    second = checkout("test", "x")
    assert checkout.asked == ["python -m pytest x"]
    assert second.stderr == ""


def test_test_without_arguments_runs_all_and_fails_if_one_does(checkout: Checkout) -> None:
    assert checkout("test").returncode == 0
    assert [line.split()[2] for line in checkout.asked[2:]] == ["ruff", "mypy", "pytest"]
    assert checkout("test", FAKE_EXIT="1").returncode == 1
    assert [line.split()[2] for line in checkout.asked] == ["ruff", "mypy", "pytest"]


@pytest.mark.parametrize(
    ("words", "last"),
    [
        ("bench", "python -m tests.benchmarks"),
        ("bench rounds", "python -m tests.benchmarks rounds"),
        ("redteam", "python -m tests.redteam"),
        ("redteam low", "python -m tests.redteam low"),
        ("soak", "python -m pytest -m soak --timeout 0"),
    ],
)
def test_other_commands(checkout: Checkout, words: str, last: str) -> None:
    assert checkout(*words.split(), FAKE_EXIT="3").returncode == 3
    assert checkout.asked[-1] == last


def test_lint_fails_if_one_of_the_two_does(checkout: Checkout) -> None:
    assert checkout("lint").returncode == 0
    assert checkout("lint", FAKE_EXIT="1").returncode == 1
    assert checkout.asked == ["python -m ruff check .", "python -m mypy"]


def test_the_demo_needs_no_test_tools_and_a_test_install_serves_it_too(checkout: Checkout) -> None:
    checkout("demo")
    assert checkout.asked[1] == PIP.removesuffix("[test]")
    checkout("test", "x")
    assert checkout.asked[0] == PIP
    (checkout.folder / ".venv" / "stamp-demo").unlink()
    checkout("demo")
    assert not [line for line in checkout.asked if line.startswith("pip")]


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_is_installed(checkout: Checkout, name: str) -> None:
    checkout("test", "x")
    (checkout.folder / name).write_text("2\n")
    checkout("test", "x")
    assert checkout.asked == [PIP, "python -m pytest x"]


def test_a_failed_install_says_why_and_is_tried_again(checkout: Checkout) -> None:
    failed = checkout("test", "x", FAKE_PIP_FAILS="1")
    assert failed.returncode == 1
    assert "no route to nowhere" in failed.stderr
    assert "pip failed, see above" in failed.stderr
    assert checkout.asked == ["venv", PIP]
    assert checkout("test", "x").returncode == 0
    assert checkout.asked == [PIP, "python -m pytest x"]


def test_a_half_made_environment_is_made_again(checkout: Checkout) -> None:
    checkout("test", "x")
    (checkout.folder / ".venv" / "bin" / "pip").unlink()
    assert "Rebuilding" in checkout("test", "x").stderr
    assert checkout.asked == ["venv", PIP, "python -m pytest x"]


def test_another_python_or_another_place_means_another_environment(checkout: Checkout) -> None:
    checkout("test", "x")
    checkout("test", "x", FAKE_VERSION="3.13")
    assert checkout.asked[0] == "venv"
    moved = checkout.folder.with_name("moved")
    checkout.folder.rename(moved)
    checkout.folder = moved
    checkout("test", "x", FAKE_VERSION="3.13")
    assert checkout.asked[0] == "venv"


def test_an_environment_of_somebody_else_is_used_but_never_removed(checkout: Checkout) -> None:
    theirs = checkout.folder / ".venv" / "bin"
    theirs.mkdir(parents=True)
    (theirs / "precious").write_text("x")
    refused = checkout("test", "x")
    assert refused.returncode == 1
    assert "is not of this script's making" in refused.stderr
    assert checkout("clean").returncode == 1
    assert (theirs / "precious").exists()
    (theirs / "python").write_text(FAKE)
    (theirs / "python").chmod(0o755)
    (theirs / "pip").write_text("")
    assert checkout("test", "x").returncode == 0
    assert checkout.asked == [PIP, "python -m pytest x"]
    assert (theirs / "precious").exists()


def test_a_python_without_venv_is_one_sentence(checkout: Checkout) -> None:
    finished = checkout("demo", FAKE_BARE="1")
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "apt-get install python3-venv" in finished.stderr
    assert not (checkout.folder / ".venv").exists()


@pytest.mark.parametrize("version", ["3.10", "2.7", "3.15"])
def test_a_python_that_does_not_fit_is_one_sentence(checkout: Checkout, version: str) -> None:
    finished = checkout("demo", FAKE_VERSION=version)
    assert finished.returncode == 1
    assert finished.stderr.count("\n") == 1
    assert "Python 3.11 to 3.14 is needed" in finished.stderr
    assert f"python3 is {version};" in finished.stderr


def test_no_python_at_all_is_one_sentence(checkout: Checkout, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "cat", "cksum", "sh"):
        (tools / name).symlink_to(shutil.which(name, path="/usr/bin:/bin") or "")
    finished = checkout("demo", PATH=str(tools))
    assert finished.returncode == 1
    assert "Python 3.11 to 3.14 is needed; none was found;" in finished.stderr


def test_help_and_unknown_commands(checkout: Checkout) -> None:
    assert checkout().stdout.startswith("usage: ./run COMMAND")
    assert checkout("help").returncode == 0
    unknown = checkout("tset")
    assert unknown.returncode == 2
    assert unknown.stdout == ""
    assert "'tset' is not a command" in unknown.stderr
    assert checkout.asked == []


def test_clean_leaves_the_runs(checkout: Checkout) -> None:
    checkout("test", "x")
    (checkout.folder / "runs").mkdir()
    (checkout.folder / "common" / "__pycache__").mkdir(parents=True)
    assert checkout("clean").returncode == 0
    assert sorted(path.name for path in checkout.folder.iterdir()) == [
        "common",
        "constraints.txt",
        "pyproject.toml",
        "run",
        "runs",
    ]
    assert not (checkout.folder / "common" / "__pycache__").exists()


@pytest.fixture
def shipping(checkout: Checkout) -> Checkout:
    """A checkout with the script that goes along with wheels."""
    (checkout.folder / "deploy").mkdir()
    shutil.copy(HOUSE / "deploy" / "install.sh", checkout.folder / "deploy" / "install.sh")
    return checkout


def test_wheels_are_collected_with_their_checksums(shipping: Checkout, tmp_path: Path) -> None:
    out = tmp_path / "a folder"
    for _ in range(2):  # a second time into the same folder
        finished = shipping("wheels", str(out))
        assert finished.returncode == 0, finished.stderr
        assert [line.replace(str(out), "OUT") for line in shipping.asked][-1:] == [
            "pip -m pip wheel --progress-bar off -c constraints.txt -w OUT .[server,test]"
        ]
        names = [
            "SHA256SUMS",
            "consilium-1.0-any.whl",
            "constraints.txt",
            "install.sh",
            "torch-2.0-any.whl",
        ]
        assert sorted(path.name for path in out.iterdir()) == names
        assert (
            subprocess.run(
                ["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=out, check=False
            ).returncode
            == 0
        )
        assert hashlib.sha256((out / "SHA256SUMS").read_bytes()).hexdigest() in finished.stderr
        (out / "old-1.0-any.whl").write_text("of an earlier version")


def test_wheels_without_a_folder_lie_in_the_checkout(shipping: Checkout) -> None:
    assert shipping("wheels").returncode == 0
    assert (shipping.folder / "wheels" / "SHA256SUMS").exists()


def test_wheels_do_not_go_among_other_files(shipping: Checkout, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".thesis").write_text("x")
    refused = shipping("wheels", str(tmp_path / "out"))
    assert refused.returncode == 1
    assert "holds .thesis, which is not from here; give a new folder" in refused.stderr
    assert shipping.asked == []


def test_wheels_that_cannot_be_had(shipping: Checkout, tmp_path: Path) -> None:
    failed = shipping("wheels", str(tmp_path / "out"), FAKE_PIP_FAILS="1")
    assert failed.returncode == 1
    assert "no route to nowhere" in failed.stderr
    assert "pip failed, see above" in failed.stderr
    assert not (tmp_path / "out" / "SHA256SUMS").exists()
    assert shipping("wheels", str(tmp_path / "out")).returncode == 0


def test_the_scripts_can_be_run() -> None:
    for name in ("run", ".ci/run", "deploy/install.sh"):
        assert os.access(HOUSE / name, os.X_OK)
        assert (HOUSE / name).read_text().startswith("#!/bin/sh\n")
