"""The handler: an envelope with a question comes in, one with an answer goes out, always.

    question -> is the study signed? -> admission (policy) -> worker -> outbox (policy) -> audit log

Beside the work, hospitals vouch for each other's audit logs (``client/audit/witness.py``).

The same handler serves a virtual hospital of a simulation and the worker process of a real one. It
never raises: a failure becomes an answer with a sentence of the table
(``common/sentences/table.py``), and the details stay in the hospital's log.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from client.audit import log as audit_log
from client.audit import witness
from client.audit.schema import EntryError
from client.site import Site
from client.worker import admission, outbox
from client.worker import worker as workers
from common.errors import SiteError
from common.protocol import envelopes
from common.protocol.envelopes import Envelope, Reply
from common.secagg import messages
from common.sentences import table as sentences
from common.study.study import Study

_STEP = {
    "join": "reading",
    "agree": "sum",
    "tally": "sum",
    "train": "training",
    "evaluate": "scoring",
}
"""Kind of question: what its work is called."""


def answer(site: Site, envelope: Envelope) -> Envelope:
    """Answer a question."""
    entry: dict[str, Any] = {}
    began = time.monotonic()
    return _recorded(site, _answer(site, envelope, entry), entry, began)


def fault(site: Site, error: Exception) -> Envelope:
    """An answer that says why there is none."""
    envelope, entry = outbox.fault(site, error)
    return _recorded(site, envelope, entry, time.monotonic())


def _recorded(site: Site, envelope: Envelope, entry: Mapping[str, Any], began: float) -> Envelope:
    """The envelope, once it is in the audit log; else another that says that it could not be."""
    # What is not written down does not leave.
    if not site.keeps_record:
        return envelope
    seconds = round(time.monotonic() - began, 3)
    try:
        audit_log.note(site.state, **entry, seconds=seconds, bytes=envelope.size)
    except OSError as error:
        return outbox.fault(site, SiteError("record.unwritable", repr(error)), step="record")[0]
    except EntryError as error:
        return outbox.fault(site, error, step="record")[0]
    return envelope


def _answer(site: Site, envelope: Envelope, entry: dict[str, Any]) -> Envelope:
    """The answer; ``entry`` gets what the audit log keeps."""
    study: Study | None = None
    step = "question"
    try:
        question = envelopes.read_question(envelope)
        entry |= {"kind": question.kind, "round": question.round}
        study = workers.study(question)
        step = "signature"
        run = site.trust.admit(question, study).run
        entry |= {"run": run, "study": study.name, "digest": study.digest}
        step = "record"
        # Before the work too, so that a crash in the middle of it leaves a trace.
        if site.keeps_record:
            audit_log.note(site.state, event="asked", **entry, received=envelope.size)
        step = "admission"
        admission.check(site, question, study)
        witness.take(site, question.settings.get("heads"), run)
        step = _STEP[question.kind]
        reply = workers.resident(site, question, run).answer(question)
        if question.kind == "train":
            head = witness.sign(site, run, question.round) if site.keeps_record else None
            reply = replace(reply, values={**reply.values, "head": head})
        step = "outbox"
        answered = outbox.release(site, question, study, reply)
        entry |= _released(answered, reply)
        return answered
    # Everything, not only our own errors: nothing about a patient may leave in the text of an
    # unforeseen one.
    except Exception as error:
        refused, reasons = outbox.fault(site, error, study, step)
        entry |= reasons
        return refused


def _released(answered: Envelope, reply: Reply) -> dict[str, Any]:
    """What left, by name, for the audit log."""
    vector = [] if reply.delta is None else ["vector"]
    entry: dict[str, Any] = {
        "left": [*outbox.names(answered), *vector, *messages.kinds(reply.secure)]
    }
    if "refused" in reply.values:
        entry["refused"] = list(sentences.rendered(reply.values["refused"], len(reply.secure) + 64))
    return entry
