"""The two processes of a hospital, from its folder: worker, gateway, or both with one parent.

Nothing heavy is imported at the top: the walls around a process must stand before anything starts
a thread.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from client import log_file
from client.home import SiteHome
from client.site_settings import SiteSettings
from common.cli import console
from common.plain_text import printable

_PARTS = ("worker", "gateway")
_LONGEST_TEXT = 64_000
"""Characters of one entry of a log, with an error's trace."""
_FAREWELL = 30.0
"""Seconds that worker and gateway have to end once they are told to."""
_PAUSE = 5.0
"""Seconds before a process that ended is started again; one that cannot start makes no storm."""


def run_worker(home: SiteHome, settings: SiteSettings, stop: threading.Event) -> None:
    """Be the worker: behind its walls, with the scans and without a network."""
    from client.audit import log as audit_log  # noqa: PLC0415
    from client.identity import Identity, Trust, raw_key  # noqa: PLC0415
    from client.policy import policy  # noqa: PLC0415
    from client.site import Site  # noqa: PLC0415
    from client.worker import process  # noqa: PLC0415

    authority = home.ca.read_bytes()
    rules = policy.read(home.policy_toml)
    trust = Trust(settings.consortium, home.coordinator.read_bytes(), authority)
    identity = Identity(
        settings.consortium,
        raw_key(home.identity_key.read_bytes()),
        authority,
        home.roster_crt.read_bytes(),
    )
    site = Site(
        settings.name,
        (Path(settings.data),),
        home.state,
        settings.device,
        policy=rules,
        identity=identity,
        trust=trust,
    )
    audit_log.note(home.state, event="started")
    digest = hashlib.sha256(home.policy_toml.read_bytes()).hexdigest()
    audit_log.note(home.state, event="policy", digest=digest)
    process.run(
        site,
        home=home.path,
        socket=home.socket,
        log=_log(home.worker_log),
        required_walls=settings.walls == "required",
        stop=stop,
        threads=settings.threads,
    )
    audit_log.note(home.state, event="ended")


def run_gateway(home: SiteHome, settings: SiteSettings, stop: threading.Event) -> None:
    """Be the gateway: behind its walls, with the network and without the scans."""
    from client.isolation import file_access  # noqa: PLC0415

    log = _log(home.gateway_log)
    file_access.gateway(home.path).shut(
        log, settings.walls == "required", network=True, hidden=[Path(settings.data)]
    )
    connect(home, settings, stop)


def connect(home: SiteHome, settings: SiteSettings, stop: threading.Event) -> None:
    """Carry messages between the coordinator's server and this hospital's worker until ``stop``."""
    # These start threads, so they are imported after the walls stand.
    from client.gateway import connection, relay  # noqa: PLC0415
    from client.gateway.fleet_api import Fleet, node_key  # noqa: PLC0415
    from client.isolation.ipc import WorkerClient  # noqa: PLC0415

    log = _log(home.gateway_log)
    key = node_key(home.node_key)
    with connection.client(settings, home.ca.read_bytes(), (home.tls_crt, home.tls_key)) as http:
        fleet = Fleet(
            connection.base_url(settings),
            http,
            key,
            stop=stop,
            broken=lambda error: log(connection.explain(error, settings)),
        )
        worker = WorkerClient(home.socket)
        relay.run(settings.name, fleet, worker, poll=settings.poll, stop=stop, log=log)


def run_both(home: SiteHome, stop: threading.Event) -> None:
    """Start both processes and start anew the one that ends."""
    program = "from common.cli.main import main; raise SystemExit(main())"
    words = ["site", "start", "--home", str(home.path), "--only"]
    command = [sys.executable, "-c", program, *words]
    running: dict[str, subprocess.Popen[bytes]] = {}
    console.note(f"worker and gateway start; their logs are in {home.logs}")
    logs = dict(zip(_PARTS, (home.worker_log, home.gateway_log), strict=True))
    pause = 0.0
    # Also where one of them cannot be started again, neither stays behind.
    try:
        while not stop.wait(pause):
            ended = [part for part in _PARTS if _is_over(running.get(part))]
            for part in ended:
                if part in running:
                    code = running[part].returncode
                    console.note(f"the {part} ended with code {code}; it is started again")
                running[part] = _start([*command, part], logs[part])
            pause = _PAUSE if ended and pause else 0.5
    finally:
        _end(running)
    console.note("site stopped")


def _is_over(process: subprocess.Popen[bytes] | None) -> bool:
    return process is None or process.poll() is not None


def _end(running: dict[str, subprocess.Popen[bytes]]) -> None:
    # The gateway first, so that nothing new arrives at a worker that ends.
    for process in reversed(running.values()):
        process.terminate()
    for process in running.values():
        try:
            process.wait(_FAREWELL)
        # E.g. a gateway that takes its leave of a coordinator which does not answer.
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(command: list[str], path: Path) -> subprocess.Popen[bytes]:
    log_file.make_folder(path)
    descriptor = log_file.open_own(path)
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=descriptor
        )
    finally:
        os.close(descriptor)


def _log(path: Path) -> Callable[[str], None]:
    """A log with the time in front; it can name files, and stays at the hospital."""
    # Before the walls stand: afterwards only what is in it can be made.
    log_file.make_folder(path)

    def write(text: str) -> None:
        stamp = datetime.now(UTC).isoformat(timespec="milliseconds")
        words = printable(text, _LONGEST_TEXT, "\n\t")
        # Opened for every line, so that the file can be rotated while this runs.
        log_file.append(path, f"{stamp} {words}\n")

    return write
