"""A failure leaves as a sentence of the table, step and id.

The logs have the rest under that id.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from client.policy.policy import Policy
from client.site import Site
from client.worker import release_rules
from client.worker.allowed_words import AllowedWords
from common.errors import (
    ApprovalError,
    CaseError,
    CertificateError,
    ConsiliumError,
    InputError,
    PolicyError,
    SecureSumError,
    SignatureError,
    SiteError,
    StudyError,
    WireError,
)
from common.protocol import envelopes
from common.sentences.table import say
from tests.client import hostile
from tests.client.hostile import (
    FREE,
    KINDS,
    SECRET,
    SECURE,
    STRICT,
    ask,
    refused,
    signed_question,
)

FEWEST = release_rules.FEWEST
STEP = {
    "join": "reading",
    "agree": "sum",
    "tally": "sum",
    "train": "training",
    "evaluate": "scoring",
}


class SomeError(Exception):
    """Unforeseen."""


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise ValueError(SECRET)

    __repr__ = __str__


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("error", "code", "public"),
    [
        (
            SomeError(SECRET),
            "failure.unexpected",
            "The hospital's work failed (another error); its own log says why.",
        ),
        (
            UnspeakableError(),
            "failure.unexpected",
            "The hospital's work failed (another error); its own log says why.",
        ),
        (
            KeyError(f"/data/{SECRET}/image.dcm"),
            "failure.unexpected",
            "The hospital's work failed (KeyError); its own log says why.",
        ),
        (
            RecursionError(SECRET),
            "failure.unexpected",
            "The hospital's work failed (RuntimeError); its own log says why.",
        ),
        (
            SiteError("data.no_masks", f"/data/{SECRET}"),
            "data.no_masks",
            say("data.no_masks").render(),
        ),
        (CaseError("mask.size", f"/data/{SECRET}"), "mask.size", say("mask.size").render()),
        (
            PolicyError("policy.floor", SECRET, floor=5),
            "policy.floor",
            say("policy.floor", floor=5).render(),
        ),
        (
            ApprovalError("approval.missing", SECRET),
            "approval.missing",
            say("approval.missing").render(),
        ),
        (
            SiteError("data.no_masks", "/data/M\udcfcLLER.dcm"),
            "data.no_masks",
            say("data.no_masks").render(),
        ),
        (SiteError("data.no_labels", columns=[SECRET]), "data.unfit", say("data.unfit").render()),
        (
            SiteError("data.no_labels", columns=["segmentation"]),
            "data.no_labels",
            say("data.no_labels", columns=["segmentation"]).render(),
        ),
        (
            PolicyError("policy.name", part="task", name=SECRET, rule="tasks"),
            "policy.refused",
            say("policy.refused").render(),
        ),
        (
            PolicyError("policy.name", part="task", name="classification", rule="smith"),
            "policy.refused",
            say("policy.refused").render(),
        ),
        (WireError(f"A message holds {SECRET}."), "message.broken", say("message.broken").render()),
        (
            SignatureError(f"The roster names {SECRET}."),
            "signature.refused",
            say("signature.refused").render(),
        ),
        (
            SecureSumError(f"The shares of {SECRET} are wrong."),
            "sum.refused",
            say("sum.refused").render(),
        ),
        (
            SecureSumError(say("sum.shares", hospital="Smith")),
            "sum.refused",
            say("sum.refused").render(),
        ),
        (
            StudyError(f"model.channels is {SECRET}."),
            "study.setting",
            say("study.setting", setting="model.channels").render(),
        ),
        (
            StudyError(f"model.{SECRET.lower()} is 3."),
            "study.invalid",
            say("study.invalid").render(),
        ),
        (InputError(f"/data/{SECRET} is missing."), "site.setup", say("site.setup").render()),
        (
            CertificateError(f"The certificate of {SECRET} is damaged."),
            "certificate.refused",
            say("certificate.refused").render(),
        ),
        (ConsiliumError(SECRET), "failure.failed", say("failure.failed").render()),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_failure_says_its_kind_and_an_id_and_the_log_has_the_rest(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str, error: Exception, code: str, public: str
) -> None:
    reply = refused(site, ask(monkeypatch, site, signed_question(SECURE, kind), error), code)
    assert reply.fault == public and reply.values["step"] == STEP[kind]
    assert (
        len(reply.values["id"]) == 8
        and int(reply.values["id"], 16) >= 0
        and reply.refusal.startswith(f"{public} [{code}")
    )
    log = (site.state / "site.log").read_text()
    if code == "failure.unexpected":
        assert (
            "Traceback" in log and type(error).__name__ in log and "hostile.py" in log
        )  # every frame, with its line
    elif SECRET in str(getattr(error, "local", "")):
        assert SECRET in log


@pytest.mark.parametrize("own", [FREE, STRICT], ids=["tells counts", "keeps counts"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_number_leaves_a_failure_only_where_counts_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, own: Policy
) -> None:
    site = hostile.hospital(tmp_path, own)
    counts = {
        "data.too_few_patients": {"patients": 7, "asked": 20},
        "data.all_unusable": {"images": 7, "times": 7, "reason": "mask.size"},
        "box.outside": {"outside": 7, "boxes": 7},
    }
    for code, arguments in counts.items():
        error = SiteError(code, **arguments)
        reply = refused(site, ask(monkeypatch, site, signed_question(SECURE, kind), error), "")
        assert (str(error) == reply.fault) is own.share_counts and (
            "7" in reply.fault
        ) is own.share_counts


@pytest.mark.parametrize(("patients", "leaves"), [(9, False), (10, True)])
def test_a_count_below_the_policy_s_floor_is_not_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, patients: int, leaves: bool
) -> None:
    site = hostile.hospital(tmp_path, replace(FREE, floor=10))
    error = SiteError("data.too_few_patients", patients=patients, asked=90)
    reply = refused(site, ask(monkeypatch, site, signed_question(SECURE, "join"), error), "")
    assert (f" {patients};" in reply.fault) is leaves


@pytest.mark.parametrize("own", [FREE, STRICT], ids=["tells counts", "keeps counts"])
def test_rules_are_told_whether_or_not_counts_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own: Policy
) -> None:
    site = hostile.hospital(tmp_path, own)
    for error in (
        PolicyError("policy.rounds_a_day", allowed=7),
        SecureSumError(say("sum.round", round=7, rounds=3)),
    ):
        assert (
            "7"
            in refused(
                site, ask(monkeypatch, site, signed_question(SECURE, "train"), error), ""
            ).fault
        )


def test_each_failure_has_an_id_of_its_own(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    ids = {
        refused(
            site,
            ask(monkeypatch, site, signed_question(SECURE, "join"), SomeError(SECRET)),
            "failure.unexpected",
        ).values["id"]
        for _ in range(20)
    }
    assert len(ids) == 20


def test_who_is_accused_is_the_name_of_a_hospital(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    question = signed_question(SECURE, "agree")
    assert (
        "accused"
        not in envelopes.read_reply(
            ask(monkeypatch, site, question, SecureSumError("A share is wrong.", "south"))
        ).values
    )
    monkeypatch.setattr(AllowedWords, "hospitals", frozenset({"south"}))
    answered = envelopes.read_reply(
        ask(
            monkeypatch,
            site,
            question,
            SecureSumError(say("sum.shares", hospital="south"), "south"),
        )
    )
    assert answered.values["accused"] == "south" and answered.sentence == say(
        "sum.shares", hospital="south"
    )
    for name in (f"{SECRET}\n", "x" * 5000, f"/data/{SECRET}"):
        envelope = ask(
            monkeypatch,
            site,
            signed_question(SECURE, "agree"),
            SecureSumError("A share is wrong.", name),
        )
        assert "accused" not in envelopes.read_reply(
            envelope
        ).values and name.encode() not in hostile.all_bytes(envelope)


def test_the_log_takes_any_file_name(site: Site) -> None:
    site.log("/data/M\udcfcLLER.dcm: torn")
    assert "LLER.dcm: torn" in (site.state / "site.log").read_text()
