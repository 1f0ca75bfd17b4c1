"""A hospital's worker under its own rules: what it refuses, what it keeps to itself, and that each refusal is written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from client.identity import Identity, Trust, raw_key
from client.policy.policy import OPEN, Policy
from client.site import Site
from client.training.local_training import Trainer
from client.worker import handler
from client.worker import worker as workers
from common import networks
from common.protocol import envelopes, sum_specs
from common.protocol.envelopes import Question, Reply
from common.secagg.messages import Terms
from common.study import study as studies
from common.study.study import Study
from common.trust import certificates, study_signature
from common.trust import roster as rosters
from common.trust.roster import Roster
from common.trust.study_signature import Statement
from common.update import Vector
from server import evaluate, rounds
from server.aggregation import tally
from server.participants import Member, Participants
from server.rounds import Federation, RoundRecord
from server.transport import Traffic
from tests import small

NOW, NAMES = datetime.now(UTC), ("east", "north", "west")
CA = certificates.authority("trial", NOW, 3650)
KEY, SIGNER = (
    certificates.signer(CA, name, NOW, 365)
    for name in (certificates.ROSTER, certificates.COORDINATOR)
)
IDENTITIES = {name: certificates.signer(CA, name, NOW, 365) for name in NAMES}
IMAGES = dict(zip(NAMES, (8, 10, 12), strict=True))
TABLE: dict[str, Any] = {
    **small.TABLE,
    "secure_aggregation": {"enabled": True},
    "evaluation": {"every": 0, "bootstrap": 0},
}


def roster(version: int = 1) -> dict[str, Any]:
    listed = Roster(
        "trial",
        version,
        NOW.isoformat(),
        {name: one.certificate.decode() for name, one in IDENTITIES.items()},
    )
    return rosters.sign(listed, KEY.key)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, images) in enumerate(IMAGES.items()):
        small.hospital(folder / name, images, seed=seed)
    return folder


def own(**changes: Any) -> Policy:
    """A strict hospital's policy for folders of a few patients, without a person who approves."""
    return Policy(**{"approval": False, "floor": 0, **changes})


