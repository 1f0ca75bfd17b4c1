"""Messages survive the way there and back; a broken one is refused before anything changes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from common.errors import WireError
from common.protocol import envelopes, flower_records
from common.protocol.envelopes import Envelope, Question, Reply
from common.sentences.table import say

VECTOR = np.linspace(-1, 1, 11, dtype=np.float32)
QUESTION = Question("train", {"name": "x"}, 3, "f" * 64, VECTOR, {"repeat": 2}, {"signature": "x"})
REPLY = Reply("north", "train", 3, "f" * 64, {"weight": 7, "loss": 0.25}, VECTOR)


@pytest.mark.parametrize("shared", [True, False])
def test_a_question_survives(shared: bool) -> None:
    packed = flower_records.pack(envelopes.write_question(QUESTION), shared=shared)
    question = envelopes.read_question(flower_records.unpack(packed))
    assert (
        question.kind,
        question.study,
        question.round,
        question.layout,
        question.settings,
        question.seal,
    ) == (
        "train",
        {"name": "x"},
        3,
        "f" * 64,
        {"repeat": 2},
        {"signature": "x"},
    )
    assert question.model is not None and question.model.tobytes() == VECTOR.tobytes()
    assert flower_records.is_shared(packed) is shared


@pytest.mark.parametrize("shared", [True, False])
def test_an_answer_survives(shared: bool) -> None:
    reply = envelopes.read_reply(
        flower_records.unpack(flower_records.pack(envelopes.write_reply(REPLY), shared=shared))
    )
    assert (reply.site, reply.values, reply.fault) == ("north", {"weight": 7, "loss": 0.25}, "")
    assert reply.delta is not None and reply.delta.tobytes() == VECTOR.tobytes()


@pytest.mark.parametrize("shared", [True, False])
def test_messages_of_secure_sums_survive(shared: bool) -> None:
    messages = (b"", b"\0\xff", bytes(range(256)) * 40)
    question = envelopes.read_question(
        flower_records.unpack(
            flower_records.pack(
                envelopes.write_question(Question("agree", {}, secure=messages)), shared=shared
            )
        )
    )
    reply = envelopes.read_reply(
        flower_records.unpack(
            flower_records.pack(
                envelopes.write_reply(Reply("north", "agree", secure=messages)), shared=shared
            )
        )
    )
    assert (
        question.secure == reply.secure == messages
        and question.model is None
        and reply.delta is None
    )


def test_silence_does_not_travel() -> None:
    envelope = envelopes.write_reply(Reply("north", "train", silent=True))
    assert "silent" not in envelope.text and not envelopes.read_reply(envelope).silent


def test_a_fault_in_words_of_its_own_does_not_travel() -> None:
    with pytest.raises(WireError, match="only a sentence of the table travels"):
        envelopes.write_reply(Reply("north", "train", fault="Smith, Anna has no image."))


@pytest.mark.parametrize("kind", ["join", "agree", "tally"])
def test_short_questions_carry_no_model(kind: str) -> None:
    assert envelopes.read_question(envelopes.write_question(Question(kind, {}))).kind == kind
    with pytest.raises(WireError, match=f"A {kind} message came with a model"):
        envelopes.read_question(envelopes.write_question(Question(kind, {}, model=VECTOR)))


def test_undefined_numbers_travel_as_null() -> None:
    values = {"metrics": {"auc": float("nan")}, "list": [float("inf"), 1.0]}
    assert envelopes.read_reply(
        envelopes.write_reply(Reply("a", "evaluate", values=values))
    ).values == {
        "metrics": {"auc": None},
        "list": [None, 1.0],
    }


def test_size_counts_header_and_vector() -> None:
    assert 44 < envelopes.write_reply(REPLY).size < 400


HEADER = {
    "version": envelopes.VERSION,
    "kind": "train",
    "study": {},
    "round": 1,
    "layout": "",
    "settings": {},
    "seal": {},
    "secure": [],
}
BROKEN: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "not valid JSON"),
    "NaN in JSON": ('{"version": NaN}', "not valid JSON"),
    "infinite in JSON": ('{"version": 1e999}', "not valid JSON"),
    "whole number beyond floats": (f'{{"version": {10**400}}}', "not valid JSON"),
    "whole number beyond digits": (f'{{"version": {"9" * 5000}}}', "not valid JSON"),
    "deep JSON": ("[" * 100_000, "not valid JSON"),
    "list": ("[]", "version"),
    "other version": ({**HEADER, "version": 1}, "version 1"),
    "unknown kind": ({**HEADER, "kind": "exec"}, "exec"),
    "no model": (HEADER, "without a model"),
    "round as text": ({**HEADER, "round": "1"}, "round"),
    "round as truth": ({**HEADER, "round": True}, "round"),
    "study as list": ({**HEADER, "study": []}, "study"),
    "secure as text": ({**HEADER, "secure": "x"}, "secure is of type str"),
    "no secure part": (
        {k: v for k, v in HEADER.items() if k != "secure"},
        "secure is of type NoneType",
    ),
    "secure as numbers": ({**HEADER, "secure": [1]}, "list of at most 4096 texts"),
    "secure without end": (
        {**HEADER, "secure": [""] * 4097},
        "list of at most 4096 texts",
    ),
    "secure not base64": ({**HEADER, "secure": ["AA=", "!"]}, "not base64"),
    "secure not ASCII": ({**HEADER, "secure": ["é"]}, "not base64"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_question_is_refused(name: str) -> None:
    header, reason = BROKEN[name]
    text = header if isinstance(header, str) else json.dumps(header)
    with pytest.raises(WireError, match=reason):
        envelopes.read_question(Envelope(text))


def test_a_join_question_carries_no_model() -> None:
    with pytest.raises(WireError, match="with a model"):
        envelopes.read_question(envelopes.write_question(Question("join", {}, model=VECTOR)))


def test_raw_bytes_become_an_envelope() -> None:
    envelope = Envelope.received("{}", bytearray(VECTOR.tobytes()))
    assert envelope.vector is not None and envelope.vector.tobytes() == VECTOR.tobytes()
    assert Envelope.received("{}", None).vector is None
    with pytest.raises(WireError, match="7 bytes"):
        Envelope.received("{}", b"1234567")


def test_an_envelope_of_any_length_is_not_read() -> None:
    with pytest.raises(WireError, match="characters"):
        envelopes.read_reply(Envelope(" " * (envelopes.LARGEST_TEXT + 1)))


REFUSAL = say("data.too_few_patients", patients=3, asked=20)
ABOUT = {"step": "reading", "id": "0a1b2c3d"}


@pytest.mark.parametrize(
    ("about", "details"),
    [
        (ABOUT, "data.too_few_patients, reading, 0a1b2c3d"),
        ({**ABOUT, "accused": "south"}, "data.too_few_patients, reading, 0a1b2c3d"),
        ({}, "data.too_few_patients"),
        *(
            ({**ABOUT, "step": v}, "data.too_few_patients, 0a1b2c3d")
            for v in ("", "<b>", "client.readers", "x" * 90, "é", 3, None, ["sum"], {})
        ),
        *(
            ({**ABOUT, "id": v}, "data.too_few_patients, reading")
            for v in ("", "<b>", "0a1b2c3", "0a1b2c3d4", "A" * 8, 3, None, ["a"], {})
        ),
    ],
    ids=str,
)
def test_a_refusal_says_its_code_step_and_id_where_they_are_such(
    about: dict[str, Any], details: str
) -> None:
    reply = envelopes.read_reply(envelopes.write_refusal("north", REFUSAL, about))
    assert (reply.site, reply.sentence, reply.fault) == ("north", REFUSAL, REFUSAL.render())
    assert (
        reply.refusal
        == "Patients with usable images: 3; at least 20 are needed (data.min_patients). "
        f"[{details}]"
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "data.smith", "arguments": {}},
        {"code": "data.too_few_patients", "arguments": {"patients": "Smith", "asked": 20}},
        {"code": "data.no_images", "arguments": {"name": "Smith"}},
        {"text": "Smith"},
        {},
    ],
)
def test_a_sentence_that_this_side_does_not_know_is_a_neutral_one(fault: dict[str, Any]) -> None:
    text = json.loads(envelopes.write_refusal("north", REFUSAL, ABOUT).text)
    reply = envelopes.read_reply(Envelope(json.dumps({**text, "fault": fault})))
    assert reply.fault == say("message.unknown").render() and "mith" not in reply.refusal


@pytest.mark.parametrize("fault", ["Smith", 3, ["Smith"], True])
def test_a_fault_that_is_no_table_is_a_broken_answer(fault: Any) -> None:
    text = json.loads(envelopes.write_refusal("north", REFUSAL, ABOUT).text)
    with pytest.raises(WireError, match="fault is of type"):
        envelopes.read_reply(Envelope(json.dumps({**text, "fault": fault})))


HOSTILE = "\x1b]52;c;cm0=\x07\u202e\u2028"


def test_what_a_hospital_wrote_is_printable_and_short_where_it_enters() -> None:
    written = Reply(HOSTILE, HOSTILE, 1, HOSTILE, {HOSTILE: [HOSTILE], "long": "é" * 2_000_000})
    reply = envelopes.read_reply(envelopes.write_reply(written))
    shown = "\\x1b]52;c;cm0=\\x07\\u202e\\u2028"
    assert (reply.site, reply.kind, reply.layout) == (shown, shown, shown)
    assert reply.values[shown] == [shown] and len(reply.values["long"]) == 400


@pytest.mark.parametrize(
    "header",
    [{"version": HOSTILE}, {"version": "x" * 2_000_000}, {"version": 3, "kind": HOSTILE * 1000}],
)
def test_a_refusal_repeats_nothing_that_a_terminal_obeys(header: dict[str, Any]) -> None:
    whole = {"study": {}, "round": 0, "layout": "", "settings": {}, "seal": {}, "secure": []}
    with pytest.raises(WireError) as caught:
        envelopes.read_question(Envelope(json.dumps({**whole, **header})))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_values_without_end_are_refused() -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    with pytest.raises(WireError, match="nested too deep"):
        envelopes.read_reply(envelopes.write_reply(Reply("north", "join", values={"x": deep})))
