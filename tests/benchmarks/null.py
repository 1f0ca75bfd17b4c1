"""A federation without training, so that only the rounds themselves are timed.

Each hospital adds a constant to every weight.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

import numpy as np
from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from common.protocol import envelopes, flower_records
from common.protocol.envelopes import Reply
from common.simulation.inline import InlineGrid
from common.strategies import fedavg
from common.study.sections import Data, Evaluation, FederationSettings, Named, Training
from common.study.study import Study
from common.update import Layout
from server import rounds
from server.participants import Member
from server.round_record import RoundRecord
from server.transport import Transport

CHANGE = np.float32(1e-3)


def layout(weights: int, tensors: int = 28) -> Layout:
    """A layout of so many tensors with so many weights in all."""
    size = weights // tensors
    sizes = [size] * (tensors - 1) + [weights - size * (tensors - 1)]
    return Layout(tuple(f"layer{i}" for i in range(tensors)), tuple((s,) for s in sizes))


def study(number_of_rounds: int) -> Study:
    """A study that only counts rounds."""
    named = Named("fedavg", fedavg.Options())
    federation = dataclasses.replace(FederationSettings(), rounds=number_of_rounds)
    return Study(
        "null", "", 1, named, named, named, Data(), (), (), Training(), federation, Evaluation()
    )


def client() -> ClientApp:
    """A hospital that adds a constant, out of place, and returns the change."""
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        question = envelopes.read_question(flower_records.unpack(message.content))
        if question.model is None:
            raise ValueError("no model")
        delta = question.model + CHANGE
        delta -= question.model
        values = {"weight": 10, "loss": 0.0, "steps": 1, "seconds": 0.0}
        reply = Reply(
            site=f"site{context.node_id}",
            kind="train",
            round=question.round,
            layout=question.layout,
            values=values,
            delta=delta,
        )
        return Message(
            flower_records.pack(
                envelopes.write_reply(reply), shared=flower_records.is_shared(message.content)
            ),
            reply_to=message,
        )

    return app


def members(sites: int) -> list[Member]:
    """So many hospitals with ten images each."""
    counts = {
        "train": 10,
        "validation": 0,
        "test": 0,
        "patients": 10,
        "train_patients": 10,
        "left_out": 0,
    }
    return [Member(i + 1, f"site{i + 1}", counts) for i in range(sites)]


def timed(weights: int, sites: int, number_of_rounds: int) -> Iterator[tuple[float, RoundRecord]]:
    """Run a null federation on the inline engine; yield each round's seconds and record."""
    shape = layout(weights)
    federation = rounds.Federation(
        study(number_of_rounds), shape, np.zeros(weights, np.float32), members(sites)
    )
    transport = Transport(InlineGrid(client(), sites))
    began = time.perf_counter()
    for record in rounds.run(federation, transport, lambda number, site, done, of: None):
        yield time.perf_counter() - began, record
        began = time.perf_counter()
    if not np.allclose(federation.model, CHANGE * number_of_rounds, rtol=1e-4):
        raise ValueError("the null federation has a wrong result")