class Consortium:
    """Three hospitals' desks as a transport, and a server that asks them.

    Args:
        folder: of the hospitals' folders.
        state: for their states.
        policies: by name; the strict one where nothing is said.
        sections: changes of the study.
    """

    def __init__(
        self,
        folder: Path,
        state: Path,
        policies: Mapping[str, Policy] | None = None,
        **sections: Any,
    ) -> None:
        workers.forget()
        self.table = {
            **TABLE,
            **{name: {**TABLE.get(name, {}), **change} for name, change in sections.items()},
        }
        self.study: Study = studies.parse(self.table)
        trust = Trust("trial", SIGNER.certificate, CA.certificate)
        self.sites = {
            name: Site(
                name,
                (folder / name,),
                state / name,
                "cpu",
                policy=(policies or {}).get(name, own()),
                identity=Identity(
                    "trial", raw_key(IDENTITIES[name].key), CA.certificate, KEY.certificate
                ),
                trust=trust,
            )
            for name in NAMES
        }
        self.traffic, self.heard = Traffic(), list[tuple[str, Question, Reply]]()
        self.trouble: Callable[[str, Question, Reply], Reply] = lambda name, plan, reply: reply

    def put(self, name: str, plan: Question) -> Reply:
        """One question to one desk."""
        study = studies.parse(plan.study)
        statement = Statement(
            "trial", "run-1", study.digest, NOW.isoformat(), (NOW + timedelta(days=7)).isoformat()
        )
        letter = envelopes.write_question(
            replace(plan, seal=study_signature.sign(statement, SIGNER.key))
        )
        reply = envelopes.read_reply(handler.answer(self.sites[name], letter))
        self.heard.append((name, plan, reply))
        return reply

    def ask(
        self, plans: Mapping[int, Question], deadline: float | None = None
    ) -> Iterator[tuple[int, Reply]]:
        for node, plan in plans.items():
            yield node, self.trouble(NAMES[node - 1], plan, self.put(NAMES[node - 1], plan))

    def park(self, model: Vector) -> Vector:
        return model

    def begin(self) -> Federation:
        """Join is taken for granted: the count under masks, then a federation at its start."""
        joined = tuple(
            Member(node, name, {}, tells_metrics=False) for node, name in enumerate(NAMES, 1)
        )
        signed = {
            "signed": roster(),
            "roster_key": KEY.certificate.decode(),
            "authority": CA.certificate.decode(),
        }
        secure, members, total = tally.hold(
            self, self.study, "run-1", signed, Participants(joined, {})
        )  # type: ignore[arg-type]
        layout, start, _ = networks.start_weights(self.study, Path())
        return Federation(self.study, layout, start, members.members, sums=secure, total=total)

    def round(self, federation: Federation) -> RoundRecord:
        return rounds.one_round(federation, self, lambda *_: None)  # type: ignore[arg-type]

    def journal(self, name: str, event: str = "") -> list[dict[str, Any]]:
        """The answers and refusals in a hospital's journal, or another event's lines."""
        path = self.sites[name].state / "journal.jsonl"
        found = (
            [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        )
        return [line for line in found if line.get("event", "") == event]


Make = Callable[..., Consortium]


@pytest.fixture
def make(data: Path, tmp_path: Path) -> Make:
    return lambda policies=None, **sections: Consortium(data, tmp_path, policies, **sections)


def refused(made: Consortium, name: str, plan: Question, words: str) -> None:
    """The desk refuses in a sentence, nothing else leaves, and the journal has it."""
    before = len(made.journal(name))
    reply = made.put(name, plan)
    assert (
        words in reply.fault
        and reply.values.keys() <= {"step", "id", "accused"}
        and reply.delta is None
        and reply.secure == ()
    )
    lines = made.journal(name)
    assert (
        len(lines) == before + 1 and lines[-1]["fault"] == reply.fault and "left" not in lines[-1]
    )
    assert (
        lines[-1]["id"] == reply.values["id"]
        and f"[{reply.values['id']}]" in (made.sites[name].state / "site.log").read_text()
    )


@lru_cache(maxsize=1)
def start() -> tuple[str, Vector]:
    layout, weights, _ = networks.start_weights(studies.parse(TABLE), Path())
    return layout.digest, weights


def test_what_a_strict_hospital_says_when_it_joins(make: Make) -> None:
    made = make()
    reply = made.put("north", Question("join", made.study.to_table()))
    assert reply.fault == "" and dict(reply.values) == {
        "counts": "kept",
        "metrics": "kept",
        "pooled": False,
        "trains": True,
    }
    assert made.journal("north")[-1]["left"] == ["counts", "metrics", "pooled", "trains"]


@pytest.mark.parametrize(
    ("own", "counts", "metrics"),
    [
        (own(share_counts=True), True, False),
        (own(share_metrics=True), False, True),
        (OPEN, True, True),
    ],
)
def test_what_a_policy_lets_out_when_it_joins(
    make: Make, own: Policy, counts: bool, metrics: bool
) -> None:
    made = make({"north": own})
    values = made.put("north", Question("join", made.study.to_table())).values
    assert ("train" in values and values["patients"] == 10) is counts and (
        "metrics" not in values
    ) is metrics
    assert ("counts" not in values) is counts


def test_a_plain_study_is_refused_and_where_it_is_allowed_nothing_is_kept(make: Make) -> None:
    made = make({"north": own(plain_updates=True)}, secure_aggregation={"enabled": False})
    plan = Question("join", made.study.to_table())
    refused(
        made,
        "east",
        plan,
        "secure_aggregation.enabled = false; this hospital's policy (plain_updates) allows masked updates only",
    )
    assert made.put("north", plan).values["train"] > 0


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (own(max_rounds=1), "has 2 rounds; this hospital's policy (max_rounds) allows 1"),
        (own(largest_change=1.0), "largest_change is 32; this hospital's policy allows 1"),
    ],
)
@pytest.mark.parametrize("kind", ["join", "agree", "tally", "train", "evaluate"])
def test_a_study_that_the_policy_forbids_is_refused_at_every_question(
    make: Make, own: Policy, words: str, kind: str
) -> None:
    made, (layout, weights) = make({"north": own}), start()
    model = weights if kind in ("train", "evaluate") else None
    refused(
        made,
        "north",
        Question(kind, made.study.to_table(), 1, layout, model, {"part": "test"}),
        words,
    )


