"""The only server file that sends and receives.

Typed questions out, typed answers back, one at a time.

Own loop over Flower's ``push_messages`` and ``pull_messages``: an answer is folded and dropped
before the next is pulled, so memory does not grow with the number of hospitals, and nothing waits
for a fixed polling interval: a grid that can wait for an answer does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from common.errors import WireError
from common.protocol import envelopes, flower_records
from common.protocol.envelopes import Question, Reply
from common.update import Vector

_SHORTEST_WAIT = 0.005
_LONGEST_WAIT = 0.25


@dataclass
class Traffic:
    """Bytes sent to and received from hospitals since the last :meth:`take`."""

    down: int = 0
    up: int = 0
    total: dict[str, int] = field(default_factory=lambda: {"down": 0, "up": 0})

    def take(self) -> dict[str, int]:
        """Bytes since the last call."""
        moved = {"down": self.down, "up": self.up}
        self.total = {key: self.total[key] + moved[key] for key in moved}
        self.down = self.up = 0
        return moved


class Transport:
    """Questions and answers over a Flower grid.

    Args:
        seal: the coordinator's signature under the study, which goes with every question.
    """

    def __init__(self, grid: Grid, seal: Mapping[str, Any] | None = None) -> None:
        self._grid = grid
        self._seal = seal or {}
        self._shared = bool(getattr(grid, "shares_memory", False))
        self._pause: Callable[[float], object] = getattr(grid, "wait", time.sleep)
        self.traffic = Traffic()

    def nodes(self) -> list[int]:
        """Flower's numbers of the connected nodes."""
        return sorted(self._grid.get_node_ids())

    def names(self) -> Mapping[int, str]:
        """Names under which the nodes were enrolled.

        Empty where nobody has to enrol, as in a simulation.
        """
        enrolled: Callable[[], Mapping[int, str]] = getattr(self._grid, "names", dict)
        return enrolled()

    def park(self, model: Vector) -> Vector:
        """The same model, where the grid keeps it.

        A grid over a network has it in a file, and memory is free while hospitals train.
        """
        keep: Callable[[Vector], Vector] | None = getattr(self._grid, "park", None)
        return model if keep is None else keep(model)

    def pause(self, seconds: float) -> None:
        """Wait so long, or until something arrives."""
        self._pause(seconds)

    def ask(
        self, questions: Mapping[int, Question], deadline: float | None = None
    ) -> Iterator[tuple[int, Reply]]:
        """Send each node its question; yield ``(node, answer)`` in order of arrival.

        A node that fails, breaks the protocol or misses the deadline (seconds) yields an answer
        whose ``fault`` says so.
        """
        open_questions = self._push(questions)
        last = time.monotonic() + (deadline or float("inf"))
        wait = _SHORTEST_WAIT
        while open_questions:
            arrived = False
            for message in self._grid.pull_messages(list(open_questions)):
                node = open_questions.pop(message.metadata.reply_to_message_id, None)
                answers = [message]
                del message
                if node is None:  # an answer to nothing, or a second one
                    answers.clear()
                    continue
                arrived = True
                yield (
                    node,
                    self._reply(answers.pop(), questions[node]),
                )  # popped: nothing here keeps the answer alive
            wait = _SHORTEST_WAIT if arrived else min(2 * wait, _LONGEST_WAIT)
            if open_questions and time.monotonic() > last:
                break
            if open_questions and not arrived:
                self.pause(wait)
        for node in open_questions.values():
            yield (
                node,
                Reply(
                    "", questions[node].kind, fault="No answer before the deadline.", silent=True
                ),
            )

    def _push(self, questions: Mapping[int, Question]) -> dict[str, int]:
        packed: dict[int, tuple[RecordDict, int]] = {}
        messages = []
        nodes = []
        for node, question in questions.items():
            if id(question) not in packed:
                envelope = envelopes.write_question(replace(question, seal=self._seal))
                packed[id(question)] = (
                    flower_records.pack(envelope, shared=self._shared),
                    envelope.size,
                )
            content, size = packed[id(question)]
            self.traffic.down += size
            messages.append(
                Message(content, node, envelopes.KINDS[question.kind], group_id=str(question.round))
            )
            nodes.append(node)
        return dict(zip(self._grid.push_messages(messages), nodes, strict=True))

    def _reply(self, message: Message, question: Question) -> Reply:
        if message.has_error():
            fault = (
                f"The hospital's process failed (code {message.error.code}); its own log says why."
            )
            return Reply("", question.kind, fault=fault, silent=True)
        try:
            envelope = flower_records.unpack(message.content)
            self.traffic.up += envelope.size
            return envelopes.read_reply(envelope)
        except WireError as error:
            return Reply("", question.kind, fault=str(error))
