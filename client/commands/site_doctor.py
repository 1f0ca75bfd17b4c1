"""``consilium site doctor``: looks at everything that a hospital's two processes need, from the name lookup to the GPU's memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
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

_BELL = "/v1/bell?after=-2&seconds=0"
"""Answered at once, and only to a hospital that is enrolled now."""
_RENEW = "ask the coordinator for a new kit"
_LEAST_GPU = 4 << 30
_WALLS = """
import sys
from pathlib import Path
from client.isolation import file_access
file_access.worker([Path(sys.argv[1])], Path(sys.argv[2]), Path(sys.argv[3])).shut(lambda line: sys.stdout.write(line + "\\n") and None, True)
"""
"""Raises a worker's walls around a process that does nothing else."""


def examine(path: Path, part: str = "all") -> list[CheckResult]:
    """Findings about a hospital's folder and this machine.

    Args:
        path: HOME.
        part: "all", or the one process whose user or container this is: "gateway" (network, no scans) or "worker" (scans, no network).
    """
    found: list[CheckResult] = []
    try:
        home = SiteHome.open(path, part)
        settings = home.settings()
    except InputError as error:
        return [checks.wrong("folder", str(error)), *packages.look(small=part == "gateway")]
    found.append(
        checks.ok(
            "folder", f"{settings.name} of {settings.consortium}; files and their modes are right"
        )
    )
    now = datetime.now(UTC)
    found += checks.attempt("certificates", lambda: list(_certificates(home, settings, part, now)))
    if part != "worker":
        found += checks.attempt("way", lambda: _way(home, settings))
    found += checks.attempt(
        "disk",
        lambda: checks.disk(
            shutil.disk_usage(home.path).free, preflight.LEAST_DISK, str(home.path)
        ),
    )
    if part != "gateway":
        found += checks.attempt("policy", lambda: _policy(home))
        found += checks.attempt("data", lambda: _data(Path(settings.data)))
        found += checks.attempt("walls", lambda: _walls(home, settings))
        found += checks.attempt("GPU", lambda: _gpu(settings.device))
    found += packages.look(small=part == "gateway")
    return [*found, _worker(home), *([] if part == "worker" else [_gateway(home)])]


def _certificates(
    home: SiteHome, settings: SiteSettings, part: str, now: datetime
) -> Iterator[CheckResult]:
    ca = home.ca.read_bytes()
    yield checks.certificate("ca.crt", ca, ca, None, now, _RENEW)
    for path, holder in preflight.own_certificates(home, part, settings.name):
        yield checks.certificate(path.name, path.read_bytes(), ca, holder, now, _RENEW)


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


def _way(home: SiteHome, settings: SiteSettings) -> list[CheckResult]:
    """Each hop to the coordinator, and its clock."""
    proxy, certificate = diagnosis.proxy_of(settings), (home.tls_crt, home.tls_key)
    ca = home.ca.read_bytes()
    found = [checks.ok("proxy", "none is used")] if proxy is None else []
    hops = connection.reach(settings, ca, certificate, _BELL)
    found += [
        checks.ok(hop.name, hop.remark) if hop.ok else checks.wrong(hop.name, hop.remark)
        for hop in hops
    ]
    try:
        with connection.client(settings, ca, certificate) as http:
            date = http.get(_BELL).headers.get("Date")
    except httpx.HTTPError:
        date = None
    return [*found, checks.clock(date, datetime.now(UTC))]


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
    if os.access(folder, os.W_OK):
        return checks.warning(
            "data",
            f"{folder} can be read and also written to by this user",
            "mount it read-only, or take the right to write away",
        )
    return checks.ok("data", f"{folder} can be read and not written to")


def _walls(home: SiteHome, settings: SiteSettings) -> list[CheckResult]:
    """Raise the worker's walls around a process that does nothing else, and see whether they hold."""
    command = [sys.executable, "-c", _WALLS, settings.data, str(home.path), str(home.socket)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603 (our own program)
    found = [checks.ok("walls", line.removeprefix("wall: ")) for line in done.stdout.splitlines()]
    if done.returncode == 0 and found:
        return found
    why = done.stderr.strip().splitlines()[-1:] or ["a wall cannot be raised"]
    sentence, advice = (
        why[0].removeprefix("client.isolation.kernel.SandboxError: ").rstrip("."),
        "use Linux 5.13 or newer with Landlock, or containers",
    )
    return [
        *found,
        checks.wrong("walls", sentence, advice)
        if settings.walls == "required"
        else checks.warning("walls", sentence, advice),
    ]


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
    found = f"{torch.cuda.get_device_name()}, {free / (1 << 30):.1f} of {total / (1 << 30):.1f} GiB free"
    return (
        checks.ok("GPU", found)
        if free >= _LEAST_GPU
        else checks.warning("GPU", found, "end what else uses it")
    )


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
    words = ["site", "start", "--home", str(home.path), "--only", "gateway"]
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if (
                place.read_bytes().decode("utf-8", "replace").split("\0")[:-1][-len(words) :]
                == words
            ):
                return checks.ok("gateway", f"runs as process {place.parent.name}")
        except OSError:  # it has just ended, or is hidden from this user
            continue
    return checks.warning(
        "gateway",
        "is not among the processes that this user sees",
        f"start it; if it was started, {home.gateway_log} says why",
    )