def test_a_network_that_the_policy_does_not_list_is_not_trained(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, (layout, weights) = (
        make({"north": own(layouts=("a" * 64,)), "east": own(layouts=(start()[0],))}),
        start(),
    )
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))
    plan = Question("train", made.study.to_table(), 1, layout, weights)
    refused(made, "north", plan, "this hospital's policy (layouts)")
    refused(made, "east", plan, "0 messages of kind SumSpec")


def test_a_masked_study_is_never_trained_in_clear(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, (layout, weights) = make(), start()
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))
    refused(
        made,
        "north",
        Question("train", made.study.to_table(), 1, layout, weights),
        "0 messages of kind SumSpec; 1 is expected",
    )
    refused(
        made,
        "north",
        Question("tally", made.study.to_table()),
        "0 messages of kind SumSpec; 1 is expected",
    )


def test_metrics_are_told_in_clear_only_where_the_policy_allows_it(make: Make) -> None:
    made, (layout, weights) = make({"north": own(share_metrics=True)}), start()
    plan = Question("evaluate", made.study.to_table(), 0, layout, weights, {"part": "test"})
    refused(
        made,
        "east",
        plan,
        "policy (share_metrics) keeps its own metrics; they can be asked for under masks only",
    )
    assert set(made.put("north", plan).values["metrics"]) >= {"dice"}


@pytest.mark.parametrize("part", ["everything", "", None, 3])
def test_an_unknown_part_is_refused(make: Make, part: object) -> None:
    made, (layout, weights) = make({"north": OPEN}), start()
    plan = Question("evaluate", made.study.to_table(), 0, layout, weights, {"part": part})
    refused(made, "north", plan, "asks to evaluate an unknown part")


def test_rounds_under_masks_and_nothing_in_clear(make: Make) -> None:
    made = make()
    federation = made.begin()
    before = federation.model
    records = [made.round(federation) for _ in range(2)]
    assert all(
        r.accepted == NAMES
        and r.void == ""
        and r.loss == {}
        and r.weights == {}
        and r.refused == ()
        for r in records
    )
    assert federation.total == sum(sites_train(made).values()) and not np.array_equal(
        federation.model, before
    )
    told = [
        set(reply.values)
        for _, plan, reply in made.heard
        if plan.kind in ("train", "tally", "agree")
    ]
    assert set().union(*told) == {"notes", "head"}
    for name in NAMES:
        lines = made.journal(name)
        assert len(lines) == sum(1 for who, _, _ in made.heard if who == name) and not any(
            "fault" in line for line in lines
        )
        assert [line["left"] for line in lines if line["kind"] == "train"] == [
            ["head", "notes", "vector", "Masked"]
        ] * 2
        assert {line["run"] for line in lines} == {"run-1"}


def sites_train(made: Consortium) -> dict[str, int]:
    return {
        name: workers.resident(
            made.sites[name], Question("agree", made.study.to_table()), "run-1"
        )._bank.counts["train"]
        for name in NAMES
    }


def test_what_a_policy_lets_out_in_a_round(make: Make) -> None:
    made = make({"north": own(share_counts=True), "west": own(share_metrics=True)})
    record = made.round(made.begin())
    assert set(record.weights) == {"north"} and set(record.loss) == {"west"}
    told = {name: set(reply.values) for name, plan, reply in made.heard if plan.kind == "train"}
    always = {"notes", "head"}
    assert told == {
        "east": always,
        "north": always | {"weight", "steps", "counted"},
        "west": always | {"loss", "seconds"},
    }


def test_the_same_round_once_more_is_answered_without_training_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[tuple[str, int]] = []
    honest = Trainer.run

    def run(self: Trainer, task: Any, bank: Any, site: str, number: int, steps: int) -> Any:
        trained.append((site, number))
        return honest(self, task, bank, site, number, steps)

    monkeypatch.setattr(Trainer, "run", run)
    made = make()
    federation, failed = made.begin(), list[Question]()

    def once(name: str, plan: Question, reply: Reply) -> Reply:
        if plan.kind != "train" or name != "north" or failed:
            return reply
        failed.append(plan)
        return Reply(name, "train", fault="The answer was lost.")

    made.trouble = once
    record = made.round(federation)
    assert record.secure is not None and record.secure["attempts"] == 2 and record.accepted == NAMES
    assert trained == [(name, 1) for name in NAMES]
    made.round(federation)
    assert trained == [(name, number) for number in (1, 2) for name in NAMES]


