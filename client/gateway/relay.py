"""The gateway: the hospital's process with a network and without data.

It carries envelopes between the coordinator and the worker behind its socket, and understands none
of them. The one envelope that it makes itself says that the worker has not answered: a code of the
table (``common/sentences/table.py``), since it has nothing else to say. Read :func:`carry` for one
exchange, top to bottom.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from client.gateway.fleet_api import Delivery, Fleet
from client.gateway.retries import OverError
from client.isolation.ipc import IpcError, WorkerClient
from common.errors import WireError
from common.plain_text import printable
from common.protocol import envelopes
from common.protocol.envelopes import Envelope
from common.sentences.table import Sentence, say

Log = Callable[[str], None]
_LONGEST_TRACE = 120


def run(
    site: str, fleet: Fleet, worker: WorkerClient, poll: float, stop: threading.Event, log: Log
) -> None:
    """Carry envelopes until ``stop`` is set.

    Args:
        site: the hospital's name.
        fleet: the connection to the coordinator.
        worker: the connection to the worker.
        poll: seconds between two looks where the coordinator does not notify.
        stop: set by whoever ends the gateway.
        log: gets a sentence for each step.
    """
    with fleet:
        log("connected to the coordinator")
        while not stop.is_set():
            try:
                question = fleet.receive()
                if question is None:
                    fleet.wait(poll)
                else:
                    carry(site, question, fleet, worker, log)
            # Of a run that was stopped; the next question is another's.
            except OverError as error:
                log(str(error))


def carry(site: str, question: Delivery, fleet: Fleet, worker: WorkerClient, log: Log) -> None:
    """One question to the worker and its answer back."""
    began = time.monotonic()
    metadata = question.message.metadata
    # The coordinator's words, which somebody reads on a terminal.
    trace = printable(
        f"run {metadata.run_id} message {metadata.message_id[:12]} "
        f"{metadata.message_type} {metadata.group_id}",
        _LONGEST_TRACE,
    )
    log(f"{trace}: in {question.envelope.size} bytes")
    answer = _answered(site, question, worker, lambda text: log(f"{trace}: {text}"))
    fleet.answer(question, answer, time.monotonic() - began)
    log(f"{trace}: out {answer.size} bytes after {time.monotonic() - began:.3f} s")


def _answered(site: str, question: Delivery, worker: WorkerClient, log: Log) -> Envelope:
    if question.fault is not None:
        log(printable(question.broken))
        return _refusal(site, question.fault)
    try:
        return Envelope.received(
            *worker.ask(question.envelope.text, question.envelope.vector, None)
        )
    except IpcError as error:
        log(error.local)
        return _refusal(site, error.sentence)
    except WireError as error:
        log(str(error))
        return _refusal(site, say("worker.broken"))


def _refusal(site: str, sentence: Sentence) -> Envelope:
    return envelopes.write_refusal(site, sentence, {"step": "gateway"})
