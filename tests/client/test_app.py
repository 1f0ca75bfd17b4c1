"""The ClientApp.

An envelope in Flower's message, an envelope in its answer, also for a broken one.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flwr.app import Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from client import app as client_app
from client import virtual_site
from client.worker import handler
from common.errors import WireError
from common.protocol import flower_records
from common.protocol.envelopes import Envelope

SITE = SimpleNamespace(name="north")


def sent(content: RecordDict) -> Message:
    return Message(content, dst_node_id=1, message_type="train")


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> Any:
    # Flower reads the sender of an answer here.
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
    monkeypatch.setattr(virtual_site, "from_node", lambda config: SITE)
    return SimpleNamespace(node_config={"partition-id": 0})


def test_the_handler_s_answer_goes_back(monkeypatch: pytest.MonkeyPatch, context: Any) -> None:
    questions: list[tuple[object, str]] = []

    def answer(site: object, envelope: Envelope) -> Envelope:
        questions.append((site, envelope.text))
        return Envelope("answer")

    monkeypatch.setattr(handler, "answer", answer)
    question = sent(flower_records.pack(Envelope("question"), shared=False))
    reply = client_app.answer(question, context)
    assert questions == [(SITE, "question")]
    assert flower_records.unpack(reply.content).text == "answer"
    assert reply.metadata.reply_to_message_id == question.metadata.message_id


def test_a_message_that_cannot_be_unpacked_is_answered_with_a_fault(
    monkeypatch: pytest.MonkeyPatch, context: Any
) -> None:
    monkeypatch.setattr(handler, "answer", lambda *_: pytest.fail("there is no question"))
    faults: list[Exception] = []

    def fault(site: object, error: Exception) -> Envelope:
        faults.append(error)
        return Envelope("fault")

    monkeypatch.setattr(handler, "fault", fault)
    reply = client_app.answer(sent(RecordDict()), context)
    assert [type(error) for error in faults] == [WireError]
    assert flower_records.unpack(reply.content).text == "fault"
