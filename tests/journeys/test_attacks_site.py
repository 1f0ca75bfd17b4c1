"""Attacks on a hospital that do not succeed.

A coordinator in wrong hands, a bundle of code, smuggled code in the hospital's installation.

A stock SuperLink plays the coordinator in wrong hands; a real hospital's gateway and worker (north)
are connected to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from client.policy import approvals
from common.errors import InputError
from common.protocol.envelopes import Question
from common.study import study as studies
from common.trust import certificates, study_signature
from common.trust.study_signature import Statement
from server.host.superlink import LinkGrid
from server.participants import join
from server.transport import Transport
from tests import small
from tests.journeys.federation import until
from tests.journeys.siege import EVIL, NOW, Scene, registered, siege, stolen
from tests.patience import patient

ROGUE = Path(__file__).with_name("rogue")
STUDY = studies.parse(
    {
        **small.TABLE,
        "federation": {"rounds": 1, "min_sites": 1},
        "secure_aggregation": {"enabled": True},
    }
)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with siege() as made:
        yield made


@dataclass
class Captive:
    """Our own hospital (north) at a coordinator in wrong hands."""

    scene: Scene
    grid: LinkGrid
    node: int

    def asked(self, seal: Any, study: Any = STUDY) -> str:
        """What the hospital says when asked to join a study: its fault, or "" if it joins."""
        transport = Transport(self.grid, seal)
        answers = dict(
            transport.ask({self.node: Question("join", study.to_table())}, deadline=patient(60))
        )
        return answers[self.node].fault

    def log(self, part: str) -> str:
        """A log of the hospital's."""
        logs = self.scene.ours.top / "north" / "logs"
        return (logs / part / f"{part}.log").read_text()


@pytest.fixture(scope="module")
def captive(scene: Scene) -> Iterator[Captive]:
    made = scene.ours
    home = scene.hospital("north")
    registered(scene, "north", "south")
    text = home.site_toml.read_text()
    home.site_toml.write_text(text.replace(f"port = {made.port}", f"port = {scene.bare}"))
    made.environment |= smuggled(scene, "north", free=False)
    approvals.grant(home.state, STUDY, "Dr. A. Rivers", "train", datetime.now(UTC), 1)
    made.start_site("north")
    with stolen(scene) as grid:
        node = until(
            lambda: next((node for node, name in grid.names().items() if name == "south"), 0),
            "the hospital does not come",
        )
        until(home.socket.exists, "the worker does not come")
        yield Captive(scene, grid, node)
    made.stop("north")
    home.site_toml.write_text(text)


def smuggled(scene: Scene, site: str, *, free: bool) -> dict[str, str]:
    """An environment in which a hospital's processes run smuggled code."""
    made = scene.ours
    about = {
        "data": str(made.data / site),
        "home": str(made.top / site),
        "port": scene.listener,
        "free": free,
    }
    house = made.environment["PYTHONPATH"].split(os.pathsep)[-1]
    return {"ROGUE": json.dumps(about), "PYTHONPATH": f"{ROGUE}{os.pathsep}{house}"}


def seal(
    scene: Scene, key: bytes | None = None, study: Any = STUDY, **changed: str
) -> dict[str, Any]:
    """A signed statement about a study, by default a right one."""
    times = {"issued": NOW.isoformat(), "expires": (NOW + timedelta(days=1)).isoformat()}
    statement = Statement(
        **{"consortium": "trial", "run": "x", "study": study.digest, **times, **changed}
    )
    return study_signature.sign(
        statement, key or (scene.ours.home / "coordinator.key").read_bytes()
    )


def test_a_hospital_asks_for_no_code(scene: Scene, captive: Captive) -> None:
    def counts() -> tuple[int, ...]:
        text = (scene.ours.top / "bare.out").read_text()
        return tuple(
            text.count(words)
            for words in ("[Fleet.PushMessages]", "[Fleet.GetFab]", "[Fleet.GetRun]")
        )

    pushed, fetched, runs = counts()
    assert captive.asked(seal(scene)) == ""  # it takes part, and the run's bundle is full of code
    assert counts() == (pushed + 1, fetched, runs)
    home = scene.hospital("north").path
    assert not list(home.rglob("*evil*")) and not any(
        EVIL[:20] in f.read_bytes() for f in home.rglob("*") if f.is_file()
    )


