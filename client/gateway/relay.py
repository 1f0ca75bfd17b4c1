"""The gateway: the hospital's process with a network and without data.

It carries letters between the coordinator and the worker behind the inner wall, and understands none of them. The one letter that it makes
itself says that the worker has not answered: a code of the table (``common/sentences/table.py``), since it has nothing else to say.
Read :func:`carry` for one exchange, top to bottom.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from client.gateway.fleet_api import Delivery, Fleet, OverError
from client.isolation.ipc import IpcError, WorkerClient
from common.errors import WireError
from common.protocol import envelopes
from common.protocol.envelopes import Envelope
from common.sentences.table import Sentence, say

Log = Callable[[str], None]


def run(
    site: str, fleet: Fleet, port: WorkerClient, poll: float, stop: threading.Event, log: Log
) -> None:
    """Carry letters until told to stop. ``poll``: seconds between two looks where the coordinator has no bell."""
    with fleet:
        log("connected to the coordinator")
        while not stop.is_set():
            try:
                question = fleet.receive()
                if question is None:
                    fleet.wait(poll)
                else:
                    carry(site, question, fleet, port, log)
            except OverError as error:  # of a run that was stopped; the next question is another's
                log(str(error))


def carry(site: str, question: Delivery, fleet: Fleet, port: WorkerClient, log: Log) -> None:
    """One question to the worker and its answer back."""
    began, about = time.monotonic(), question.message.metadata
    trace = (
        f"run {about.run_id} message {about.message_id[:12]} {about.message_type} {about.group_id}"
    )
    log(f"{trace}: in {question.letter.size} bytes")
    answer = _answered(site, question, port, lambda text: log(f"{trace}: {text}"))
    fleet.answer(question, answer, time.monotonic() - began)
    log(f"{trace}: out {answer.size} bytes after {time.monotonic() - began:.3f} s")


def _answered(site: str, question: Delivery, port: WorkerClient, log: Log) -> Envelope:
    if question.fault is not None:
        log(question.broken)
        return _refusal(site, question.fault)
    try:
        return Envelope.received(*port.ask(question.letter.text, question.letter.vector, None))
    except IpcError as error:
        log(error.local)
        return _refusal(site, error.sentence)
    except WireError as error:
        log(str(error))
        return _refusal(site, say("worker.broken"))


def _refusal(site: str, sentence: Sentence) -> Envelope:
    return envelopes.refusal(site, sentence, {"step": "gateway"})
