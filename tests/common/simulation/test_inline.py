"""The grid in this process: a question is answered when its answer is pulled, once."""

from __future__ import annotations

from flwr.app import Context, Message, RecordDict

from common.simulation.inline import InlineGrid


class Client:
    """A ClientApp that notes who was asked; the second node fails."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __call__(self, message: Message, context: Context) -> Message:
        self.asked.append(int(context.node_config["partition-id"]))
        if context.node_id == 2:
            raise ValueError("Anna Smith, 1957")
        return Message(RecordDict(), reply_to=message)


def grid(client: Client) -> InlineGrid:
    return InlineGrid(client, 2)  # type: ignore[arg-type]


def question(grid: InlineGrid, node: int) -> Message:
    return grid.create_message(RecordDict(), "query", node, "1")


def test_a_question_is_answered_when_it_is_pulled() -> None:
    client = Client()
    engine = grid(client)
    assert list(engine.get_node_ids()) == [1, 2]
    [number] = engine.push_messages([question(engine, 1)])
    assert client.asked == []
    [answer] = engine.pull_messages([number])
    assert client.asked == [0] and not answer.has_error()
    assert list(engine.pull_messages([number])) == []
    assert client.asked == [0]


def test_a_hospital_that_dies_leaves_the_others_and_no_words() -> None:
    engine = grid(Client())
    answers = list(engine.send_and_receive([question(engine, 2), question(engine, 1)]))
    assert [answer.has_error() for answer in answers] == [True, False]
    assert answers[0].error.reason == "ValueError"


def test_a_number_that_nobody_pushed_has_no_answer() -> None:
    assert list(grid(Client()).pull_messages(["17"])) == []
