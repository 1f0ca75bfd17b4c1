"""A hospital's real processes, seen and stopped from its page in a real browser,
and by its commands.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from client.home import SiteHome
from client.isolation.ipc import WorkerClient
from client.policy import stop
from common.protocol import envelopes
from common.protocol.envelopes import Question, Reply
from common.simulation.phantoms import write
from common.study import study as studies
from common.study import toml
from common.trust import study_signature
from common.trust.study_signature import Statement
from tests import small
from tests.client.view.browser import browser, needed
from tests.journeys.federation import Federation, federation, until
from tests.patience import patient

STUDY = studies.parse(
    {
        **small.TABLE,
        "task": {"name": "segmentation", "classes": ["lesion"]},
        "secure_aggregation": {"enabled": True},
    }
)


@pytest.fixture(scope="module")
def made() -> Iterator[Federation]:
    """A coordinator and a hospital that has approved a study,
    with both of its processes and its page.
    """
    with federation() as there:
        write.write(there.data, hospitals=1, patients=12, size=32, seed=1)
        (there.top / "s.toml").write_text(toml.dumps(STUDY.to_table()))
        there.provision(site := next(folder.name for folder in there.data.iterdir()))
        there.start_server()
        there.enrol(site)
        there.approve(there.top / "s.toml")
        there.start_site(site)
        there._spawn("view", "site", "view", "--home", there.top / site, "--port", "0")
        until(lambda: "\n" in there.output("view"), "the view gives no address")
        until(lambda: status(there)["state"] == "taking part", "worker and gateway do not start")
        yield there


def home(made: Federation) -> SiteHome:
    [file] = made.top.glob("*/site.toml")
    return SiteHome(file.parent)


def status(made: Federation) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads(
        made.consilium("site", "status", "--home", home(made).path, "--json")
    )
    return summary


def address(made: Federation) -> str:
    return next(
        line for line in made.output("view").splitlines() if line.startswith("http://127.0.0.1:")
    )


def ask(made: Federation) -> Reply:
    """A signed question to the worker, as the gateway brings it."""
    now = datetime.now(UTC)
    statement = Statement(
        "trial", "run-1", STUDY.digest, now.isoformat(), (now + timedelta(days=1)).isoformat()
    )
    seal = study_signature.sign(statement, (made.home / "coordinator.key").read_bytes())
    envelope = envelopes.write_question(Question("join", STUDY.to_table(), seal=seal))
    return envelopes.read_reply(
        envelopes.Envelope.received(
            *WorkerClient(home(made).socket).ask(envelope.text, envelope.vector, patient(60))
        )
    )


def test_the_processes_are_seen(made: Federation) -> None:
    processes = {process["name"]: process for process in status(made)["processes"]}
    assert {name: process["state"] for name, process in processes.items()} == {
        "worker": "running",
        "gateway": "running",
    }
    assert len({process["pid"] for process in processes.values()} - {None}) == 2


def test_what_was_asked_is_seen(made: Federation) -> None:
    assert ask(made).fault == ""
    summary = status(made)
    assert [(run["study"], run["answered"], run["left"]) for run in summary["runs"]] == [
        ("small", 1, {"readiness": 1})
    ]
    assert summary["spent"]["sent"] == summary["runs"][0]["sent"] > 0 and summary["problems"] == []


@needed
def test_the_button_of_the_page_stops_the_worker(made: Federation) -> None:
    with browser() as page:
        page.look(1200)
        page.open(address(made))
        page.until("document.querySelector('#now').innerText.includes('This hospital takes part.')")
        page.click("#reason")
        page.type("scanner service")
        page.click("#press")
        page.until("document.querySelector('#now .lead.off')")
        reply = ask(made)
        assert (
            reply.sentence is not None
            and (reply.fault, reply.sentence.code) == (stop.SENTENCE, stop.CODE)
            and "scanner" not in repr(reply)
        )
        page.until(
            "document.querySelector('#refused').innerText.includes('has stopped taking part')"
        )
        assert reply.values["id"] in page.text("#refused")
        assert status(made)["state"] == "stopped"
        page.click("#press")
        page.until("document.querySelector('#now').innerText.includes('This hospital takes part.')")
        assert ask(made).fault == "" and page.complaints == []


def test_the_commands_stop_the_worker(made: Federation) -> None:
    made.consilium("site", "stop", "--home", home(made).path)
    assert ask(made).fault == stop.SENTENCE
    made.consilium("site", "resume", "--home", home(made).path)
    assert ask(made).fault == ""


def test_the_page_needs_its_key(made: Federation) -> None:
    start = address(made).partition("/?")[0]
    with httpx.Client(trust_env=False) as stranger:
        assert stranger.get(start).status_code == 403
        entered = stranger.get(address(made))
        assert entered.status_code == 303
        assert stranger.get(start + entered.headers["location"]).status_code == 200
        assert (
            stranger.get(
                start + entered.headers["location"], headers={"Host": "evil.example"}
            ).status_code
            == 421
        )


def test_nothing_of_a_patient_is_shown(made: Federation) -> None:
    """Neither a file of the data nor a word of the label table stands
    on the page or in the status.
    """
    with httpx.Client(trust_env=False, follow_redirects=True) as page:
        shown = page.get(address(made)).text + json.dumps(status(made))
    data = made.data / home(made).path.name
    names = {part for file in data.rglob("*") for part in (file.name, file.stem) if len(part) > 4}
    assert names and not [name for name in names if name in shown]
    assert str(data) not in shown and str(made.top) not in shown
