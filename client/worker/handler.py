"""The desk of a hospital: a letter with a question comes in, a letter with the answer goes out, whatever happens in between.

    question -> is the study signed? -> gate (policy) -> worker -> outbox (policy) -> journal -> answer

Beside the work, hospitals vouch for each other's journals (``client/audit/witness.py``).

The same desk serves a virtual hospital of a simulation and the worker process of a real one. It never raises: a failure becomes an answer
with a sentence of the table (``common/sentences/table.py``), and the details stay in the hospital's log.
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
from common.protocol.envelopes import Envelope
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


def answer(site: Site, question: Envelope) -> Envelope:
    """Answer a question."""
    about: dict[str, Any] = {}
    began = time.monotonic()
    return _noted(site, _answer(site, question, about), about, began)


def fault(site: Site, error: Exception) -> Envelope:
    """An answer that says why there is none."""
    letter, said = outbox.fault(site, error)
    return _noted(site, letter, dict(said), time.monotonic())


def _noted(site: Site, letter: Envelope, about: Mapping[str, Any], began: float) -> Envelope:
    """The letter, once it is in the journal; else another that says so: what is not written down does not leave."""
    if not site.keeps_record:
        return letter
    try:
        audit_log.note(
            site.state, **about, seconds=round(time.monotonic() - began, 3), bytes=letter.size
        )
    except OSError as error:
        return outbox.fault(site, SiteError("record.unwritable", repr(error)), step="record")[0]
    except EntryError as error:
        return outbox.fault(site, error, step="record")[0]
    return letter


def _answer(site: Site, question: Envelope, about: dict[str, Any]) -> Envelope:
    """The answer; ``about`` gets what the journal keeps."""
    study: Study | None = None
    step = "question"
    try:
        plan = envelopes.read_question(question)
        about |= {"kind": plan.kind, "round": plan.round}
        study = workers.study(plan)
        step = "signature"
        run = site.trust.admit(plan, study).run
        about |= {"run": run, "study": study.name, "digest": study.digest}
        step = "record"
        if site.keeps_record:
            audit_log.note(site.state, event="asked", **about, received=question.size)
        step = "admission"
        admission.check(site, plan, study)
        witness.take(site, plan.settings.get("heads"), run)
        step = _STEP[plan.kind]
        reply = workers.resident(site, plan, run).answer(plan)
        if plan.kind == "train":
            head = witness.sign(site, run, plan.round) if site.keeps_record else None
            reply = replace(reply, values={**reply.values, "head": head})
        step = "outbox"
        letter = outbox.release(site, plan, study, reply)
        about |= (
            {"refused": list(sentences.rendered(reply.values["refused"], len(reply.secure) + 64))}
            if "refused" in reply.values
            else {}
        )
        about["left"] = [
            *outbox.names(letter),
            *(["vector"] if reply.delta is not None else []),
            *messages.kinds(reply.secure),
        ]
        return letter
    except (
        Exception
    ) as error:  # the last wall: nothing about a patient may leave in an unforeseen error's text
        letter, said = outbox.fault(site, error, study, step)
        about |= said
        return letter
