"""The SuperLink of a working server dies: server and run say so in one sentence and end.

The next start of the server goes on, and hospitals come back by themselves.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests import small
from tests.journeys.federation import Federation, federation, until
from tests.journeys.watching import descendants, members


def superlink(made: Federation) -> int:
    """Number of the SuperLink's process."""
    children = descendants(made.groups["server"].pid)
    return next(
        child
        for child in children
        if b"flower-superlink" in Path(f"/proc/{child}/cmdline").read_bytes()
    )


def test_a_killed_superlink_ends_server_and_run_and_both_say_why() -> None:
    with federation() as made:
        made.provision("north")
        made.start_server()
        made.consilium(
            "server",
            "submit",
            small.study(made.top / "s.toml"),
            "--home",
            made.home,
            "--name",
            "first",
        )
        until(lambda: (made.home / "runs" / "first" / "pid").exists(), "the run does not start")
        server = made.groups["server"]
        os.kill(superlink(made), signal.SIGKILL)
        until(lambda: server.poll() is not None, "the server does not end")
        assert server.returncode == 1
        assert "The SuperLink ended with code -9; " in made.output("server").splitlines()[-1]
        [log] = (made.home / "logs").glob("run-*.log")
        assert "Traceback" not in made.output("server") + log.read_text()
        assert members([server.pid]) == [] and not (made.home / "runs" / "first" / "pid").exists()
        made.start_server()
        assert made.state("first")["state"] in (
            "pending",
            "starting",
            "running",
            "failed",
            "stopped",
        )
        made.stop("server")


def test_a_hospital_outlasts_a_killed_superlink_and_works_on_afterwards() -> None:
    """Its gateway stays the same process, waits, and says what for."""
    with federation() as made:
        small.hospital(made.data / "north")
        made.provision("north")
        made.start_server()
        home = made.enrol("north")
        home.policy_toml.write_text("plain_updates = true\nfloor = 0\n")  # it is alone
        made.start_site("north")
        until(lambda: made.online() == {"north"}, "the hospital does not come")
        server = made.groups["server"]
        os.kill(superlink(made), signal.SIGKILL)
        until(lambda: server.poll() is not None, "the server does not end")
        until(
            lambda: "cannot reach the coordinator" in home.gateway_log.read_text(),
            "the hospital notices nothing",
        )
        made.start_server()
        made.submit(small.study(made.top / "s.toml", federation={"min_sites": 1}), "after")
        made.wait_for("after")
        farewell = made.stop("north")["north"]
    assert "started again" not in farewell and "Traceback" not in farewell
