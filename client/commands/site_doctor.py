"""``consilium site doctor``: all that a hospital's processes need, from DNS to GPU memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import httpx

from client.gateway import connection, diagnosis
from client.home import SiteHome
from client.isolation import preflight
from client.site_settings import SiteSettings
from common import checks
from common.checks import CheckResult
from common.cli import packages
from common.errors import InputError

_LONG_POLL = "/v1/bell?after=-2&seconds=0"
"""Answered at once, and only to a hospital that is enrolled now."""
_RENEW = "ask the coordinator for a new kit"
_LEAST_GPU = 4 << 30
"""Bytes that are free on a GPU which nothing else uses."""
_WALLS_ADVICE = "use Linux 5.13 or newer with Landlock, or containers"
_WALLS = """
import sys
from pathlib import Path
from client.isolation import file_access, sandbox
scans, home, socket = map(Path, sys.argv[1:])
say = lambda line: sys.stdout.write(line + "\\n") and None
file_access.worker([scans], home, socket).shut(say, True)
sandbox.close([sandbox.no_new_sockets], say, True)
"""
"""Raises a worker's walls around a process that does nothing else."""


def examine(path: Path, part: str = "all") -> list[CheckResult]:
    """Findings about a hospital's folder and this machine.

    Args:
        path: HOME.
        part: "all", or the one process whose user or container this is: "gateway" (network, no
            scans) or "worker" (scans, no network).
    """
    try:
        home = SiteHome.open(path, part)
        settings = home.settings()
    except InputError as error:
        return [checks.wrong("folder", str(error)), *packages.look(small=part == "gateway")]
    identity = f"{settings.name} of {settings.consortium}; files and their modes are right"
    results = [checks.ok("folder", identity)]
    now = datetime.now(UTC)
    results += checks.attempt("certificates", lambda: _certificates(home, settings, part, now))
    if part != "worker":
        results += checks.attempt("way", lambda: _connection(home, settings))
    results += checks.attempt("disk", lambda: _disk(home.path))
    if part != "gateway":
        results += checks.attempt("policy", lambda: _policy(home))
        results += checks.attempt("data", lambda: _data(Path(settings.data)))
        results += checks.attempt("walls", lambda: _walls(home, settings))
        results += checks.attempt("GPU", lambda: _gpu(settings.device))
    results += packages.look(small=part == "gateway")
    return [*results, _worker(home), *([] if part == "worker" else [_gateway(home)])]


def _certificates(
    home: SiteHome, settings: SiteSettings, part: str, now: datetime
) -> list[CheckResult]:
    ca = home.ca.read_bytes()
    files = [("ca.crt", ca, None)] + [
        (path.name, path.read_bytes(), holder)
        for path, holder in preflight.own_certificates(home, part, settings.name)
    ]
    return [
        checks.certificate(name, pem, ca, holder=holder, now=now, advice=_RENEW)
        for name, pem, holder in files
    ]


def _disk(folder: Path) -> CheckResult:
    return checks.disk(shutil.disk_usage(folder).free, preflight.LEAST_DISK, str(folder))


def _policy(home: SiteHome) -> CheckResult:
    """Whether the hospital's own rules can be read, and what they leave open."""
    from client.policy import policy  # noqa: PLC0415

    rules = policy.read(home.policy_toml)
    if rules.plain_updates:
        return checks.ok(
            "policy",
            "plain updates are allowed: whoever runs the server can read this hospital's change",
        )
    return checks.ok(
        "policy",
        f"changes leave under masks only, in sums over {rules.min_cohort} hospitals or more",
    )


def _connection(home: SiteHome, settings: SiteSettings) -> list[CheckResult]:
    """Each hop to the coordinator, and its clock."""
    certificate = (home.tls_crt, home.tls_key)
    ca = home.ca.read_bytes()
    proxied = diagnosis.proxy_of(settings) is not None
    results = [] if proxied else [checks.ok("proxy", "none is used")]
    hops = connection.reach(settings, ca, certificate, _LONG_POLL)
    results += [
        checks.ok(hop.name, hop.remark) if hop.ok else checks.wrong(hop.name, hop.remark)
        for hop in hops
    ]
    try:
        with connection.client(settings, ca, certificate) as http:
            date = http.get(_LONG_POLL).headers.get("Date")
    except httpx.HTTPError:
        date = None
    return [*results, checks.clock(date, datetime.now(UTC))]


