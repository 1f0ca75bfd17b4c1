"""A hospital's handler: whatever comes in, an envelope goes out, and nothing of a patient in it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from client.audit import log as audit_log
from client.identity import Identity, Trust
from client.policy.policy import OPEN, Policy
from client.site import Site
from client.virtual_site import NoIdentity, VirtualSite
from client.worker import handler
from client.worker import worker as workers
from common.errors import CaseError, PolicyError, SiteError
from common.protocol import envelopes
from common.protocol.envelopes import Envelope, Question, Reply
from common.sentences.table import say
from common.study import study as studies
from common.trust import certificates, study_signature
from common.trust.study_signature import Statement
from tests import small

NOW = datetime.now(UTC)
CA = certificates.authority("chest-4", NOW, 3650)
SIGNER = certificates.signer(CA, "coordinator", NOW, 365)
TRUST = Trust("chest-4", SIGNER.certificate, CA.certificate)
STUDY = studies.parse(small.TABLE)
SECRET = "MUELLER^HANS"
SILENT = Policy(plain_updates=True, approval=False, floor=0)
"""A policy that tells nothing."""


def question_envelope(seal: dict[str, Any] | None = None) -> Envelope:
    return envelopes.write_question(Question("join", STUDY.to_table(), seal=seal or {}))


def sealed() -> dict[str, Any]:
    return study_signature.sign(
        Statement(
            "chest-4", "run-1", STUDY.digest, NOW.isoformat(), (NOW + timedelta(days=7)).isoformat()
        ),
        SIGNER.key,
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    workers.forget()
    return Site(
        "north",
        (small.hospital(tmp_path / "data", 8),),
        tmp_path / "state",
        "cpu",
        policy=OPEN,
        identity=NoIdentity(),
        trust=TRUST,
    )


def answer(site: Site, envelope: Envelope) -> Reply:
    return envelopes.read_reply(handler.answer(site, envelope))


def lines(site: Site) -> list[dict[str, Any]]:
    """Answers and refusals; not that something was asked."""
    path = site.state / "journal.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in entries if "event" not in line]


def test_a_signed_study_is_answered_and_noted(site: Site) -> None:
    envelope = handler.answer(site, question_envelope(sealed()))
    reply = envelopes.read_reply(envelope)
    assert (reply.site, reply.fault, reply.values["patients"]) == ("north", "", 8)
    [line] = lines(site)
    assert set(line) == {
        "seq",
        "prev",
        "salt",
        "at",
        "kind",
        "round",
        "run",
        "study",
        "digest",
        "left",
        "seconds",
        "bytes",
    }
    assert (line["run"], line["study"], line["digest"], line["kind"], line["bytes"]) == (
        "run-1",
        "small",
        STUDY.digest,
        "join",
        envelope.size,
    )
    assert [run["run"] for run in audit_log.studies(site.state)] == ["run-1"]


def test_a_study_that_nobody_signed_is_refused_before_the_data_is_touched(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "resident", lambda *_: pytest.fail("the worker was asked"))
    reply = answer(site, question_envelope())
    assert (
        reply.fault == "The study is not signed: a statement and a signature are expected."
        and reply.values.keys()
        == {
            "step",
            "id",
        }
    )
    [line] = lines(site)
    assert line["fault"] == reply.fault and "run" not in line


def test_in_a_simulation_nothing_is_signed_and_nothing_noted(site: Site, tmp_path: Path) -> None:
    virtual = VirtualSite(
        "north", site.folders, tmp_path / "virtual", "cpu", policy=OPEN, keeps_record=False
    )
    assert not answer(virtual, question_envelope()).fault
    assert lines(virtual) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1}', '{"version": 99}', "\0", "9" * 5000]
)
def test_an_envelope_that_cannot_be_read_is_answered(site: Site, text: str) -> None:
    reply = answer(site, Envelope(text))
    assert reply.site == "north" and reply.fault.startswith("A message")
    assert len(lines(site)) == 1


class _Failing:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def answer(self, question: Question) -> Reply:
        raise self._error


@pytest.mark.parametrize(
    ("error", "public"),
    [
        (KeyError(SECRET), "The hospital's work failed (KeyError); its own log says why."),
        (
            OSError(2, "No such file", f"/data/{SECRET}.dcm"),
            "The hospital's work failed (OSError); its own log says why.",
        ),
        (MemoryError(), "The hospital's work failed (MemoryError); its own log says why."),
        (CaseError("mask.size", f"{SECRET}.dcm cannot be read"), say("mask.size").render()),
    ],
)
def test_the_text_of_an_error_never_leaves(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, public: str
) -> None:
    monkeypatch.setattr(workers, "resident", lambda *_: _Failing(error))
    envelope = handler.answer(site, question_envelope(sealed()))
    assert envelopes.read_reply(envelope).fault == public and SECRET not in envelope.text
    [line] = lines(site)
    assert line["fault"] == public and SECRET not in json.dumps(line) and line["run"] == "run-1"
    log = (site.state / "site.log").read_text()
    assert type(error).__name__ in log or SECRET in log


def test_what_cannot_be_noted_does_not_leave(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(audit_log, "note", full)
    reply = answer(site, question_envelope(sealed()))
    assert (
        reply.fault == "The hospital's audit log cannot be written; its disk may be full."
        and reply.values.keys()
        == {
            "step",
            "id",
        }
    )
    assert "No space left" in (site.state / "site.log").read_text()


def test_a_disk_that_takes_nothing_at_all_is_still_answered(site: Site) -> None:
    site.state.write_text("a file where the folder should be")
    assert (
        answer(site, question_envelope()).fault
        == "The hospital's audit log cannot be written; its disk may be full."
    )


def test_a_simulated_hospital_with_an_identity_keeps_an_audit_log_like_a_real_one(
    site: Site, tmp_path: Path
) -> None:
    identity = Identity("chest-4", bytes(32), CA.certificate, SIGNER.certificate)
    virtual = VirtualSite(
        "north", site.folders, tmp_path / "virtual", "cpu", policy=OPEN, identity=identity
    )
    assert not answer(virtual, question_envelope()).fault
    [line] = lines(virtual)
    assert (line["kind"], line["run"]) == ("join", "")


@pytest.mark.parametrize(
    "question",
    [Question("tally", STUDY.to_table()), Question("agree", STUDY.to_table(), secure=(b"x" * 30,))],
)
def test_a_refused_step_of_a_secure_sum_is_noted(site: Site, question: Question) -> None:
    reply = answer(site, envelopes.write_question(replace(question, seal=sealed())))
    assert "has no identity for secure sums" in reply.fault and reply.secure == ()
    [line] = lines(site)
    assert line["fault"] == reply.fault and line["kind"] == question.kind and "left" not in line


@pytest.mark.parametrize(
    ("own", "sentence"),
    [
        (OPEN, "Patients with usable images: 3;"),
        (SILENT, "The hospital's data do not serve this study; its own log"),
    ],
)
def test_a_number_of_a_hospital_that_keeps_its_counts_stays_in_its_log(
    site: Site, monkeypatch: pytest.MonkeyPatch, own: Policy, sentence: str
) -> None:
    monkeypatch.setattr(
        workers,
        "resident",
        lambda *_: _Failing(SiteError("data.too_few_patients", patients=3, asked=20)),
    )
    reply = answer(replace(site, policy=own), question_envelope(sealed()))
    assert reply.fault.startswith(sentence) and ("3" in reply.fault) is (own is OPEN)
    assert "Patients with usable images: 3;" in (site.state / "site.log").read_text()


def test_the_policy_s_own_numbers_may_be_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        workers, "resident", lambda *_: _Failing(PolicyError("policy.rounds_a_day", allowed=5))
    )
    assert (
        answer(replace(site, policy=SILENT), question_envelope(sealed())).fault
        == say("policy.rounds_a_day", allowed=5).render()
    )
