"""Questions out, answers back.

Whatever a grid gives, each hospital has one answer, and memory holds one at a time.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from flwr.app import Error, Message, RecordDict

from common.protocol import envelopes, flower_records
from common.protocol.envelopes import Envelope, Question, Reply
from common.simulation.inline import InlineGrid
from server.transport import Transport
from tests.benchmarks import null

QUESTION = Question("join", {"name": "null"})


class Grid(InlineGrid):
    """Hospitals that answer when a test says so.

    ``pulled`` gets the questions and yields answers.
    """

    def __init__(self, pulled: Callable[[list[Message]], Iterable[Message]]) -> None:
        super().__init__(null.client(), 3)
        self._pulled = pulled
        self.pauses: list[float] = []

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return self._pulled([self._open[identifier] for identifier in message_ids])

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)


def answer(question: Message, content: RecordDict | None = None, **values: Any) -> Message:
    site = f"site{question.metadata.dst_node_id}"
    packed = flower_records.pack(
        envelopes.write_reply(Reply(site, "join", values=values)), shared=True
    )
    return Message(packed if content is None else content, reply_to=question)


def ask(grid: Grid, deadline: float | None = None) -> dict[int, Reply]:
    replies = list(Transport(grid).ask(dict.fromkeys([1, 2, 3], QUESTION), deadline))
    assert len(replies) == len(dict(replies))
    return dict(replies)


def test_several_answers_from_one_pull() -> None:
    pulls: list[int] = []

    def pulled(questions: list[Message]) -> Iterator[Message]:
        pulls.append(len(questions))
        return (answer(q) for q in reversed(questions))

    replies = ask(Grid(pulled))
    assert [(node, reply.site) for node, reply in replies.items()] == [
        (3, "site3"),
        (2, "site2"),
        (1, "site1"),
    ]
    assert pulls == [3]


def test_only_open_questions_are_asked_about_again_and_pauses_grow() -> None:
    pulls: list[int] = []

    def pulled(questions: list[Message]) -> list[Message]:
        pulls.append(len(questions))
        return [] if len(pulls) in (1, 2, 3) else [answer(questions[0])]

    grid = Grid(pulled)
    assert set(ask(grid)) == {1, 2, 3}
    assert (
        pulls == [3, 3, 3, 3, 2, 1]
        and grid.pauses == sorted(grid.pauses)
        and len(set(grid.pauses)) == 3
    )


def test_an_answer_to_nothing_and_a_second_answer_are_passed_over() -> None:
    rounds = iter(range(10))

    def pulled(questions: list[Message]) -> list[Message]:
        is_first = next(rounds) == 0
        stranger = Message(RecordDict(), 1, "query")
        stranger.metadata.__dict__["_message_id"] = "never asked"
        noise = [
            answer(stranger),
            answer(stranger, flower_records.pack(Envelope("{"), shared=True)),
        ]
        return (
            [*noise, answer(questions[0]), answer(questions[0], late=1)]
            if is_first
            else [*noise, *map(answer, questions)]
        )

    replies = ask(Grid(pulled))
    assert [replies[node].site for node in (1, 2, 3)] == ["site1", "site2", "site3"]
    assert not any(reply.fault for reply in replies.values()) and replies[1].values == {}


def test_answers_to_nothing_do_not_keep_the_coordinator_from_its_deadline() -> None:
    stranger = Message(RecordDict(), 1, "query")
    stranger.metadata.__dict__["_message_id"] = "never asked"
    grid = Grid(lambda _: [answer(stranger)])
    replies = ask(grid, 0.01)
    assert {reply.fault for reply in replies.values()} == {
        "No answer before the deadline."
    } and grid.pauses


def test_an_answer_that_breaks_the_protocol_is_that_hospital_s_fault_only() -> None:
    broken = {1: flower_records.pack(Envelope("{"), shared=True), 2: RecordDict()}
    replies = ask(
        Grid(lambda questions: [answer(q, broken.get(q.metadata.dst_node_id)) for q in questions])
    )
    assert "not valid JSON" in replies[1].fault and replies[2].fault and not replies[3].fault


def test_one_answer_s_vector_is_alive_at_a_time() -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    class Vector(np.ndarray):
        """An array that can be watched."""

    def pulled(questions: list[Message]) -> Iterator[Message]:
        for question in questions:
            gc.collect()
            assert [ref for ref in alive if ref() is not None] == []
            vector = np.ones(1000, "<f4").view(Vector)
            alive.append(weakref.ref(vector))
            content = flower_records.pack(
                Envelope(envelopes.write_reply(Reply("s", "train")).text, vector), shared=True
            )
            del vector
            yield answer(question, content)
            del content

    count = 0
    for _, reply in Transport(Grid(pulled)).ask(dict.fromkeys([1, 2, 3], QUESTION)):
        assert reply.delta is not None and reply.delta.sum() == 1000
        assert sum(ref() is not None for ref in alive) == 1
        count += 1
        del reply
    assert count == 3 == len(alive)


def test_traffic_is_counted_once_and_taken() -> None:
    transport = Transport(Grid(lambda questions: map(answer, questions)))
    for _ in transport.ask(dict.fromkeys([1, 2, 3], QUESTION)):
        pass
    moved = transport.traffic.take()
    assert moved["down"] == 3 * envelopes.write_question(QUESTION).size and moved["up"] > 0
    assert transport.traffic.take() == {"down": 0, "up": 0} and transport.traffic.total == moved


def test_the_seal_goes_with_every_question() -> None:
    sealed: list[Question] = []

    def pulled(questions: list[Message]) -> list[Message]:
        sealed.extend(envelopes.read_question(flower_records.unpack(q.content)) for q in questions)
        return [answer(q) for q in questions]

    list(
        Transport(Grid(pulled), {"statement": {"run": "a"}, "signature": "x"}).ask(
            {1: QUESTION, 2: QUESTION}
        )
    )
    assert [question.seal["statement"] for question in sealed] == [{"run": "a"}, {"run": "a"}]


def test_silence_is_told_from_a_broken_answer() -> None:
    def pulled(questions: list[Message]) -> list[Message]:
        by_node = {q.metadata.dst_node_id: q for q in questions}
        return (
            [Message(Error(1, "KeyError"), reply_to=by_node[1]), answer(by_node[2], RecordDict())]
            if 1 in by_node
            else []
        )

    replies = ask(Grid(pulled), 0.01)
    assert {node: reply.silent for node, reply in replies.items()} == {1: True, 2: False, 3: True}
    assert all(reply.fault for reply in replies.values())