def _data(folder: Path) -> CheckResult:
    if not folder.is_dir():
        return checks.wrong(
            "data", f"{folder} does not exist", "mount it, or correct data in site.toml"
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        return checks.wrong(
            "data", f"{folder} cannot be read by this user", "allow it to read there"
        )
    if not any(folder.iterdir()):
        return checks.warning(
            "data", f"{folder} is empty", "put the scans there, or correct data in site.toml"
        )
    # Scans are only ever read; a worker that could change them is more than it needs.
    if os.access(folder, os.W_OK):
        return checks.warning(
            "data",
            f"{folder} can be read and also written to by this user",
            "mount it read-only, or take the right to write away",
        )
    return checks.ok("data", f"{folder} can be read and not written to")


def _walls(home: SiteHome, settings: SiteSettings) -> list[CheckResult]:
    """Raise the worker's walls around a process that does nothing else; do they hold?"""
    # In a process of its own: walls cannot be taken down again, and the doctor has more to look at.
    command = [sys.executable, "-c", _WALLS, settings.data, str(home.path), str(home.socket)]
    done = subprocess.run(  # noqa: S603  # our own program, with arguments of our own
        command, capture_output=True, text=True, timeout=300, check=False
    )
    raised = [checks.ok("walls", line.removeprefix("wall: ")) for line in done.stdout.splitlines()]
    if done.returncode == 0 and raised:
        return raised
    last = (done.stderr.strip().splitlines() or ["a wall cannot be raised"])[-1]
    sentence = last.removeprefix("client.isolation.kernel.SandboxError: ").rstrip(".")
    judge = checks.wrong if settings.walls == "required" else checks.warning
    return [*raised, judge("walls", sentence, _WALLS_ADVICE)]


def _gpu(device: str) -> CheckResult:
    if device == "cpu":
        return checks.ok("GPU", "CPU, as site.toml says")
    import torch  # noqa: PLC0415  # seconds, and not there in a gateway

    if not torch.cuda.is_available():
        if device == "auto":
            return checks.ok("GPU", "CPU: torch sees no GPU here")
        return checks.wrong(
            "GPU",
            f"device is {device}, but torch sees no usable GPU",
            "install its driver, or set device to cpu or auto",
        )
    free, total = torch.cuda.mem_get_info()
    memory = f"{free / (1 << 30):.1f} of {total / (1 << 30):.1f} GiB free"
    sentence = f"{torch.cuda.get_device_name()}, {memory}"
    if free < _LEAST_GPU:
        return checks.warning("GPU", sentence, "end what else uses it")
    return checks.ok("GPU", sentence)


def _worker(home: SiteHome) -> CheckResult:
    from client.isolation.ipc import WorkerClient  # noqa: PLC0415  # grpc starts threads

    if home.socket.exists() and WorkerClient(home.socket).healthy():
        return checks.ok("worker", "answers at its socket")
    return checks.warning(
        "worker",
        f"does not answer at {home.socket}",
        f"start it; if it was started, {home.worker_log} says why",
    )


def _gateway(home: SiteHome) -> CheckResult:
    """Whether a process of this machine is this hospital's gateway, as far as this user may see."""
    # The gateway listens nowhere, so that there is nothing to ask it.
    words = ["site", "start", "--home", str(home.path), "--only", "gateway"]
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            typed = place.read_bytes().decode("utf-8", "replace").split("\0")[:-1]
        except OSError:  # it has just ended, or is hidden from this user
            continue
        if typed[-len(words) :] == words:
            return checks.ok("gateway", f"runs as process {place.parent.name}")
    return checks.warning(
        "gateway",
        "is not among the processes that this user sees",
        f"start it; if it was started, {home.gateway_log} says why",
    )
