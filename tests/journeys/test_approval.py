"""A run waits until a person at each hospital has approved the study,
and does without a hospital whose people take it back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from common.simulation.phantoms import write
from common.study import toml
from tests.journeys.federation import Federation, federation, until
from tests.journeys.test_deployment import PHANTOMS, SITES, TABLE


def offers(made: Federation, site: str) -> dict[str, Any]:
    listing: dict[str, Any] = json.loads(
        made.consilium("site", "offers", "--home", made.top / site, "--json")
    )
    return listing


def submit(made: Federation, name: str, rounds: int) -> None:
    """Queue a study that nobody has approved."""
    study = made.top / f"{name}.toml"
    study.write_text(
        toml.dumps({**TABLE, "name": name, "federation": {**TABLE["federation"], "rounds": rounds}})
    )
    made.consilium("server", "submit", study, "--home", made.home, "--name", name)


def approve(made: Federation, site: str, name: str) -> None:
    made.consilium(
        "site", "approve", name, "--home", made.top / site, "--by", "Dr. A. Rivers", "--yes"
    )


def log(made: Federation, name: str) -> str:
    path = made.home / "logs" / f"run-{made.state(name)['run_id']}.log"
    return path.read_text() if path.exists() else ""


def rounds(folder: Path) -> list[dict[str, Any]]:
    path = folder / "rounds.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def waits_for_people(made: Federation) -> None:
    """Nothing is trained before the last hospital's person has approved."""
    submit(made, "careful", 2)
    for site in SITES:
        [waiting] = until(lambda site=site: offers(made, site)["waiting"], f"{site} was not asked")
        assert waiting["study"] == "careful"
    until(
        lambda: "waiting for a person's approval at harbour, north, valley" in log(made, "careful"),
        "the run does not say that it waits",
    )
    assert (
        "waiting for a person's approval at harbour, north, valley"
        in made.state("careful")["details"]
    )
    for site in SITES[:-1]:
        approve(made, site, "careful")
    until(
        lambda: "waiting for a person's approval at valley," in log(made, "careful"),
        "the run does not go on waiting",
    )
    assert (
        rounds(made.home / "runs" / "careful") == [] and made.state("careful")["state"] == "running"
    )
    approve(made, SITES[-1], "careful")
    made.wait_for("careful")
    assert [sorted(r["accepted"]) for r in rounds(made.home / "runs" / "careful")] == [
        sorted(SITES)
    ] * 2
    for site in SITES:
        listing = offers(made, site)
        assert listing["waiting"] == [] and [
            (a["name"], a["by"], a["holds"]) for a in listing["approvals"]
        ] == [("careful", "Dr. A. Rivers", True)]


def ends_when_taken_back(made: Federation) -> None:
    """In the middle of a long run one of three, without whom no sum is large enough."""
    folder = made.home / "runs" / "lengthy"
    submit(made, "lengthy", 500)
    for site in SITES:
        until(lambda site=site: offers(made, site)["waiting"], f"{site} was not asked")
        approve(made, site, "lengthy")
    until(lambda: len(rounds(folder)) >= 2, "no round is done")
    made.consilium("site", "withdraw", "--study", "lengthy", "--home", made.top / "valley")
    until(
        lambda: made.state("lengthy")["state"] not in ("pending", "starting", "running"),
        "the run does not end",
    )
    done = [r for r in rounds(folder) if not r.get("void")]
    assert 2 <= len(done) < 500 and all(sorted(r["accepted"]) == sorted(SITES) for r in done)
    assert "valley" in log(made, "lengthy") and "approval of the study was withdrawn" in log(
        made, "lengthy"
    )
    assert (folder / "model" / "weights.safetensors").exists()  # of the last round that was whole
    entries = [
        json.loads(line)
        for line in (made.top / "valley" / "worker" / "state" / "journal.jsonl")
        .read_text()
        .splitlines()
    ]
    at = next(i for i, line in enumerate(entries) if line.get("event") == "withdrawn")
    answers = [line for line in entries[at + 1 :] if "event" not in line]
    # The withdrawal holds from the next question on; one may have been under way.
    if "left" in answers[0]:
        del answers[0]
    assert answers
    assert all(
        line.get("code", "").startswith("approval.") and "left" not in line for line in answers
    )


def test_people_approve_and_take_back() -> None:
    with federation() as made:
        write.write(made.data, hospitals=3, **PHANTOMS)
        made.provision(*SITES)
        made.start_server()
        for site in SITES:
            made.enrol(site)
            made.start_site(site)
        made.sign_roster()
        waits_for_people(made)
        ends_when_taken_back(made)
