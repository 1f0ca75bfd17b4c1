"""A coordinator and hospitals as real processes on loopback, started by Consilium's own commands.

Nothing of them outlives the block.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from client.gateway import connection
from client.home import SiteHome
from common.cli import main
from common.study import toml
from server.commands import study_runs
from server.host.server_home import ServerHome
from tests import patience
from tests.ports import free_ports

HOUSE = Path(__file__).resolve().parents[2]
CONSILIUM = [sys.executable, "-c", "from common.cli.main import main; raise SystemExit(main())"]
PROBE = Path(__file__).with_name("probe")
PATIENCE = 90.0


def until(there: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The first true value of ``there()``; ``seconds``: how long it may take on an idle machine."""
    return patience.until(there, what, seconds)


class Federation:
    """A consortium in one folder.

    ``top/co`` is the coordinator, ``top/SITE`` a hospital, ``top/hosp/SITE`` its data.

    Args:
        top: folder with a short path, since a Unix socket's has 108 characters at most.
        probe: whether each Python process writes its calls to the network into ``top/probe.log``.
    """

    def __init__(self, top: Path, probe: bool = False) -> None:
        self.top = top
        self.home = top / "co"
        self.data = top / "hosp"
        self.port, self.link = free_ports(2)
        self.groups: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**os.environ, "PYTHONPATH": str(HOUSE), "OMP_NUM_THREADS": "1"}
        if probe:
            self.environment |= {
                "PYTHONPATH": f"{PROBE}{os.pathsep}{HOUSE}",
                "PROBE": str(top / "probe.log"),
            }

    def consilium(self, *words: object) -> str:
        """Run one of Consilium's commands, which has to succeed; what it prints on stdout.

        In this process: one import less.
        """
        out = io.StringIO()
        complaints = io.StringIO()
        with redirect_stdout(out), redirect_stderr(complaints):
            code = main.main([str(word) for word in words])
        assert code == 0, (
            f"consilium {' '.join(map(str, words))}\n{out.getvalue()}{complaints.getvalue()}"
        )
        return out.getvalue()

    def provision(self, *sites: str, **settings: object) -> None:
        """Make or extend the coordinator's folder."""
        table = {
            "name": "trial",
            "address": "localhost",
            "port": self.port,
            "link_port": self.link,
            "sites": list(sites),
            **settings,
        }
        (self.top / "c.toml").write_text(toml.dumps(table))
        self.consilium("provision", self.top / "c.toml", "--out", self.home)

    def start_server(self) -> None:
        """Start the coordinator's server and wait until hospitals reach it."""
        out = self._spawn("server", "server", "start", "--home", self.home)
        self._until_said("server", out, "hospitals reach this server")

    def enrol(self, site: str) -> SiteHome:
        """Enrol a hospital with its own folder of data."""
        self.consilium(
            "site",
            "enrol",
            self.home / "kits" / site,
            "--home",
            self.top / site,
            "--data",
            self.data / site,
            "--proxy",
            "none",
            "--device",
            "cpu",
        )
        settings = self.top / site / "site.toml"
        # The number of threads decides the last bits of the weights, and tests compare them.
        settings.write_text(settings.read_text().replace("\nthreads = 0\n", "\nthreads = 1\n"))
        return SiteHome(self.top / site)

    def start_site(self, site: str) -> None:
        """Start worker and gateway of a hospital."""
        self._spawn(site, "site", "start", "--home", self.top / site)

    def start_part(self, site: str, part: str) -> None:
        """Start the worker or the gateway of a hospital."""
        self._spawn(f"{site}-{part}", "site", "start", "--home", self.top / site, "--only", part)

    def sign_roster(self, *words: object) -> None:
        """Sign who is enrolled now; with the fingerprints unread, as only a test may."""
        self.consilium(
            "server",
            "roster",
            "--home",
            self.home,
            "--key",
            self.home / "offline" / "roster.key",
            "--yes",
            *words,
        )

    def approve(self, study: Path) -> None:
        """A person's word at every enrolled hospital."""
        for file in sorted(self.top.glob("*/site.toml")):
            self.consilium(
                "site", "approve", study, "--home", file.parent, "--by", "Dr. A. Rivers", "--yes"
            )

    def submit(self, study: Path, name: str) -> None:
        """Sign the roster, if it changed, have a person at each hospital approve the study,
        and queue it.
        """
        self.sign_roster()
        self.approve(study)
        self.consilium("server", "submit", study, "--home", self.home, "--name", name)

    def state(self, name: str) -> dict[str, Any]:
        """What the coordinator knows about a run, at once."""
        runs = study_runs.status(ServerHome.open(self.home), study_runs.now())["runs"]
        return next((run for run in runs if run["run"] == name), {"state": "none"})

    def online(self) -> set[str]:
        """The hospitals that are connected."""
        sites = study_runs.status(ServerHome.open(self.home), study_runs.now())["sites"]
        return {name for name, site in sites.items() if site["online"]}

    def wait_for(self, name: str, state: str = "finished") -> dict[str, Any]:
        """Wait until a run has come to a state; another end is an error."""

        def there() -> dict[str, Any] | None:
            run = self.state(name)
            assert run["state"] in (state, "pending", "starting", "running"), run
            return run if run["state"] == state else None

        run: dict[str, Any] = until(there, f"the run {name} is not {state}")
        return run

    def http(self, site: str | None) -> httpx.Client:
        """A client at the coordinator's public door, with a hospital's certificate
        or without one.
        """
        home = (
            SiteHome(self.top / site)
            if site
            else next(SiteHome(file.parent) for file in self.top.glob("*/site.toml"))
        )
        certificate = (home.tls_crt, home.tls_key) if site else None
        return connection.client(
            replace(home.settings(), port=self.port), home.ca.read_bytes(), certificate
        )

    def stop(self, *names: str) -> dict[str, str]:
        """End some groups of processes as an administrator would; what each has said."""
        ending = [self.groups[name] for name in names]
        for process in ending:
            process.terminate()
        for process in ending:
            process.wait(patience.patient(PATIENCE))
        return {name: self.output(name) for name in names}

    def output(self, name: str) -> str:
        """What a command has printed."""
        return (self.top / f"{name}.out").read_text("utf-8", "replace")

    def logs(self) -> str:
        """The end of everything that was printed or logged."""
        files = [
            *self.top.glob("*.out"),
            *self.top.glob("*/logs/**/*.log"),
            *self.top.glob("*/worker/state/site.log"),
        ]
        return "\n".join(
            f"--- {file.relative_to(self.top)}\n{file.read_text('utf-8', 'replace')[-2500:]}"
            for file in sorted(files)
        )

    def kill(self) -> None:
        """Every process of every group, at once."""
        for process in self.groups.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in self.groups.values():
            process.wait()

    def _spawn(self, name: str, *words: object) -> Path:
        out = self.top / f"{name}.out"
        with out.open("wb") as file:
            self.groups[name] = subprocess.Popen(
                [*CONSILIUM, *map(str, words)],
                cwd=self.top,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        return out

    def _until_said(self, name: str, out: Path, words: str) -> None:
        def there() -> bool:
            text = out.read_text("utf-8")
            assert self.groups[name].poll() is None, text
            return words in text

        until(there, f"{name} does not say {words!r}")


@contextmanager
def federation(probe: bool = False) -> Iterator[Federation]:
    """An empty consortium.

    At the end everything is killed and removed, after a fault with all logs shown.
    """
    made = Federation(Path(tempfile.mkdtemp(prefix="c-", dir="/tmp")), probe)
    try:
        yield made
    except BaseException as error:
        error.add_note(made.logs())
        raise
    finally:
        made.kill()
        shutil.rmtree(made.top, ignore_errors=True)
