"""The coordinator's folder: only one that provision made, and always the same one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import InputError
from common.study import toml
from server.commands.provision import provision
from server.host.server_home import ServerHome

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> ServerHome:
    table = {"name": "chest-4", "address": "localhost", "sites": ["north"]}
    (tmp_path / "c.toml").write_text(toml.dumps(table))
    provision(tmp_path / "c.toml", tmp_path / "home", NOW)
    return ServerHome.open(tmp_path / "home")


def test_a_folder_that_provision_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "consortium.toml").touch()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(
            InputError, match=r"is not a coordinator's folder; make one with: consilium provision"
        ):
            ServerHome.open(folder)


def test_a_home_given_relatively_stays_where_it_is(
    home: ServerHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(home.path.parent)
    opened = ServerHome.open(Path(home.path.name))
    monkeypatch.chdir(tmp_path)
    assert opened.authority == home.authority and opened.settings.name == "chest-4"
    assert opened.superlink == f"127.0.0.1:{home.settings.link_port}"


def test_a_hospital_s_folder_is_told_from_it(tmp_path: Path) -> None:
    (tmp_path / "site.toml").touch()
    with pytest.raises(InputError, match=r"is a hospital's folder; .* of: consilium site\.$"):
        ServerHome.open(tmp_path)
