"""The signing of the roster, by its own command.

What is shown, what is asked, what lies where afterwards.
"""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from common.cli import main
from common.errors import ConsiliumError, InputError
from common.storage import files
from common.study import toml
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.certificates import Credential
from common.trust.roster import Roster
from server.commands import roster_signing as work
from server.commands.provision import provision
from server.host import site_registry as registry
from server.host.server_home import ServerHome
from server.host.site_registry import Enrolment, Registry

NOW = datetime.now(UTC)


class Coordinator:
    """A coordinator's folder whose roster key lies on a medium of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "c.toml").write_text(
            toml.dumps(
                {"name": "chest-4", "address": "localhost", "sites": ["north", "valley", "harbour"]}
            )
        )
        provision(folder / "c.toml", folder / "home", NOW)
        self.home, self.stick = ServerHome(folder / "home"), folder / "stick"
        (self.home.path / "offline").rename(self.stick)
        self.key = self.stick / "roster.key"

    def enrol(self, *names: str) -> None:
        ca = Credential(
            (self.home.path / "ca.crt").read_bytes(), (self.home.path / "ca.key").read_bytes()
        )
        for name in names:
            request = certificates.request(name, certificates.private_key("identity"))
            identity = certificates.grant(ca, request, name, "identity", NOW, 365).decode()
            self.put(name, Enrolment(NOW.isoformat(), "01", "", "", "", "", identity))

    def put(self, name: str, enrolled: Enrolment | None) -> None:
        registered = Registry(self.home.path).load()
        changed = {**registered, name: replace(registered[name], enrolled=enrolled)}
        files.replace(self.home.path / "sites.json", registry.dumps(changed))

    def run(self, *words: str) -> int:
        return main.main(["server", "roster", "--home", str(self.home.path), *words])

    def sign(self, *words: str) -> int:
        return self.run("--key", str(self.key), "--yes", *words)

    def read(self) -> Roster:
        change = work.present(self.home, NOW)
        assert change is not None
        return change


@pytest.fixture
def co(tmp_path: Path) -> Coordinator:
    return Coordinator(tmp_path)


class Terminal(io.StringIO):
    """A person at a keyboard."""

    def isatty(self) -> bool:
        return True


def test_a_roster_is_signed_and_hospitals_can_verify_it(
    co: Coordinator, capsys: pytest.CaptureFixture[str]
) -> None:
    co.enrol("north", "valley")
    assert co.sign() == 0
    out, err = capsys.readouterr()
    assert out.startswith("Roster version 1 is signed, with 2 hospitals; take the medium")
    kit = co.home.path / "kits" / "harbour"
    signed = rosters.loads((co.home.path / "roster.json").read_bytes())
    roster = rosters.verify(
        signed, (kit / "roster.crt").read_bytes(), (kit / "ca.crt").read_bytes(), "chest-4", NOW, 1
    )
    enrolled = {
        n: s.enrolled.identity_certificate
        for n, s in Registry(co.home.path).load().items()
        if s.enrolled is not None
    }
    assert dict(roster.sites) == enrolled
    for name, text in enrolled.items():
        [line] = [line for line in err.splitlines() if name in line]
        assert line.split() == [name, *rosters.fingerprint(text.encode()).split(), "new"]
    assert (co.home.path / "roster.json").stat().st_mode & 0o777 == 0o600
    assert (co.stick / "roster.json").read_bytes() == (co.home.path / "roster.json").read_bytes()


def test_only_yes_signs(
    co: Coordinator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    co.enrol("north")
    for answer in ("", "y\n", "no\n"):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert co.run("--key", str(co.key)) == 2
        assert "not signed: the answer was not yes" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert co.run("--key", str(co.key)) == 2
    assert "Nobody is at a terminal" in capsys.readouterr().err
    assert not (co.home.path / "roster.json").exists() and not (co.stick / "roster.json").exists()
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n"))
    assert co.run("--key", str(co.key), "--json") == 0
    out, err = capsys.readouterr()
    assert "Type yes if all of them agree" in err and json.loads(out)["signed"] is True
    assert list(co.read().sites) == ["north"]


def test_what_was_shown_is_what_is_signed(co: Coordinator) -> None:
    """A hospital that enrols while fingerprints are compared waits for the next roster."""
    co.enrol("north")
    change = work.look(co.home, NOW, co.key)
    co.enrol("valley")
    assert list(work.sign(co.home, change, co.key, NOW).sites) == ["north"]
    assert work.look(co.home, NOW).new == ["valley"]


def test_joined_renewed_ended_and_left_out(
    co: Coordinator, capsys: pytest.CaptureFixture[str]
) -> None:
    co.enrol("north", "valley")
    co.sign()
    capsys.readouterr()
    co.enrol("north", "harbour")
    co.put("valley", None)
    assert co.run("--json") == 0
    overview = json.loads(capsys.readouterr().out)
    assert (overview["version"], set(overview["sites"]), overview["signed"]) == (
        1,
        {"north", "valley"},
        False,
    )
    assert (overview["new"], overview["renewed"], overview["removed"]) == (
        ["harbour"],
        ["north"],
        ["valley"],
    )
    assert co.run() == 0
    shown = capsys.readouterr().out
    for words in (
        "version 1, signed ",
        "harbour is enrolled and not on it",
        "north has enrolled again with another key",
        "valley is on it and not enrolled any more",
        f"To sign a new one: consilium server roster --home {co.home.path} --key KEY",
    ):
        assert words in shown
    assert co.sign() == 0
    marks = {
        line.split()[0]: line.rpartition("  ")[2]
        for line in capsys.readouterr().err.splitlines()[1:]
    }
    assert marks == {"harbour": "new", "north": "new key", "valley": "removed"}
    assert (co.read().version, list(co.read().sites)) == (2, ["harbour", "north"])
    assert co.sign("--without", "north") == 0
    assert (co.read().version, list(co.read().sites)) == (3, ["harbour"])


def test_without_news_nothing_is_signed(
    co: Coordinator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert co.run() == 0
    assert capsys.readouterr().out == "No roster is signed yet.\n"
    assert co.run("--key", str(co.key)) == 0
    assert "there is nothing to sign" in capsys.readouterr().out
    co.enrol("north")
    co.sign()
    before = (co.home.path / "roster.json").read_bytes()
    capsys.readouterr()
    assert co.run("--key", str(co.key)) == 0
    assert "Nothing has changed since version 1 was signed" in capsys.readouterr().out
    assert co.run("--key", str(co.key), "--json") == 0
    assert json.loads(capsys.readouterr().out)["signed"] is False
    assert (co.home.path / "roster.json").read_bytes() == before


def test_an_older_roster_on_the_server_deceives_nobody(
    co: Coordinator, capsys: pytest.CaptureFixture[str]
) -> None:
    """Version 1 with a hospital that version 2 shut out is put back.

    The next one is version 3 and the hospital counts as new.
    """
    co.enrol("north", "valley")
    co.sign()
    old = (co.home.path / "roster.json").read_bytes()
    co.sign("--without", "valley")
    (co.home.path / "roster.json").write_bytes(old)
    capsys.readouterr()
    assert co.sign() == 0
    [line] = [line for line in capsys.readouterr().err.splitlines() if "valley" in line]
    assert line.endswith("  new") and co.read().version == 3
    (co.home.path / "roster.json").write_bytes(old)
    assert co.run("--key", str(co.key)) == 0
    assert "the server's older copy is replaced" in capsys.readouterr().out
    assert co.read().version == 3


def test_a_lost_roster_does_not_begin_at_one_again(co: Coordinator) -> None:
    co.enrol("north")
    co.sign()
    (co.home.path / "roster.json").unlink()
    co.enrol("valley")
    assert co.sign() == 0
    assert co.read().version == 2


def refusal(co: Coordinator, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    code = co.run(*words)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    return err.strip().splitlines()[-1]


def test_keys_that_do_not_sign(
    co: Coordinator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    co.enrol("north")
    (tmp_path / "other.key").write_bytes(certificates.private_key("identity"))
    (tmp_path / "bad.key").write_bytes(b"nonsense")
    (tmp_path / "large.key").write_bytes(b"x" * 70_000)
    for name, words in (
        ("other.key", "is not this consortium's roster key; give the roster.key"),
        ("bad.key", "A private key is damaged"),
        ("large.key", "too large for a key"),
        ("none.key", "cannot be read (No such file or directory); plug in the medium"),
    ):
        assert words in refusal(co, capsys, "--key", str(tmp_path / name), "--yes")
    assert "is not this consortium's roster key" in refusal(
        co, capsys, "--key", str(co.home.path / "coordinator.key"), "--yes"
    )
    assert not (co.home.path / "roster.json").exists()


def test_names_that_cannot_be_left_out(co: Coordinator, capsys: pytest.CaptureFixture[str]) -> None:
    co.enrol("north")
    key = ("--key", str(co.key), "--yes")
    assert '"nort", which is not enrolled (did you mean "north"?)' in refusal(
        co, capsys, *key, "--without", "nort"
    )
    assert "give the roster key too" in refusal(co, capsys, "--without", "north")
    co.sign()
    capsys.readouterr()
    assert "A roster needs one hospital at least" in refusal(co, capsys, *key, "--without", "north")
    assert co.read().version == 1


def test_files_that_were_tampered_with(co: Coordinator, capsys: pytest.CaptureFixture[str]) -> None:
    co.enrol("north")
    co.sign()
    capsys.readouterr()
    path = co.home.path / "roster.json"
    signed: dict[str, Any] = json.loads(path.read_bytes())
    for content, words in (
        (b"{", "cannot be used"),
        (
            rosters.dumps({**signed, "roster": {**signed["roster"], "version": 9}}),
            "is not signed by the consortium's roster key",
        ),
    ):
        path.write_bytes(content)
        for more in ((), ("--key", str(co.key), "--yes")):
            sentence = refusal(co, capsys, *more)
            assert words in sentence and "backup" in sentence
    path.unlink()
    (co.home.path / "roster.crt").unlink()
    assert "roster.crt cannot be read" in refusal(co, capsys, "--key", str(co.key))


def test_an_identity_that_is_not_the_consortium_s_is_not_signed(co: Coordinator) -> None:
    """A registry that somebody has written into."""
    foreign = certificates.authority("chest-4", NOW, 10)
    request = certificates.request("north", certificates.private_key("identity"))
    co.enrol("valley")
    forged = certificates.grant(foreign, request, "north", "identity", NOW, 5).decode()
    co.put("north", Enrolment(NOW.isoformat(), "01", "", "", "", "", forged))
    with pytest.raises(
        InputError,
        match=r'^No roster was signed\. .*"north" is refused: .* not issued by this consortium',
    ):
        work.sign(co.home, work.look(co.home, NOW, co.key), co.key, NOW)
    assert not (co.home.path / "roster.json").exists() and not (co.stick / "roster.json").exists()


@pytest.mark.parametrize("at", range(4))
def test_a_full_disk(co: Coordinator, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """HOME has the old roster or the new one, and the same command finishes the work."""
    co.enrol("north")
    co.sign()
    co.enrol("valley")
    real, count = os.fsync, iter(range(1000))

    def fsync(handle: int) -> None:
        if next(count) >= at:
            raise OSError(28, "No space left on device")
        real(handle)

    change = work.look(co.home, NOW, co.key)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(
            ConsiliumError,
            match=r"cannot be written \(No space left on device\); "
            r"mend that and run the same command",
        ):
            work.sign(co.home, change, co.key, NOW)
    assert co.read().version in (1, 2)
    assert co.sign() == 0
    assert (co.read().version, list(co.read().sites)) == (2, ["north", "valley"])
    assert not list(co.home.path.glob(".roster*")) and not list(co.stick.glob(".*"))


def test_what_a_masked_study_needs(co: Coordinator) -> None:
    co.enrol("north", "valley")
    run = f"run: consilium server roster --home {co.home.path} --key KEY"
    with pytest.raises(InputError, match=f"needs a signed roster, and there is none yet; {run}"):
        work.for_study(co.home, NOW)
    co.sign()
    assert work.for_study(co.home, NOW) == rosters.loads(
        (co.home.path / "roster.json").read_bytes()
    )
    co.enrol("harbour", "north")
    with pytest.raises(
        InputError, match=f"The signed roster lacks harbour, north as enrolled now; {run}"
    ):
        work.for_study(co.home, NOW)
    co.put("harbour", None)
    co.put("north", None)
    work.for_study(co.home, NOW)  # a hospital too many on it stays away by itself
    with pytest.raises(InputError, match="expired"):
        work.for_study(co.home, NOW + timedelta(days=3651))
