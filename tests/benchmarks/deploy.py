"""Deployed rounds without training, with every real process, TLS and socket between.

Beside bare Flower in the same run.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.benchmarks import _bare_flower
from tests.benchmarks._result import Result, peak_bytes

_MODULE = "tests.benchmarks.deploy"
_SITES = ("north", "valley", "harbour")
_CONSORTIUM = """name = "bench"
address = "localhost"
port = {}
link_port = {}
sites = ["north", "valley", "harbour"]
"""


def run() -> Iterator[Result]:
    """Three sites on loopback; medians over the rounds after the first."""
    for weights, rounds, goal, name in ((997_634, 12, 0.6, "1M"), (30_121_346, 5, 3.0, "30M")):
        ours = _measure(weights, rounds)
        bare = _bare_flower.seconds_a_round(weights, len(_SITES), 2)
        yield Result(
            f"deploy/{name} x 3 sites",
            ours["seconds"],
            "s a round",
            goal,
            peer="bare Flower 1.41, same run",
            peer_value=bare,
        )
        if name == "30M":
            yield Result(
                "deploy/30M x 3 sites, ServerApp's peak",
                ours["peak"] / (4 * weights),
                "x model",
                2.5,
            )


def _measure(weights: int, rounds: int) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))  # Unix sockets need short paths
    try:
        with _federation(folder) as home:
            command = [
                sys.executable,
                "-m",
                _MODULE,
                "submit",
                str(home),
                str(weights),
                str(rounds),
            ]
            subprocess.run(command, check=True, timeout=60)
            result = home / "result.json"
            last = time.monotonic() + 300
            while not result.exists() and time.monotonic() < last:
                time.sleep(0.2)
            values: dict[str, float] = json.loads(result.read_text("utf-8"))
            return values
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _federation(folder: Path) -> Iterator[Path]:
    from client.commands.enrol import enrol
    from server.commands.provision import provision

    ports = _bare_flower.free_ports(2)
    (folder / "c.toml").write_text(_CONSORTIUM.format(*ports), "utf-8")
    home, now = folder / "co", datetime.now(UTC)
    provision(folder / "c.toml", home, now)
    with ExitStack() as stack:
        _start(stack, "host", home)
        _until(lambda: _bare_flower.listens(ports[0]))
        for site in _SITES:
            (folder / f"data-{site}").mkdir()
            enrol(home / "kits" / site, folder / site, folder / f"data-{site}", now)
            _start(stack, "worker", folder / site)
            _start(stack, "gateway", folder / site)
        yield home


def _start(stack: ExitStack, part: str, home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE, part, str(home)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )

    def end() -> None:
        process.terminate()
        process.wait(20)

    stack.callback(end)


def _until(there: object) -> None:
    last = time.monotonic() + 30
    while not there():  # type: ignore[operator]
        if time.monotonic() > last:
            raise TimeoutError("a part of the benchmark did not start")
        time.sleep(0.05)


def _host(home: Path) -> None:
    from server.host.server_home import ServerHome
    from server.host.supervisor import Host

    Host(ServerHome.open(home), lambda line: None, _stopped(), runner=_MODULE).serve()


def _submit(home: Path, weights: str, rounds: str) -> None:
    from server.host.server_home import ServerHome

    opened = ServerHome.open(home)
    with opened.control() as control:
        _until(lambda: len(control.online()) == len(_SITES))
        (home / "wanted.json").write_text(json.dumps([int(weights), int(rounds)]), "utf-8")
        control.submit("bench")


def _runner() -> None:
    """The process of the run: null rounds over the real connection."""
    from server import rounds
    from server.host.superlink import Address, LinkGrid
    from server.participants import Member
    from server.transport import Transport
    from tests.benchmarks import null

    settings = json.loads(sys.stdin.read())
    home = Path(settings["home"])
    weights, number = json.loads((home / "wanted.json").read_text("utf-8"))
    grid = LinkGrid(
        Address(settings["superlink"], Path(settings["authority"])), settings["token"], home
    )
    grid.open()
    counts = {
        "train": 10,
        "validation": 0,
        "test": 0,
        "patients": 10,
        "train_patients": 10,
        "left_out": 0,
    }
    members = [Member(node, name, counts) for node, name in sorted(grid.names().items())]
    before = peak_bytes()
    federation = rounds.Federation(
        null.study(number), null.layout(weights), np.zeros(weights, np.float32), members
    )
    records = list(rounds.run(federation, Transport(grid), lambda round_, site, done, of: None))
    peak = peak_bytes() - before
    if not np.allclose(federation.model, null.CHANGE * number, rtol=1e-4) or len(records) != number:
        raise ValueError("the null federation has a wrong result")
    grid.close("completed", "")
    (home / "result.tmp").write_text(
        json.dumps({"seconds": statistics.median(r.seconds for r in records[1:]), "peak": peak}),
        "utf-8",
    )
    (home / "result.tmp").rename(home / "result.json")


def _worker(home: Path) -> None:
    from client.home import SiteHome
    from client.isolation import ipc
    from common.protocol import envelopes
    from common.protocol.envelopes import Envelope, Reply
    from tests.benchmarks.null import CHANGE

    site = SiteHome(home).settings().name

    def answer(text: str, vector: memoryview | None) -> tuple[str, object]:
        question = envelopes.read_question(Envelope.received(text, vector))
        if question.model is None:
            raise ValueError("no model")
        delta = question.model + CHANGE
        delta -= question.model
        values = {"weight": 10, "loss": 0.0, "steps": 1, "seconds": 0.0}
        reply = Reply(
            site=site,
            kind="train",
            round=question.round,
            layout=question.layout,
            values=values,
            delta=delta,
        )
        envelope = envelopes.write_reply(reply)
        return envelope.text, envelope.vector

    path = SiteHome(home).socket
    ipc.serve(path, answer, _stopped(), lambda line: None)  # type: ignore[arg-type]


def _gateway(home: Path) -> None:
    import signal

    from client.commands import site_processes
    from client.home import SiteHome

    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: sys.exit(0))
    opened = SiteHome(home)
    site_processes.connect(opened, opened.settings(), threading.Event())


def _stopped() -> threading.Event:
    import signal

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    return stop


def main() -> None:
    """One of the processes."""
    parts = {"host": _host, "worker": _worker, "gateway": _gateway}
    if len(sys.argv) == 1:
        _runner()
    elif sys.argv[1] == "submit":
        _submit(Path(sys.argv[2]), *sys.argv[3:])
    else:
        parts[sys.argv[1]](Path(sys.argv[2]))


if __name__ == "__main__":
    main()