def test_the_second_attempt_gives_the_same_sum(make: Make) -> None:
    models = []
    for broken in (False, True):
        made = make()
        federation, failed = made.begin(), list[Question]()

        def once(
            name: str,
            plan: Question,
            reply: Reply,
            failed: list[Question] = failed,
            broken: bool = broken,
        ) -> Reply:
            if not broken or plan.kind != "train" or name != "west" or failed:
                return reply
            failed.append(plan)
            return Reply(name, "train", fault="The answer was lost.")

        made.trouble = once
        made.round(federation)
        models.append(federation.model)
        for site in made.sites.values():
            for file in site.state.iterdir():
                file.unlink()
    assert np.array_equal(models[0], models[1])


def test_a_change_is_scaled_down_to_the_policy_s_norm_and_that_is_written_down(make: Make) -> None:
    made = make(dict.fromkeys(NAMES, own(largest_norm=0.001)))
    federation = made.begin()
    before = federation.model.copy()
    made.round(federation)
    assert 0 < float(np.linalg.norm(federation.model - before)) <= 0.00101
    for name in NAMES:
        [line] = made.journal(name, "clipped")
        assert line["round"] == 1 and line["allowed"] == 0.001 < line["norm"]


def test_a_change_within_the_norm_is_left_alone(make: Make) -> None:
    made = make(dict.fromkeys(NAMES, own(largest_norm=1e6)))
    made.round(made.begin())
    assert not any(made.journal(name, "clipped") for name in NAMES)


def bent(
    made: Consortium, federation: Federation, kind: str, change: Callable[[Question], Question]
) -> list[Reply]:
    """Play a round in which the questions of one kind are changed on their way; the hospitals' answers to them."""
    honest, answers = made.put, list[Reply]()

    def put(name: str, plan: Question) -> Reply:
        reply = honest(name, change(plan) if plan.kind == kind else plan)
        answers.extend([reply] if plan.kind == kind else [])
        return reply

    made.put = put  # type: ignore[method-assign]
    with pytest.raises(Exception, match="Too few hospitals"):
        made.round(federation)
    return answers


@pytest.mark.parametrize("number", [0, 3, -1, 10**9])
def test_a_round_that_the_study_does_not_have(make: Make, number: int) -> None:
    made = make()
    answers = bent(made, made.begin(), "train", lambda plan: replace(plan, round=number))
    assert {reply.fault for reply in answers} == {
        f"Round {min(max(number, 0), 999_999)} is asked for; the study has rounds 1 to 2."
    }
    assert all(
        made.journal(name)[-2].get("fault") or made.journal(name)[-1].get("fault") for name in NAMES
    )


