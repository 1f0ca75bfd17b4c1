"""The data are opened anew when a patient leaves, and not at all where the list is damaged."""

from __future__ import annotations

from dataclasses import replace

from client.policy import withdrawals
from common.protocol.envelopes import Question
from tests.client.worker.hospitals import Make, own, refused, start


def test_the_next_question_is_without_the_patient(make: Make) -> None:
    consortium = make({"north": own(share_counts=True)})
    ask = Question("join", consortium.study.to_table())
    before = consortium.put("north", ask).values
    withdrawals.add(consortium.sites["north"].state, "P003")
    after = consortium.put("north", ask).values
    assert before["patients"] == after["patients"] + 1
    changed = [part for part in ("train", "validation", "test") if before[part] != after[part]]
    assert len(changed) == 1 and before[changed[0]] == after[changed[0]] + 1


def test_a_damaged_list_stops_the_hospital_in_the_middle_of_a_run(make: Make) -> None:
    consortium = make()
    consortium.begin()
    state = consortium.sites["north"].state
    (state / withdrawals.NAME).write_bytes(b"{")
    for kind in ("join", "tally"):
        reply = consortium.put("north", Question(kind, consortium.study.to_table()))
        assert reply.fault and reply.delta is None and not reply.secure
    refused(
        consortium,
        "north",
        Question("join", consortium.study.to_table()),
        "The list of withdrawn patients cannot be read",
    )


def test_a_question_for_scoring_does_not_lower_the_least_number_of_patients(make: Make) -> None:
    consortium = make(
        {"north": own(plain_updates=True)},
        data={"min_patients": 11},
        secure_aggregation={"enabled": False},
    )
    layout, weights = start()
    train = Question("train", consortium.study.to_table(), 1, layout, weights)
    refused(consortium, "north", train, "its own log says why")
    assert not consortium.put(
        "north", Question("join", consortium.study.to_table(), settings={"scoring": True})
    ).fault
    assert consortium.put("north", replace(train)).fault, "an update over ten patients left"
