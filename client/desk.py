"""The desk of a hospital: a letter with a question comes in, a letter with the answer goes out, whatever happens in between.

The same desk serves a virtual hospital of a simulation and the worker process of a real one. It never raises: a failure becomes an answer
with a public sentence, and the details stay in the hospital's log.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from typing import Any

from client import journal
from client import worker as workers
from client.site import Site
from common import wire
from common.errors import ConsiliumError, PolicyError, SiteError
from common.secagg import messages
from common.wire import Letter, Reply


def answer(site: Site, question: Letter) -> Letter:
    """Answer a question."""
    about: dict[str, Any] = {}
    began = time.monotonic()
    letter = _answer(site, question, about)
    if site.trust is None and site.identity is None:
        return letter
    try:
        journal.note(site.state, **about, seconds=round(time.monotonic() - began, 3), bytes=letter.size)
    except OSError:  # what is not written down does not leave
        return fault(site, "The hospital's journal cannot be written; its disk may be full.", traceback.format_exc())
    return letter


def _answer(site: Site, question: Letter, about: dict[str, Any]) -> Letter:
    """The answer; ``about`` gets what the journal keeps."""
    accused = ""
    try:
        plan = wire.read_plan(question)
        about |= {"kind": plan.kind, "round": plan.round}
        study, run = workers.study(plan), ""
        if site.trust is not None:
            run = site.trust.admit(plan, study).run
        about |= {"run": run, "study": study.name, "digest": study.digest}
        reply = workers.resident(site, plan, run).answer(plan)
        about |= {"refused": reply.values["refused"]} if "refused" in reply.values else {}
        about["left"] = [*sorted(reply.values), *(["vector"] if reply.delta is not None else []), *messages.kinds(reply.secure)]
        return wire.write_reply(reply)
    except SiteError as error:
        public, local = _told(site, error), error.local
    except ConsiliumError as error:
        public = local = str(error)
        accused = getattr(error, "accused", "")
    except Exception as error:  # the last wall: nothing about a patient may leave in an unforeseen error's text
        public, local = f"The hospital's work failed ({type(error).__name__}); its own log says why.", traceback.format_exc()
    about["fault"] = public
    return fault(site, public, local, accused)


def _told(site: Site, error: SiteError) -> str:
    """The public sentence; without it where it holds a number of a hospital that keeps its counts."""
    kept = not site.policy.share_counts and not isinstance(error, PolicyError) and any(letter.isdigit() for letter in error.public)
    return "The hospital's data do not serve this study; its own log says why." if kept else error.public


def fault(site: Site, public: str, local: str, accused: str = "") -> Letter:
    """An answer that says why there is none; ``local`` goes to the hospital's log only, ``accused`` names another hospital at fault."""
    with contextlib.suppress(OSError):  # a full disk
        site.log(local)
    return wire.write_reply(Reply(site.name, "", values={"accused": accused} if accused else {}, fault=public))
