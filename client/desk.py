"""The desk of a hospital: a letter with a question comes in, a letter with the answer goes out, whatever happens in between.

The same desk serves a virtual hospital of a simulation and the worker process of a real one. It never raises: a failure becomes an answer
with a public sentence, and the details stay in the hospital's log.
"""

from __future__ import annotations

import traceback

from client import worker as workers
from client.site import Site
from common import wire
from common.errors import ConsiliumError, SiteError
from common.wire import Letter, Reply


def answer(site: Site, question: Letter) -> Letter:
    """Answer a question."""
    try:
        plan = wire.read_plan(question)
        reply = workers.resident(site, plan).answer(plan)
        return wire.write_reply(reply)
    except SiteError as error:
        return fault(site, error.public, error.local)
    except ConsiliumError as error:
        return fault(site, str(error), str(error))
    except Exception as error:  # the last wall: nothing about a patient may leave in an unforeseen error's text
        return fault(site, f"The hospital's work failed ({type(error).__name__}); its own log says why.", traceback.format_exc())


def fault(site: Site, public: str, local: str) -> Letter:
    """An answer that says why there is none; ``local`` goes to the hospital's log only."""
    site.log(local)
    return wire.write_reply(Reply(site.name, "", fault=public))
