"""The ClientApp: each question of the coordinator goes to the handler, and its answer back."""

from __future__ import annotations

import os

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client import virtual_site
from client.training import device
from client.worker import handler
from common.errors import WireError
from common.protocol import flower_records

app = ClientApp()
THREADS = "CONSILIUM_THREADS"
"""Environment of a simulation.

The processor threads of each hospital, also in processes that Ray starts; not there: torch's own
number.
"""


@app.query()
def query(message: Message, context: Context) -> Message:
    """Introduce the hospital."""
    return answer(message, context)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train for one round."""
    return answer(message, context)


@app.evaluate()
def evaluate(message: Message, context: Context) -> Message:
    """Score a model on the hospital's own images."""
    return answer(message, context)


def answer(message: Message, context: Context) -> Message:
    """Take the envelope out of a Flower message and put the answer's into another."""
    device.fix_threads(int(os.environ.get(THREADS, "0")))
    site = virtual_site.from_node(context.node_config)
    try:
        envelope = handler.answer(site, flower_records.unpack(message.content))
    except WireError as error:
        envelope = handler.fault(site, error)
    return Message(
        flower_records.pack(envelope, shared=flower_records.is_shared(message.content)),
        reply_to=message,
    )
