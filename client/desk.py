"""The desk of a hospital: a letter with a question comes in, a letter with the answer goes out, whatever happens in between.

    question -> is the study signed? -> gate (policy) -> worker -> outbox (policy) -> journal -> answer

The same desk serves a virtual hospital of a simulation and the worker process of a real one. It never raises: a failure becomes an answer
with a public sentence, and the details stay in the hospital's log.
"""

from __future__ import annotations

import time
from typing import Any

from client import gate, journal, outbox
from client import worker as workers
from client.site import Site
from common import wire
from common.errors import SiteError
from common.secagg import messages
from common.wire import Letter


def answer(site: Site, question: Letter) -> Letter:
    """Answer a question."""
    about: dict[str, Any] = {}
    began = time.monotonic()
    letter = _answer(site, question, about)
    if site.trust is None and site.identity is None:
        return letter
    try:
        journal.note(site.state, **about, seconds=round(time.monotonic() - began, 3), bytes=letter.size)
    except OSError as error:  # what is not written down does not leave
        return fault(site, SiteError("The hospital's journal cannot be written; its disk may be full.", repr(error)))
    return letter


def fault(site: Site, error: Exception) -> Letter:
    """An answer that says why there is none."""
    return outbox.fault(site, error)[0]


def _answer(site: Site, question: Letter, about: dict[str, Any]) -> Letter:
    """The answer; ``about`` gets what the journal keeps."""
    try:
        plan = wire.read_plan(question)
        about |= {"kind": plan.kind, "round": plan.round}
        study, run = workers.study(plan), ""
        if site.trust is not None:
            run = site.trust.admit(plan, study).run
        about |= {"run": run, "study": study.name, "digest": study.digest}
        gate.check(site, plan, study)
        reply = workers.resident(site, plan, run).answer(plan)
        letter = outbox.release(site, plan, study, reply)
        about |= {"refused": reply.values["refused"]} if "refused" in reply.values else {}
        about["left"] = [*outbox.names(letter), *(["vector"] if reply.delta is not None else []), *messages.kinds(reply.secure)]
        return letter
    except Exception as error:  # the last wall: nothing about a patient may leave in an unforeseen error's text
        letter, said = outbox.fault(site, error)
        about |= said
        return letter
