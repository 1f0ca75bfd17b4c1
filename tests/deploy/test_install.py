"""The script that installs without a network: its checks, what it asks of pip, what it leaves.

Python and pip are stand-ins.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import patient

HOUSE = Path(__file__).resolve().parent.parent.parent
FAKE = """#!/bin/sh
# A Python that can make an environment that holds itself and a consilium, and notes what pip is
# asked for.
case "$*" in
    *ensurepip*) [ -z "${FAKE_BARE:-}" ] ;;
    --version) echo "Python 3.12.1" ;;
    "-m venv "*)
        mkdir -p "$3/bin" && cp "$0" "$3/bin/python" &&
            printf '#!/bin/sh\\necho "consilium 1.0"\\n' >"$3/bin/consilium" &&
            chmod +x "$3/bin/consilium" ;;
    *) echo "$*" >>"$FAKE_LOG"; [ -z "${FAKE_PIP_FAILS:-}" ] ;;
esac
"""


class Folder:
    """A folder of wheels as ./run wheels makes it, and a stand-in for Python."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.wheels = top / "the wheels"
        self.log = top / "log"
        self.wheels.mkdir()
        shutil.copy(HOUSE / "deploy" / "install.sh", self.wheels)
        for name in ("constraints.txt", "consilium-1.0-any.whl"):
            (self.wheels / name).write_text(name)
        sums = subprocess.run(
            ["sha256sum", *sorted(path.name for path in self.wheels.iterdir())],
            cwd=self.wheels,
            capture_output=True,
            check=True,
        )
        (self.wheels / "SHA256SUMS").write_bytes(sums.stdout)
        (top / "python3").write_text(FAKE)
        (top / "python3").chmod(0o755)

    def __call__(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Install."""
        self.log.write_text("")
        path = {"PATH": f"{self.top}:/usr/bin:/bin", "FAKE_LOG": str(self.log), **environment}
        return subprocess.run(
            ["sh", str(self.wheels / "install.sh"), *words],
            env=path,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=patient(60),
            check=False,
        )


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("extra", "requirement"), [((), "consilium"), (("server",), "consilium[server]")]
)
def test_pip_is_told_to_ask_nobody(
    folder: Folder, tmp_path: Path, extra: tuple[str, ...], requirement: str
) -> None:
    done = folder(str(tmp_path / "made here"), *extra)
    assert (done.returncode, done.stdout) == (0, "Installed: consilium 1.0\n"), done.stderr
    wheels = folder.wheels
    options = (
        f"--quiet --disable-pip-version-check --no-index --find-links {wheels} "
        f"-c {wheels}/constraints.txt {requirement}"
    )
    assert folder.log.read_text() == f"-m pip --isolated install {options}\n"


@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_damaged_folder_is_refused_before_anything_is_made(
    folder: Folder, tmp_path: Path, harm: str
) -> None:
    wheel = folder.wheels / "consilium-1.0-any.whl"
    wheel.write_text("other") if harm == "changed" else wheel.unlink()
    done = folder(str(tmp_path / "made"))
    assert done.returncode == 1
    assert (
        "the files here are not those of SHA256SUMS, or one is missing; copy the folder again."
        in done.stderr
    )
    assert not (tmp_path / "made").exists()


def test_a_failed_installation_leaves_nothing(folder: Folder, tmp_path: Path) -> None:
    done = folder(str(tmp_path / "made"), FAKE_PIP_FAILS="1")
    assert done.returncode == 1
    assert "one Python (Python 3.12.1 here)" in done.stderr
    assert not (tmp_path / "made").exists()


def test_one_sentence_each(folder: Folder, tmp_path: Path) -> None:
    assert "give the folder to install into" in folder().stderr
    assert "exists already; give a new folder" in folder(str(tmp_path)).stderr
    assert (
        "cannot make virtual environments" in folder(str(tmp_path / "made"), FAKE_BARE="1").stderr
    )
