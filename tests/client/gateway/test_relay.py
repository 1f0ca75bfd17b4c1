"""The gateway carries envelopes as they are, and says in one sentence why one was not carried."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import pytest
from flwr.app import Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from client.gateway import relay
from client.gateway.fleet_api import Delivery
from client.gateway.retries import FleetError, OverError
from client.isolation.framing import Memory
from client.isolation.ipc import IpcError
from common.protocol import envelopes
from common.protocol.envelopes import Envelope
from common.sentences.table import say

Answered = tuple[str, Memory | None]


@dataclass
class Coordinator:
    """A connection that hands out questions and keeps the answers."""

    questions: list[Delivery | None] = field(default_factory=list)
    answers: list[tuple[Delivery, Envelope, float]] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    left: bool = False

    def __enter__(self) -> Coordinator:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.left = True

    def receive(self) -> Delivery | None:
        if len(self.questions) == 1:
            self.stop.set()
        return self.questions.pop(0)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    def answer(self, question: Delivery, envelope: Envelope, seconds: float) -> None:
        self.answers.append((question, envelope, seconds))


class Worker:
    """A port with a function behind it."""

    def __init__(self, answer: Callable[[str, Memory | None], Answered]) -> None:
        self._answer = answer
        self.asked: list[tuple[str, Memory | None, float | None]] = []

    def ask(self, text: str, vector: Memory | None, timeout: float | None = None) -> Answered:
        self.asked.append((text, vector, timeout))
        return self._answer(text, vector)


def question(text: str = "{}", vector: Any = None) -> Delivery:
    TaskIdentity.run_id = 9
    TaskIdentity.node_id = 1
    TaskIdentity.task_id = 1
    message = Message(RecordDict(), 7, "train", group_id="3")
    message.metadata.__dict__["_message_id"] = "ab" * 32
    return Delivery(message, Envelope(text, vector))


def carried(
    answer: Callable[[str, Memory | None], Answered], asked: Delivery
) -> tuple[Envelope, list[str], Worker]:
    coordinator = Coordinator()
    port = Worker(answer)
    log = list[str]()
    relay.carry("north", asked, coordinator, port, log.append)  # type: ignore[arg-type]
    [(about, envelope, seconds)] = coordinator.answers
    assert about is asked and seconds >= 0
    return envelope, log, port


def test_envelopes_pass_bit_by_bit_and_need_not_be_understood() -> None:
    vector = (
        np.random.default_rng(0).integers(0, 2**32, 1001, np.uint32).view("<f4")
    )  # NaN payloads too
    back = vector[::-1].copy()
    envelope, log, port = carried(
        lambda text, _: ('no JSON: "é\n', memoryview(back.tobytes())),
        question("not JSON either é", vector),
    )
    [(text, sent, timeout)] = port.asked
    assert (
        text == "not JSON either é"
        and sent is not None
        and bytes(sent) == vector.tobytes()
        and timeout is None
    )
    assert (
        envelope.text == 'no JSON: "é\n'
        and envelope.vector is not None
        and envelope.vector.tobytes() == back.tobytes()
    )
    assert len(log) == 2 and all(
        line.startswith(f"run 9 message {'ab' * 6} train 3: ") for line in log
    )


def test_an_envelope_without_a_vector_has_none_on_the_other_side() -> None:
    envelope, _, port = carried(lambda text, vector: (text, None), question("{}"))
    assert envelope == Envelope("{}") and port.asked[0][1] is None


def test_a_worker_that_is_not_there_becomes_a_public_sentence() -> None:
    def gone(*_: object) -> Answered:
        raise IpcError("worker.absent", "nobody answers at /srv/consilium/run/worker.sock")

    envelope, log, _ = carried(gone, question())
    reply = envelopes.read_reply(envelope)
    assert (reply.site, reply.fault) == ("north", "The hospital's worker is not running.")
    assert "worker.sock" not in envelope.text and any("worker.sock" in line for line in log)


def test_a_worker_s_broken_vector_does_not_end_the_gateway() -> None:
    envelope, _, _ = carried(lambda *_: ("{}", memoryview(b"12345")), question())
    assert envelopes.read_reply(envelope).fault == "The hospital's worker sent a broken answer."


def test_the_log_holds_nothing_of_a_letter() -> None:
    _, log, _ = carried(lambda *_: ("secret answer", None), question("secret question"))
    assert not any("secret" in line for line in log)


def test_it_carries_until_told_to_stop_and_waits_when_nothing_is_asked() -> None:
    coordinator = Coordinator([None, question("a"), None, question("b")])
    port = Worker(lambda text, _: (text.upper(), None))
    log = list[str]()
    relay.run(
        "north",
        coordinator,  # type: ignore[arg-type]
        port,
        0.25,
        coordinator.stop,
        log.append,
    )
    assert [envelope.text for _, envelope, _ in coordinator.answers] == ["A", "B"]
    assert (
        coordinator.waited == [0.25, 0.25]
        and coordinator.left
        and log[0] == "connected to the coordinator"
    )


def test_a_refused_hospital_leaves() -> None:
    coordinator = Coordinator()

    def refused() -> None:
        raise FleetError("coordinator.hospital", status=403)

    coordinator.receive = refused  # type: ignore[method-assign]
    with pytest.raises(FleetError):
        relay.run(
            "north",
            coordinator,
            Worker(lambda *_: ("", None)),
            0.1,
            coordinator.stop,
            lambda _: None,
        )  # type: ignore[arg-type]
    assert coordinator.left


def test_a_run_that_was_stopped_does_not_end_the_gateway() -> None:
    coordinator = Coordinator([question("a"), question("b")])
    log = list[str]()
    answer = coordinator.answer

    def over(question: Delivery, envelope: Envelope, seconds: float) -> None:
        coordinator.answer = answer  # type: ignore[method-assign]
        raise OverError("coordinator.run_over")

    coordinator.answer = over  # type: ignore[method-assign]
    relay.run(
        "north",
        coordinator,
        Worker(lambda text, _: (text.upper(), None)),
        0.1,
        coordinator.stop,
        log.append,
    )  # type: ignore[arg-type]
    assert [envelope.text for _, envelope, _ in coordinator.answers] == ["B"]
    assert "The run has ended at the coordinator; its question is dropped." in log


def test_the_coordinator_s_words_are_printable_in_the_log() -> None:
    hostile = "\x1b]52;c;x\x07\n\u202e"
    lines: list[str] = []
    asked = question()
    asked.message.metadata.__dict__["_group_id"] = hostile * 1000
    broken = Delivery(asked.message, asked.envelope, say("message.broken"), hostile * 1000)
    worker: Any = Worker(lambda text, vector: ("{}", None))
    fleet: Any = Coordinator()
    relay.carry("north", broken, fleet, worker, lines.append)
    assert len(lines) == 3 and all(line.isprintable() and len(line) < 600 for line in lines)
