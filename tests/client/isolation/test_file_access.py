"""The lists of what the two processes may open hold what they need and nothing of the other's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from client.isolation import file_access, landlock, sandbox
from client.isolation.file_access import FileAccess
from client.isolation.kernel import SandboxError


def opens(places: Sequence[Path], path: Path) -> bool:
    return any(path.resolve().is_relative_to(place.resolve()) for place in places)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_the_worker_reads_the_data_and_writes_what_it_keeps(home: Path, tmp_path: Path) -> None:
    here = file_access.worker([tmp_path / "data"], home, home / "run" / "worker.sock")
    assert opens(here.read, tmp_path / "data" / "images") and not opens(
        here.write, tmp_path / "data"
    )
    for kept in ("worker/state/moments", "worker/cache/x", "worker/tmp/x"):
        assert opens(here.write, home / kept) and not opens(here.shared, home / kept)
    for kept in ("run/worker.sock", "run/worker.lock", "logs/worker/worker.log"):
        assert opens(here.shared, home / kept) and not opens(here.write, home / kept)
    assert opens(here.read, home / "worker" / "identity.key") and not opens(
        here.write, home / "worker" / "identity.key"
    )
    everything = (*here.read, *here.write, *here.shared)
    for closed in ("gateway/tls.key", "logs/gateway/gateway.log", "logs/x"):
        assert not opens(everything, home / closed)


def test_the_gateway_opens_nothing_of_the_worker(home: Path, tmp_path: Path) -> None:
    here = file_access.gateway(home)
    everything = (*here.read, *here.write, *here.shared, *here.names)
    assert (
        opens(here.read, home / "gateway" / "tls.key")
        and opens(here.read, home / "ca.crt")
        and opens(here.shared, home / "logs" / "gateway" / "gateway.log")
        and not here.write
    )
    for closed in (
        home / "worker" / "identity.key",
        home / "run" / "x",
        home / "logs" / "x",
        home / "logs" / "worker" / "worker.log",
        tmp_path / "data",
        Path.home(),
    ):
        assert not opens(everything, closed)


@pytest.mark.parametrize(
    "here",
    [file_access.worker([], Path("h"), Path("h/run/s")), file_access.gateway(Path("h"))],
    ids=["worker", "gateway"],
)
def test_packages_can_be_imported_and_where_one_stands_does_not_matter(here: FileAccess) -> None:
    house = Path(file_access.__file__).parents[2]
    for module in (
        pytest.__file__,
        os.__file__,
        file_access.__file__,
        str(house / "common" / "errors.py"),
    ):
        assert opens(here.read, Path(module))
    assert not opens((*here.read, *here.write), house / "tests") and house in here.names
    assert not any(
        place.resolve() in (Path("/"), Path.home(), Path.cwd())
        for place in (*here.read, *here.write)
    )


def test_an_environment_s_library_folders_are_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere/cuda/lib::relative")
    read = file_access.gateway(Path("h")).read
    assert Path("/nowhere/cuda/lib") in read and Path("relative") not in read and Path() not in read


def test_a_missing_wall_is_an_error_or_a_line_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise SandboxError("wall.network", "because of x")

    monkeypatch.setattr(sandbox, "no_network", none)
    monkeypatch.setattr(landlock, "version", lambda: 0)
    log: list[str] = []
    here = FileAccess([], [], [], [])
    with pytest.raises(SandboxError, match="a call that it must refuse went through"):
        here.shut(log.append, required=True)
    with pytest.raises(SandboxError, match="offers no Landlock"):
        here.shut(log.append, required=True, network=True)
    assert log == []
    here.shut(log.append, required=False)
    assert log[0] == "a wall is missing: because of x" and log[1].startswith(
        "a wall is missing: This kernel offers no Landlock"
    )
