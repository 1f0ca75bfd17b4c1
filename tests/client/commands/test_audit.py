"""``consilium site audit`` as it is typed.

Off-line, in the hospital's folder or with one file of it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from client.audit import log as audit_log
from client.audit import witness
from client.home import SiteHome
from common.cli import main
from common.study import toml
from common.trust import certificates
from tests.client import record
from tests.client.view import scene


@pytest.fixture
def home(tmp_path: Path) -> SiteHome:
    """An enrolled hospital after ten entries and one signed head."""
    made, keys = scene.home(tmp_path / "home"), record.keys()
    scene.private(made.site_toml, toml.dumps({**scene.TABLE, "consortium": record.CONSORTIUM}))
    coordinator = certificates.signer(keys.authority, certificates.COORDINATOR, record.NOW, 365)
    for path, content in (
        (made.ca, keys.authority.certificate),
        (made.coordinator, coordinator.certificate),
        (made.roster_crt, keys.roster.certificate),
        (made.identity_crt, keys.sites["north"].certificate),
        (made.identity_key, keys.sites["north"].key),
    ):
        scene.private(path, content.decode())
    site = record.site(tmp_path / "made")
    record.fill(site.state, 9)
    audit_log.note(site.state, event="approved", study="lungs", by="Dr. A. Rivers")
    witness.sign(site, "run-1", 1)
    shutil.copytree(site.state, made.state, dirs_exist_ok=True)
    return made


def typed(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main.main(["site", "audit", *map(str, words)])
    return (code, *capsys.readouterr())


def as_json(text: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    assert text.count("\n") == 1
    return content


def test_a_whole_record(home: SiteHome, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "verify", "--home", home.path)
    assert (
        code == 0
        and out.startswith("10 entries, root ")
        and "The record is whole and says what was signed" in out
    )
    code, out, _ = typed(capsys, "verify", "--home", home.path, "--json")
    verdict = as_json(out)
    assert (
        code == 0
        and verdict["ok"] is True
        and (verdict["entries"], verdict["heads"], verdict["wrong"]) == (10, 1, [])
    )


def test_a_changed_record(home: SiteHome, capsys: pytest.CaptureFixture[str]) -> None:
    path = home.state / audit_log.NAME
    path.write_bytes(path.read_bytes().replace(b'"round": 4', b'"round": 5', 1))
    code, out, _ = typed(capsys, "verify", "--home", home.path)
    assert (
        code == 1
        and "wrong: Entry 4 does not follow the entry before it" in out
        and "whole" not in out
    )
    code, out, _ = typed(capsys, "verify", "--home", home.path, "--json")
    assert code == 1 and as_json(out)["ok"] is False and len(as_json(out)["wrong"]) == 2


def test_what_was_noted_against_others_is_told_and_is_not_this_record_s_fault(
    home: SiteHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    south = record.site(tmp_path / "other", "south")
    record.fill(south.state, 1)
    signed = witness.sign(south, "run-1", 1)
    (home.state / witness.OTHERS).write_text(json.dumps({"south": signed}))
    audit_log.note(
        home.state,
        event="history rewritten",
        site="south",
        reason="two different records of 5 entries",
    )
    code, out, _ = typed(capsys, "verify", "--home", home.path, "--json")
    verdict = as_json(out)
    assert (
        code == 0
        and verdict["others"] == 1
        and verdict["evidence"]
        == ["history rewritten: entry 10, south: two different records of 5 entries"]
    )
    (home.state / witness.OTHERS).write_text(json.dumps({"south": signed and signed | {"size": 2}}))
    code, out, _ = typed(capsys, "verify", "--home", home.path)
    assert (
        code == 1 and "wrong: others.json: The head of 'south'" in out and "not signed by it" in out
    )


def test_a_head_that_another_hospital_holds(
    home: SiteHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    [signed] = witness.own(home.state)
    (tmp_path / "others.json").write_text(json.dumps({"north": signed, "west": {}}))
    assert typed(capsys, "verify", "--home", home.path, "--held", tmp_path / "others.json")[0] == 0
    for name in (witness.OWN, audit_log.HEAD, audit_log.NAME):
        (home.state / name).unlink()
    record.fill(home.state, 3)
    assert typed(capsys, "verify", "--home", home.path)[0] == 0
    code, out, _ = typed(capsys, "verify", "--home", home.path, "--held", tmp_path / "others.json")
    assert code == 1 and "The record had 10 entries once, and has 3" in out


def test_entries_are_shown(home: SiteHome, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = typed(capsys, "show", "--home", home.path)
    assert code == 0 and len(out.splitlines()) == 10 and "event approved" in out.splitlines()[-1]
    code, out, _ = typed(capsys, "show", "--home", home.path, "--last", "1", "--json")
    assert as_json(out)["entries"][0]["by"] == "Dr. A. Rivers"
    assert len(typed(capsys, "show", "--home", home.path, "--event", "train")[1].splitlines()) == 9
    assert (
        typed(capsys, "show", "--home", home.path, "--event", "clipped")[1]
        == "The record has no such entry.\n"
    )


def test_what_a_stranger_wrote_does_not_reach_the_terminal(
    home: SiteHome, capsys: pytest.CaptureFixture[str]
) -> None:
    audit_log.note(home.state, kind="train", study=scene.HOSTILE, fault="\x1b[2Jno")
    _, out, _ = typed(capsys, "show", "--home", home.path, "--last", "1")
    assert "\x1b" not in out and "\u202e" not in out


def test_a_proof_goes_to_a_third_party_who_has_nothing_else(
    home: SiteHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof, ca, roster = tmp_path / "entry.json", tmp_path / "ca.crt", tmp_path / "roster.json"
    shutil.copy(home.ca, ca)
    shutil.copy(home.roster_json, roster)
    code, out, _ = typed(capsys, "prove", 9, "--home", home.path, "--out", proof)
    assert code == 0 and "check it anywhere" in out
    shutil.rmtree(home.path)
    for trusted in (ca, roster):
        code, out, _ = typed(capsys, "verify", "--proof", proof, "--ca", trusted)
        assert code == 0 and "north of trial signed on" in out and '"by": "Dr. A. Rivers"' in out
        proven = as_json(typed(capsys, "verify", "--proof", proof, "--ca", trusted, "--json")[1])
        assert (
            proven["ok"] is True and proven["number"] == 9 and proven["entry"]["study"] == "lungs"
        )
    proof.write_text(proof.read_text().replace('"number": 9', '"number": 8'))
    code, out, err = typed(capsys, "verify", "--proof", proof, "--ca", ca)
    assert code == 2 and out == "" and "The proof does not hold" in err


def test_a_proof_that_the_record_only_grew(
    home: SiteHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(capsys, "prove", 0, "--home", home.path)
    record.fill(home.state, 5)
    typed(capsys, "prove", 0, "--home", home.path)
    proof = tmp_path / "growth.json"
    code, out, _ = typed(
        capsys, "prove", "--between", 10, 15, "--home", home.path, "--out", proof, "--json"
    )
    assert code == 0 and as_json(out) == {"proof": str(proof)}
    code, out, _ = typed(capsys, "verify", "--proof", proof, "--ca", home.ca)
    assert code == 0 and "a record of 15 entries, which grew from its record of 10" in out
    code, _, err = typed(capsys, "prove", "--between", 10, 14, "--home", home.path)
    assert code == 2 and "near it there are: 15, 10" in err


def test_words_that_do_not_fit(
    home: SiteHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken, junk = tmp_path / "taken", tmp_path / "junk"
    taken.write_text("{}")
    junk.write_text("[" * 100_000)
    for words, sentence in (
        (("verify",), "--home is missing"),
        (("verify", "--proof", taken), "--proof needs --ca"),
        (("verify", "--proof", taken, "--ca", home.ca), "is no proof"),
        (("verify", "--proof", junk, "--ca", home.ca), "cannot be read as JSON"),
        (("verify", "--proof", tmp_path / "none", "--ca", home.ca), "cannot be read"),
        (("verify", "--home", home.path, "--held", taken), "holds no head of 'north'"),
        (("prove", "--home", home.path), "either the NUMBER of an entry or --between"),
        (
            ("prove", 3, "--between", 1, 2, "--home", home.path),
            "either the NUMBER of an entry or --between",
        ),
        (("prove", 77, "--home", home.path), "entries 0 to 9"),
        (("prove", 3, "--home", home.path, "--out", taken), "exists; give another name"),
    ):
        code, out, err = typed(capsys, *words)
        assert code == 2 and out == "" and sentence in err, words
    assert taken.read_text() == "{}"