def test_a_model_other_than_the_order_s_is_not_trained(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make()
    federation = made.begin()
    monkeypatch.setattr(Trainer, "run", lambda *_: pytest.fail("it was trained"))

    def other(plan: Question) -> Question:
        assert plan.model is not None
        return replace(plan, model=plan.model + np.float32(1))

    answers = bent(made, federation, "train", other)
    assert {reply.fault for reply in answers} <= {
        "The specification of a secure sum differs from the signed study's in model.",
        "The model is not the one that the last secure sum is said to have led to.",
    }


def test_a_total_that_is_too_small_tells_nothing_of_one_s_weight(make: Make) -> None:
    """Whether it is refused would weigh the hospital; so all answer, and the round comes to nothing."""
    made = make()
    federation = made.begin()
    before, federation.total = federation.model, 1
    record = made.round(federation)
    assert "at most the tally's 1 is possible" in record.void and np.array_equal(
        federation.model, before
    )
    assert not any(reply.fault for _, plan, reply in made.heard if plan.kind == "train")


@pytest.mark.parametrize("repeat", [0, 2, "2", 1.5, None, 100_001])
def test_one_hospital_is_not_trained_more_than_others(make: Make, repeat: object) -> None:
    made = make()
    answers = bent(
        made, made.begin(), "train", lambda plan: replace(plan, settings={"repeat": repeat})
    )
    assert {reply.fault for reply in answers} == {
        "A question asks for more training than the signed study; in a secure sum all hospitals train alike."
    }


def test_scores_under_masks_are_those_in_clear(make: Make) -> None:
    means = []
    for rules in (own(), OPEN):
        made = make(dict.fromkeys(NAMES, rules))
        federation = made.begin() if rules is not OPEN else None
        weights = start()[1]
        members = [
            Member(node, name, {}, tells_metrics=rules is OPEN)
            for node, name in enumerate(NAMES, 1)
        ]
        secure = federation.sums if federation else None
        settings = {"part": "train", "intervals": True}
        scores = evaluate.score(
            made,
            made.study,
            federation.layout if federation else _layout(),
            weights,
            members,
            settings,
            0,
            secure,
        )  # type: ignore[arg-type]
        assert (
            scores.faults == {} and scores.hospitals == 3 and bool(scores.sites) is (rules is OPEN)
        )
        means.append(scores.mean())
        told = [set(reply.values) for _, plan, reply in made.heard if plan.kind == "evaluate"]
        assert rules is OPEN or told == [{"compute"}] * 3
    assert means[0].keys() == means[1].keys()
    for metric, value in means[1].items():
        assert means[0][metric] == (None if value is None else pytest.approx(value, abs=1e-8))


def _layout() -> Any:
    return networks.start_weights(studies.parse(TABLE), Path())[0]


def test_an_older_roster_is_refused_at_every_question_that_brings_it(make: Make) -> None:
    made = make()
    digest = rosters.verify(roster(2), KEY.certificate, CA.certificate, "trial", NOW).digest
    terms = Terms("trial", "run-1", 1, NAMES, 2, digest).encode()
    table = made.study.to_table()
    assert (
        made.put(
            "north", Question("agree", table, settings={"roster": roster(2)}, secure=(terms,))
        ).fault
        == ""
    )
    plan = Question("agree", table, settings={"roster": roster(1)}, secure=(terms,))
    refused(made, "north", plan, "version 1, and version 2 was seen before")
    workers.forget()
    refused(made, "north", plan, "version 1, and version 2 was seen before")
    refused(made, "north", replace(plan, settings={"roster": "x"}), "The roster is not signed")


def test_a_study_that_needs_more_hospitals_than_the_policy_binds_the_hospital(make: Make) -> None:
    made = make(secure_aggregation={"min_cohort": 4})
    digest = rosters.verify(roster(), KEY.certificate, CA.certificate, "trial", NOW).digest
    terms = Terms("trial", "run-1", 1, NAMES, 2, digest).encode()
    plan = Question("agree", made.study.to_table(), settings={"roster": roster()}, secure=(terms,))
    refused(
        made,
        "north",
        plan,
        "A secure sum over 3 hospitals is proposed; this hospital's policy asks for 4",
    )


def test_how_many_images_were_scored_is_a_count_too(make: Make) -> None:
    made, (layout, weights) = make({"north": own(share_metrics=True), "east": OPEN}), start()
    plan = Question("evaluate", made.study.to_table(), 0, layout, weights, {"part": "test"})
    assert (
        not {"images", "patients"} & set(made.put("north", plan).values)
        and made.put("east", plan).values["images"] > 0
    )


def test_a_sentence_with_a_number_of_the_hospital_s_own_does_not_leave(make: Make) -> None:
    made = make({"east": OPEN}, data={"min_patients": 50})
    plan = Question("join", made.study.to_table())
    refused(
        made, "north", plan, "The hospital's data do not serve this study; its own log says why."
    )
    assert "50" in (made.sites["north"].state / "site.log").read_text()
    refused(made, "east", plan, "50")


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.25])
def test_an_undefined_metric_counts_as_nothing(value: float | None) -> None:
    lanes = workers._lanes({"dice": value}, ())
    assert lanes == {
        sum_specs.defined("dice"): int(value == 0.25),
        "dice": 0.25 if value == 0.25 else 0.0,
    }
