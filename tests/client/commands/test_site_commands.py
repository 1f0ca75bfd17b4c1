"""What a hospital's IT reads: who it is, and what was asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from client.audit import log as audit_log
from client.commands import site_commands
from client.home import SiteHome
from common.cli import main
from common.trust import certificates
from common.trust import roster as rosters
from common.trust.roster import Roster
from tests.client.isolation.test_preflight import CA, NOW, hospital


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    return hospital(tmp_path / "home")


def typed(capsys: pytest.CaptureFixture[str], home: SiteHome, words: str) -> str:
    """What a command prints that succeeds."""
    assert main.main(["site", *words.split(), "--home", str(home.path)]) == 0
    return capsys.readouterr().out


def test_before_a_roster_has_come_there_is_the_own_fingerprint(
    home: SiteHome, capsys: pytest.CaptureFixture[str]
) -> None:
    own = rosters.fingerprint(home.identity_crt.read_bytes())
    assert f"north  {own}\nNo signed roster" in typed(capsys, home, "fingerprint")
    prints = json.loads(typed(capsys, home, "fingerprint --json"))
    assert (prints["fingerprint"], prints["version"], prints["sites"]) == (own, 0, {})


@pytest.mark.parametrize("listed", [True, False])
def test_a_roster_without_this_hospitals_key_is_told(
    home: SiteHome, listed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = certificates.signer(CA, certificates.ROSTER, NOW, 10)
    home.roster_crt.write_bytes(signer.certificate)
    own = home.identity_crt.read_bytes()
    other = certificates.signer(CA, "north", NOW, 10).certificate
    members = {"north": (own if listed else other).decode()}
    roster = Roster("chest-4", 3, NOW.isoformat(timespec="seconds"), members)
    home.roster_json.write_bytes(rosters.dumps(rosters.sign(roster, signer.key)))
    assert main.main(["site", "fingerprint", "--home", str(home.path)]) == 0
    shown = capsys.readouterr()
    assert "Signed roster, version 3" in shown.out
    assert ("is not on that roster with its own key" in shown.err) is not listed


def test_nothing_was_asked_yet_and_then_a_study(
    home: SiteHome, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(capsys, home, "studies") == "No study has asked anything yet.\n"
    audit_log.note(home.state, kind="train", run="7", study="lungs", round=1)
    [run] = json.loads(typed(capsys, home, "studies --json"))["studies"]
    assert (run["run"], run["study"]) == ("7", "lungs")
    assert typed(capsys, home, "studies").startswith("7  study lungs  rounds 1  last ")


def test_every_command_begins_with_the_programs_name() -> None:
    assert all(words.startswith("consilium site ") for words in site_commands.COMMANDS)
    assert {"consilium site enrol", "consilium site start"} <= set(site_commands.COMMANDS)
