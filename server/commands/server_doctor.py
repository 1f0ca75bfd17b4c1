"""``consilium server doctor``.

Looks at everything that the coordinator's server needs, and at what its hospitals' certificates
will need.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from common import checks
from common.checks import CheckResult
from common.cli import packages
from common.errors import ConsiliumError, InputError
from common.trust import certificates
from server.commands import roster_signing, study_runs
from server.host import proxy, supervisor, vector_intake
from server.host.server_home import ServerHome
from server.host.site_registry import Registry
from server.host.superlink_control import ControlError

_SECRETS = ("ca.key", "server.key", "coordinator.key", "superexec.secret", "sites.json")
_ROSTER_KEY = Path("offline") / "roster.key"
_HOLDERS = {"server": None, "coordinator": certificates.COORDINATOR}


def examine(path: Path) -> list[CheckResult]:
    """Findings about a coordinator's folder and this machine."""
    try:
        home = ServerHome.open(path)
        settings = home.settings
    except InputError as error:
        return [checks.wrong("folder", str(error)), *packages.look()]
    results = [
        checks.ok(
            "folder",
            f"{settings.name}, which hospitals reach at {settings.address}:{settings.port}",
        )
    ]
    results += checks.attempt("modes", lambda: _modes(home))
    results += checks.attempt("certificates", lambda: list(_certificates(home, datetime.now(UTC))))
    results += checks.attempt(
        "disk",
        lambda: checks.disk(
            shutil.disk_usage(home.path).free, vector_intake.LEAST_DISK, str(home.path)
        ),
    )
    running = _running(home)
    results += [running, *_ports(home, running.state == "ok"), _nginx()]
    results += checks.attempt("hospitals", lambda: list(_sites(home, datetime.now(UTC))))
    results += checks.attempt("roster", lambda: list(_roster(home, datetime.now(UTC))))
    return [*results, *packages.look()]


def _modes(home: ServerHome) -> list[CheckResult]:
    """Secrets that others may read."""
    tokens = sorted((home.path / "kits").glob("*/token"))
    keys = sorted((home.path / "offline").glob("*.key"))
    modes = [
        _mode(path)
        for path in (home.path, *(home.path / name for name in _SECRETS), *tokens, *keys)
    ]
    open_to_others = [finding for finding in modes if finding is not None]
    return open_to_others or [checks.ok("modes", "secrets can be read by this user only")]


def _mode(path: Path) -> CheckResult | None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return None
    return checks.wrong(
        "modes", f"{path} has mode {mode:04o}", f"run: chmod {mode & 0o700:04o} {path}"
    )


def _certificates(home: ServerHome, now: datetime) -> Iterator[CheckResult]:
    ca = home.authority.read_bytes()
    yield checks.certificate("ca.crt", ca, ca, None, now, "provision a new consortium")
    for name, holder in _HOLDERS.items():
        advice = (
            "run: consilium provision CONSORTIUM.toml --out HOME --renew server"
            if name == "server"
            else "provision a new consortium"
        )
        own = (home.path / f"{name}.crt").read_bytes()
        yield checks.certificate(
            f"{name}.crt", own, ca, holder or home.settings.address, now, advice
        )
        if certificates.key_in(own) != certificates.public_bytes(
            (home.path / f"{name}.key").read_bytes()
        ):
            yield checks.wrong(
                f"{name}.crt", f"{name}.key is not its key", "restore both from one backup"
            )
    pinned = (home.path / "roster.crt").read_bytes()
    yield checks.certificate(
        "roster.crt", pinned, ca, certificates.ROSTER, now, "provision a new consortium"
    )


def _running(home: ServerHome) -> CheckResult:
    try:
        with home.control() as control:
            runs = control.runs()
    except ControlError:
        return checks.warning(
            "SuperLink",
            f"does not answer at {home.superlink}",
            f"start it with: consilium server start --home {home.path}",
        )
    except OSError as error:
        return checks.wrong("SuperLink", f"cannot be asked ({error.strerror or error})")
    return checks.ok("SuperLink", f"answers at {home.superlink}; {len(runs)} runs")


def _ports(home: ServerHome, running: bool) -> Iterator[CheckResult]:
    """In use while the server runs, free while it does not."""
    settings = home.settings
    for port, address, place in (
        # Only asked whether it is free.
        (settings.port, "0.0.0.0", "consortium.port"),  # noqa: S104
        (settings.link_port, "127.0.0.1", "consortium.link_port"),
    ):
        name = f"port {port}"
        try:
            supervisor.check_port(address, port, place)
        except InputError as error:
            yield checks.ok(name, "listens") if running else checks.wrong(name, str(error))
        else:
            yield (
                checks.wrong(
                    name, "nothing listens though the SuperLink runs", "start the server anew"
                )
                if running
                else checks.ok(name, "free")
            )


def _nginx() -> CheckResult:
    try:
        program = proxy.program()
    except ConsiliumError as error:
        return checks.wrong("nginx", str(error))
    process = subprocess.run(  # noqa: S603 (the nginx of this installation)
        [program, "-v"], capture_output=True, text=True, timeout=300, check=False
    )
    version = (process.stderr + process.stdout).strip().rpartition("/")[2]
    if process.returncode:
        return checks.wrong("nginx", f"{program} does not run ({version})", "install it anew")
    return checks.ok("nginx", f"{version} at {program}")


def _sites(home: ServerHome, now: datetime) -> Iterator[CheckResult]:
    """Who is enrolled and connected, and whose token or certificate has to be renewed."""
    registered = Registry(home.path).load()
    states = study_runs.status(home, now)["sites"]
    for name, site in registered.items():
        label = f"site {name}"
        advice = (
            f"make a new kit: consilium provision CONSORTIUM.toml --out {home.path} --renew {name}"
        )
        connection = "connected" if states[name]["online"] else "not connected"
        if site.enrolled is None and now > datetime.fromisoformat(site.token_expires):
            yield checks.warning(label, states[name]["state"], advice)
        elif site.enrolled is None:
            yield checks.ok(label, f"not enrolled yet, {states[name]['state']}")
        else:
            finding = checks.certificate(
                label,
                site.enrolled.tls_certificate.encode(),
                home.authority.read_bytes(),
                name,
                now,
                advice,
            )
            yield CheckResult(
                label,
                finding.state,
                f"{states[name]['state']}, {connection}, certificate {finding.observation}",
                finding.advice,
            )


def _roster(home: ServerHome, now: datetime) -> Iterator[CheckResult]:
    """Whether every enrolled hospital is on the signed roster, whose key lies elsewhere."""
    change = roster_signing.look(home, now)
    advice = f"run: {roster_signing.command(home)}"
    faults = [f"{name} is enrolled and not on it" for name in change.new]
    faults += [f"{name} has another key on it" for name in change.renewed]
    faults += [f"{name} is on it and not enrolled any more" for name in change.removed]
    if change.before is None and not change.sites:
        yield checks.ok("roster", "not signed yet, and no hospital is enrolled")
    elif change.before is None:
        yield checks.warning("roster", "not signed yet", advice)
    elif faults:
        yield checks.warning(
            "roster", f"version {change.before.version}: {'; '.join(faults)}", advice
        )
    else:
        yield checks.ok("roster", f"version {change.before.version} holds every enrolled hospital")
    if (home.path / _ROSTER_KEY).exists():
        yield checks.warning(
            "roster key",
            f"{home.path / _ROSTER_KEY} lies on this machine",
            "move it to a medium that is kept elsewhere",
        )