# ---- whose studies a hospital works on ----


def test_a_signed_study_is_worked_on_and_no_other(scene: Scene, captive: Captive) -> None:
    right = seal(scene)
    longer = {
        **right,
        "statement": {**right["statement"], "expires": (NOW + timedelta(days=999)).isoformat()},
    }
    other = studies.parse({**STUDY.to_table(), "seed": 99})
    foreign = certificates.signer(
        certificates.authority("trial", NOW, 10), "coordinator", NOW, 10
    ).key
    own = scene.hospital("north").identity_key.read_bytes()
    past = seal(
        scene,
        issued=(NOW - timedelta(days=9)).isoformat(),
        expires=(NOW - timedelta(days=1)).isoformat(),
    )
    refused = {
        "The study is not signed: a statement and a signature are expected.": [captive.asked({})],
        (
            "The study is not signed by the coordinator's key; "
            "it was changed on the way or comes from somebody else."
        ): [
            captive.asked(seal(scene, foreign)),
            captive.asked(seal(scene, own)),
            captive.asked(longer),
        ],
        (
            "The signature is that of another study; the one that came was changed after it "
            "was signed."
        ): [captive.asked(right, study=other)],
        "The study is signed for another consortium than this hospital's.": [
            captive.asked(seal(scene, consortium="another"))
        ],
        "The study's signature has expired; the coordinator must submit it again.": [
            captive.asked(past)
        ],
    }
    for sentence, faults in refused.items():
        assert [fault.replace('"', "'") for fault in faults] == [sentence] * len(faults)
    assert captive.asked(right) == ""


def test_a_hospital_that_calls_itself_by_another_s_name_is_excluded(
    scene: Scene, captive: Captive
) -> None:
    """Its node was enrolled as "south" and it says "north"."""

    class Alone(Transport):
        def nodes(self) -> list[int]:
            return [captive.node]

    class Bare(Alone):
        def names(self) -> dict[int, str]:
            return {}  # Flower's own grid knows no names

    with pytest.raises(
        InputError,
        match="south: It calls itself 'north', which is not the name that it was enrolled under",
    ):
        join(Alone(captive.grid, seal(scene)), STUDY)

    assert [member.site for member in join(Bare(captive.grid, seal(scene)), STUDY).members] == [
        "north"
    ]


# ---- the walls of a hospital, around smuggled code in the real processes ----


def test_smuggled_code_stays_within_the_walls(scene: Scene, captive: Captive) -> None:
    line = until(lambda: _rogue(captive.log("worker")), "the worker's smuggled code says nothing")
    assert line == (
        "rogue worker: connect EACCES, datagram EACCES, list data done, read data done, "
        "write data EACCES, identity key done, tls key EACCES"
    )
    line = until(lambda: _rogue(captive.log("gateway")), "the gateway's smuggled code says nothing")
    assert line == (
        "rogue gateway: connect done, datagram done, list data EACCES, read data EACCES, "
        "write data EACCES, identity key EACCES, tls key done"
    )


def test_without_the_walls_smuggled_code_does_what_it_likes(scene: Scene) -> None:
    scene.ours.environment |= smuggled(scene, "valley", free=True)
    for part in ("worker", "gateway"):
        scene.ours.start_part("valley", part)
    all_done = (
        "connect done, datagram done, list data done, read data done, write data done, "
        "identity key done, tls key done"
    )
    for part in ("worker", "gateway"):
        file = scene.ours.top / f"valley-{part}.out"
        assert (
            until(partial(_rogue_in, file), "smuggled code says nothing")
            == f"rogue {part}: {all_done}"
        )
        scene.ours.stop(f"valley-{part}")


def _rogue_in(file: Path) -> str:
    return _rogue(file.read_text())


def _rogue(text: str) -> str:
    return next(
        (
            line
            for line in text.splitlines()
            if line.startswith("rogue ") and line.endswith(("done", "EACCES"))
        ),
        "",
    )
