"""Admission.

Whether this hospital answers a question at all, before any work, at every question.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

from client.policy import approvals, daily_limits
from client.policy.policy import Policy
from client.site import Site
from client.virtual_site import VirtualSite
from client.worker import admission, handler, outbox, release_rules
from client.worker import worker as workers
from common.protocol import envelopes
from common.protocol.envelopes import Question
from common.trust import roster as rosters
from tests.client import hostile
from tests.client.hostile import (
    FREE,
    KINDS,
    NOW,
    ask,
    honest,
    refused,
    signed_question,
    small_study,
)

STUDY = small_study()
FEWEST = release_rules.FEWEST
OPEN_ONLY = Policy(approval=False, floor=0)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Site]:
    return lambda **own: hostile.hospital(tmp_path / "state", replace(OPEN_ONLY, **own))


Make = Callable[..., Site]


def stays_shut(
    monkeypatch: pytest.MonkeyPatch, site: Site, question: Question, code: str, words: str
) -> None:
    """The question is refused before the worker hears of it."""
    monkeypatch.setattr(workers, "resident", lambda *_: pytest.fail("the worker was asked"))
    refused(site, handler.answer(site, envelopes.write_question(question)), code, words)


def opens(
    monkeypatch: pytest.MonkeyPatch, site: Site, kind: str = "join", study: Any = STUDY
) -> None:
    reply = envelopes.read_reply(
        ask(monkeypatch, site, signed_question(study, kind), honest(kind, **{FEWEST: 50}))
    )
    assert not reply.fault, reply.fault


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("own", "words"),
    [
        (
            {"studies": ("lungs", "small2")},
            "The study is 'small', which this hospital's policy (studies) does not list",
        ),
        (
            {"tasks": ("classification",)},
            "The task is 'segmentation', which this hospital's policy (tasks) does not list",
        ),
        (
            {"models": ("resnet",)},
            "The network is 'unet', which this hospital's policy (models) does not list",
        ),
        (
            {"min_noise": 0.5},
            (
                "The study adds no noise; this hospital's policy (min_noise) asks for a "
                "multiplier of 0.5."
            ),
        ),
        ({"max_rounds": 1}, "(max_rounds)"),
        (
            {"coordinators": ("123456" * 5,)},
            "signed with a key that this hospital's policy (coordinators) does not list",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_rule_holds_at_every_question(
    monkeypatch: pytest.MonkeyPatch, make: Make, kind: str, own: dict[str, Any], words: str
) -> None:
    stays_shut(monkeypatch, make(**own), signed_question(STUDY, kind), "policy", words)


def test_what_is_listed_is_answered(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    mark = rosters.fingerprint(hostile.SIGNER.certificate)
    listed = {
        "studies": ("other", "small"),
        "tasks": ("segmentation",),
        "models": ("unet",),
        "coordinators": ("0" * 30, mark),
    }
    opens(monkeypatch, make(**listed))


def test_another_coordinator_s_fingerprint_is_not_this_one_s(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site = make(coordinators=(rosters.fingerprint(hostile.OTHER.certificate),))
    stays_shut(monkeypatch, site, signed_question(STUDY, "join"), "policy", "(coordinators)")


def test_where_models_are_only_scored_training_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site = make(training=False)
    for kind in ("join", "agree", "tally", "evaluate"):
        opens(monkeypatch, site, kind)
    assert not admission.trains(site, STUDY) and admission.trains(make(), STUDY)
    stays_shut(
        monkeypatch,
        site,
        signed_question(STUDY, "train"),
        "policy",
        "(training) lets models be scored here, not trained",
    )


def clock(monkeypatch: pytest.MonkeyPatch, module: Any, moment: datetime) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment.astimezone(tz)

    monkeypatch.setattr(module, "datetime", Clock)


@pytest.mark.parametrize(
    ("hours", "at", "is_open"),
    [
        ((), "03:00", True),
        (("08:00-18:00",), "07:59", False),
        (("08:00-18:00",), "08:00", True),
        (("08:00-18:00",), "17:59", True),
        (("08:00-18:00",), "18:00", False),
        (("20:00-06:30",), "19:59", False),
        (("20:00-06:30",), "20:00", True),
        (("20:00-06:30",), "23:59", True),
        (("20:00-06:30",), "00:00", True),
        (("20:00-06:30",), "06:29", True),
        (("20:00-06:30",), "06:30", False),
        (("22:00-24:00",), "23:59", True),
        (("22:00-24:00",), "00:00", False),
        (("00:00-24:00",), "12:00", True),
        (("00:00-00:01",), "00:00", True),
        (("00:00-00:01",), "00:01", False),
        (("12:00-13:00", "22:00-05:00"), "12:30", True),
        (("12:00-13:00", "22:00-05:00"), "04:59", True),
        (("12:00-13:00", "22:00-05:00"), "13:00", False),
    ],
)
def test_hours_by_this_machine_s_clock(
    monkeypatch: pytest.MonkeyPatch, make: Make, hours: tuple[str, ...], at: str, is_open: bool
) -> None:
    now = datetime.combine(datetime.now(UTC).date(), time.fromisoformat(at)).astimezone()
    assert Policy(hours=hours).is_open(now) is is_open
    site = make(hours=hours)
    clock(monkeypatch, admission, now)
    if is_open:
        opens(monkeypatch, site)
    else:
        stays_shut(
            monkeypatch,
            site,
            signed_question(STUDY, "join"),
            "policy",
            f"(hours) answers at {', '.join(hours)} by its own clock",
        )


def test_nobody_has_approved_the_study(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    site = make(approval=True)
    for kind in KINDS:
        stays_shut(
            monkeypatch,
            site,
            signed_question(STUDY, kind),
            "approval",
            "it waits there for a person",
        )
    [(_, offered)] = approvals.offers(site.state)
    assert (offered.digest, offered.to_table()) == (STUDY.digest, STUDY.to_table())
    approvals.grant(site.state, STUDY, "Dr. Rivers", "train", NOW, 90)
    for kind in KINDS:
        opens(monkeypatch, site, kind)
    approvals.withdraw(site.state, "small", datetime.now(UTC))
    for kind in KINDS:  # the next question
        stays_shut(monkeypatch, site, signed_question(STUDY, kind), "approval", "was withdrawn")


def test_approved_for_scoring_only(monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
    site = make(approval=True)
    approvals.grant(site.state, STUDY, "Dr. Rivers", "evaluate", NOW, 90)
    for kind in ("join", "agree", "tally", "evaluate"):
        opens(monkeypatch, site, kind)
    assert not admission.trains(site, STUDY)
    stays_shut(
        monkeypatch,
        site,
        signed_question(STUDY, "train"),
        "approval",
        "for scoring models only; it sends no update",
    )


def test_a_changed_study_under_an_approved_name_waits(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site = make(approval=True)
    approvals.grant(site.state, STUDY, "Dr. Rivers", "train", NOW, 90)
    stays_shut(
        monkeypatch,
        site,
        signed_question(small_study(seed=7), "train"),
        "approval",
        "has not approved",
    )
    opens(monkeypatch, site, "train")


def test_only_what_the_coordinator_signed_is_offered(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site, other = make(approval=True), small_study(seed=7)
    for question in (
        replace(signed_question(STUDY, "join"), study=other.to_table()),
        replace(signed_question(STUDY, "join"), seal={}),
    ):
        stays_shut(monkeypatch, site, question, "signature", "")
    assert approvals.offers(site.state) == ()


def test_a_study_that_the_policy_refuses_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site = make(approval=True, tasks=("classification",))
    stays_shut(monkeypatch, site, signed_question(STUDY, "join"), "policy", "(tasks)")
    assert approvals.offers(site.state) == ()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [(approvals.NAME, b"[{", "policy"), (daily_limits.NAME, b"[{", "policy")],
    ids=["approvals", "budget"],
)
def test_damaged_records_admit_nothing(
    monkeypatch: pytest.MonkeyPatch, make: Make, name: str, content: bytes, code: str
) -> None:
    site = make(approval=True)
    approvals.grant(site.state, STUDY, "Dr. Rivers", "train", NOW, 90)
    (site.state / name).write_bytes(content)
    stays_shut(monkeypatch, site, signed_question(STUDY, "train"), code, "cannot be read")
    assert name in (site.state / "site.log").read_text()


def test_rounds_of_a_day_are_counted_over_all_studies_and_runs(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site, other = make(rounds_per_day=3), small_study(seed=7)
    for study in (STUDY, other, STUDY):
        opens(monkeypatch, site, "train", study)
    workers.forget()  # as after a restart
    for study in (STUDY, other):
        stays_shut(
            monkeypatch,
            site,
            signed_question(study, "train"),
            "policy",
            "(rounds_per_day) allows 3",
        )
    opens(monkeypatch, site, "evaluate")
    clock(monkeypatch, admission, datetime.now(UTC) + timedelta(days=1))
    clock(monkeypatch, outbox, datetime.now(UTC) + timedelta(days=1))
    opens(monkeypatch, site, "train")


def test_megabytes_of_a_day_are_those_that_left(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site = make()
    envelope = ask(
        monkeypatch, site, signed_question(STUDY, "evaluate"), honest("evaluate", **{FEWEST: 50})
    )
    site = replace(site, policy=replace(site.policy, megabytes_per_day=2.5 * envelope.size / 1e6))
    opens(monkeypatch, site, "evaluate")
    refused(
        site,
        ask(
            monkeypatch,
            site,
            signed_question(STUDY, "evaluate"),
            honest("evaluate", **{FEWEST: 50}),
        ),
        "policy",
        "(megabytes_per_day)",
    )
    spent = json.loads((site.state / daily_limits.NAME).read_bytes())
    assert spent["bytes"] == 2 * envelope.size


def test_a_round_that_was_refused_costs_no_budget(
    monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    site = make(rounds_per_day=1)
    refused(
        site,
        ask(
            monkeypatch,
            site,
            signed_question(STUDY, "train"),
            honest("train", **{FEWEST: 50, "patient": 1}),
        ),
        "outbox",
    )
    opens(monkeypatch, site, "train")
    stays_shut(monkeypatch, site, signed_question(STUDY, "train"), "policy", "rounds_per_day")


def test_in_a_simulation_nobody_is_asked(tmp_path: Path) -> None:
    site = VirtualSite(
        "north", (tmp_path,), tmp_path / "state", policy=replace(FREE, approval=True)
    )
    for kind in KINDS:
        admission.check(site, signed_question(STUDY, kind), STUDY)
    assert admission.trains(site, STUDY)
