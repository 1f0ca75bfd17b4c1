"""The ClientApp: each question of the coordinator goes to this hospital's worker, and its answer back."""

from __future__ import annotations

import traceback

from flwr.app import Context, Message
from flwr.clientapp import ClientApp

from client import site as sites
from client import worker as workers
from client.site import Site
from common import wire
from common.errors import ConsiliumError, SiteError
from common.wire import Reply

app = ClientApp()


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
    """Hand a question to the worker; every failure becomes an answer with a public sentence, details stay in the hospital's log."""
    site = sites.from_node(context.node_config)
    try:
        plan = wire.decode_plan(message.content)
        reply = workers.resident(site, plan).answer(plan)
    except SiteError as error:
        reply = _fault(site, message, error.public, error.local)
    except ConsiliumError as error:
        reply = _fault(site, message, str(error), str(error))
    except Exception as error:  # the last wall: nothing about a patient may leave in an unforeseen error's text
        public = f"The hospital's work failed ({type(error).__name__}); its own log says why."
        reply = _fault(site, message, public, traceback.format_exc())
    return Message(wire.encode_reply(reply, shared=wire.is_shared(message.content)), reply_to=message)


def _fault(site: Site, message: Message, public: str, local: str) -> Reply:
    site.log(local)
    return Reply(site.name, message.metadata.message_type, fault=public)
