"""The server host.

Starts and watches SuperLink, reverse proxy, enrolment and bell, and gives each study that waits its
process.

hospitals -> nginx (public port, mutual TLS) -> SuperLink (loopback)  <- a process for each study
                                             -> enrolment, bell, freight (Unix sockets of this
                                             process)
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from common import environment
from common.errors import ConsiliumError, InputError
from common.storage import files
from common.trust import certificates, consortium
from common.trust.consortium import Consortium
from server.host import enrolment, notify, proxy, vector_store
from server.host.retry import PATIENCE
from server.host.site_registry import Registry
from server.host.superlink import Address, Queue, RunTask
from server.host.superlink_control import Control, ControlError
from server.host.vector_store import LEAST_DISK

Log = Callable[[str], None]
_TICK = 0.25
_FAREWELL = 30.0
"""Seconds that a process has to end once it is told to."""
_SILENT = {
    **environment.FLOWER,
    "MALLOC_ARENA_MAX": "2",
    "OMP_WAIT_POLICY": "PASSIVE",
}


@dataclass(frozen=True)
class ServerHome:
    """Where each file of a coordinator lies."""

    path: Path

    @property
    def settings(self) -> Consortium:
        """The consortium."""
        return consortium.read(self.path / "consortium.toml")

    @property
    def authority(self) -> Path:
        """The consortium's certificate authority."""
        return self.path / "ca.crt"

    @property
    def runs(self) -> Path:
        """A folder for each run."""
        return self.path / "runs"

    @property
    def run(self) -> Path:
        """Sockets and process numbers."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """Logs."""
        return self.path / "logs"

    @property
    def superlink(self) -> str:
        """Address of the SuperLink on this host."""
        return f"127.0.0.1:{self.settings.link_port}"

    def control(self) -> Control:
        """The SuperLink's Control API."""
        return Control(self.superlink, self.authority)

    @classmethod
    def open(cls, path: Path) -> ServerHome:
        """A folder that ``consilium provision`` made.

        Raises:
            InputError: it is not one.
        """
        if (path / "site.toml").is_file():
            raise InputError(
                f"{path} is a hospital's folder; for it the commands are those of: consilium site."
            )
        if not (path / "ca.key").is_file() or not (path / "consortium.toml").is_file():
            raise InputError(
                f"{path} is not a coordinator's folder; make one with: "
                f"consilium provision CONSORTIUM.toml --out {path}."
            )
        return cls(path.absolute())


@dataclass
class Host:
    """Everything that ``consilium server start`` runs.

    Attributes:
        runner: module that is the process of a run.
        patience: seconds that a part may take to start, and for which a run bears a silent
            SuperLink.
        running: the process of each run, by Flower's number.
    """

    home: ServerHome
    log: Log
    stop: threading.Event
    runner: str = "server.host.run_process"
    patience: float = PATIENCE
    running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def serve(self) -> None:
        """Run until told to stop.

        Raises:
            InputError: a port is in use, a certificate has expired, the disk is full.
            ConsiliumError: a part does not start.
        """
        settings = self.home.settings
        check(self.home, datetime.now(UTC))
        for folder in (self.home.runs, self.home.run, self.home.logs):
            files.folder(folder) if not folder.exists() else folder.chmod(0o700)
        with ExitStack() as stack:
            link = stack.enter_context(_superlink(self.home, self.stop, self.patience))
            control = stack.enter_context(self.home.control())
            stack.enter_context(notify.serve(notify.Notifier(), self.home.run / "bell.sock"))
            stack.enter_context(vector_store.serve(self.home.path, self.home.run / "freight.sock"))
            stack.enter_context(self._enrolment(control))
            front = proxy.Proxy(self.home.path, settings)
            front.start(self._members(control))
            stack.callback(front.stop)
            queue = Queue(
                Address(self.home.superlink, self.home.authority),
                (self.home.path / "superexec.secret").read_bytes().strip(),
            )
            stack.callback(queue.close)
            stack.callback(self._end_runs)
            self.log(
                f"{settings.name}: hospitals reach this server at "
                f"{settings.address}:{settings.port}"
            )
            self._watch(control, queue, front, link, settings.parallel_studies)

    def _watch(
        self,
        control: Control,
        queue: Queue,
        front: proxy.Proxy,
        link: subprocess.Popen[bytes],
        parallel: int,
    ) -> None:
        registry, last_change = self.home.path / "sites.json", 0
        while not self.stop.wait(_TICK):
            if link.poll() is not None:
                raise ConsiliumError(
                    f"The SuperLink ended with code {link.returncode}; "
                    f"{self.home.logs / 'superlink.log'} says why."
                )
            if not front.alive():
                raise ConsiliumError(f"nginx ended; {self.home.logs / 'proxy.log'} says why.")
            if (changed := registry.stat().st_mtime_ns) != last_change:
                last_change = changed
                if front.update(self._members(control)):
                    self.log("the list of hospitals that may enter has changed")
            self._reap()
            if len(self.running) < parallel and (task := queue.take()) is not None:
                self._start(task)

    def _start(self, task: RunTask) -> None:
        """A process for a run; what it must know goes through a pipe."""
        link = {
            "superlink": self.home.superlink,
            "authority": str(self.home.authority),
            "token": task.token,
        }
        settings = {**link, "home": str(self.home.path), "patience": self.patience}
        with (self.home.logs / f"run-{task.run_id}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self.runner],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **_SILENT},
            )
        if process.stdin is not None:
            process.stdin.write(json.dumps(settings).encode())
            process.stdin.close()
        self.running[task.run_id] = process
        self.log(f"run {task.run_id} starts")

    def _reap(self) -> None:
        for run_id, process in list(self.running.items()):
            if process.poll() is not None:
                del self.running[run_id]
                self.log(f"run {run_id} ended with code {process.returncode}")

    def _end_runs(self) -> None:
        for process in self.running.values():
            process.terminate()
        for process in self.running.values():
            _ended(process)

    def _members(self, control: Control) -> bytes:
        return proxy.members(Registry(self.home.path).load(), control.node_keys().values())

    @contextmanager
    def _enrolment(self, control: Control) -> Iterator[None]:
        def register(site: str, key: bytes) -> None:
            keys = control.node_keys()
            for node, name in control.names().items():
                if name == site and keys[node] != key:
                    control.unregister(node)
            if key not in keys.values():
                control.register(site, key)

        socket_path = self.home.run / "enrol.sock"
        arguments = (
            self.home.path,
            socket_path,
            register,
            self.stop,
            lambda: datetime.now(UTC),
            self.log,
        )
        thread = threading.Thread(
            target=enrolment.serve, args=arguments, name="enrolment", daemon=True
        )
        thread.start()
        otherwise = "The enrolment service does not start."
        _until(
            lambda: socket_path.exists() or not thread.is_alive(),
            self.patience,
            self.stop,
            otherwise,
        )
        if not thread.is_alive():
            raise ConsiliumError(otherwise)
        yield
        self.stop.set()
        thread.join(5)


def check(home: ServerHome, now: datetime) -> None:
    """Look at what would stop the server later.

    Raises:
        InputError: a port is in use, a certificate has expired, the disk is full.
    """
    settings = home.settings
    for port, host, place in (
        (settings.port, "0.0.0.0", "consortium.port"),  # noqa: S104 (asked whether free, never bound)
        (settings.link_port, "127.0.0.1", "consortium.link_port"),
    ):
        check_port(host, port, place)
    certificates.check(
        (home.path / "server.crt").read_bytes(), home.authority.read_bytes(), None, now
    )
    free = shutil.disk_usage(home.path).free
    if free < LEAST_DISK:
        raise InputError(
            f"The disk of {home.path} has {free >> 20} MiB left; "
            f"at least {LEAST_DISK >> 20} MiB are needed, make room."
        )


def check_port(host: str, port: int, place: str) -> None:
    """Whether this user may open a port, and nobody else has.

    Raises:
        InputError: not so.
    """
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
        except PermissionError:
            raise InputError(
                f"{place} is {port}, which this user may not open; "
                "give a port above 1023, or allow CAP_NET_BIND_SERVICE."
            ) from None
        except OSError:
            raise InputError(
                f"{place} is {port}, which another program uses; "
                "stop that one or give another port."
            ) from None


@contextmanager
def _superlink(
    home: ServerHome, stop: threading.Event, patience: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Flower's SuperLink on loopback.

    TLS, node authentication, database, process isolation, no run-time installation.
    """
    options = {
        "--ssl-ca-certfile": home.authority,
        "--ssl-certfile": home.path / "server.crt",
        "--ssl-keyfile": home.path / "server.key",
        "--database": home.path / "state.db",
        "--isolation": "process",
        "--superexec-auth-secret-file": home.path / "superexec.secret",
        "--host": "127.0.0.1",
        "--port": home.settings.link_port,
    }
    command = [
        str(Path(sys.executable).parent / "flower-superlink"),
        "--enable-supernode-auth",
        "--disable-runtime-dependency-installation",
    ]
    command += [str(word) for option in options.items() for word in option]
    environment = {
        **os.environ,
        **_SILENT,
        "FLWR_HOME": str(home.path / "flower"),
        "HOME": str(home.path),
    }
    with (home.logs / "superlink.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
        )
    try:
        _until(
            lambda: process.poll() is not None or _answers(home),
            patience,
            stop,
            "The SuperLink does not answer.",
        )
        if process.poll() is not None:
            raise ConsiliumError(
                f"The SuperLink ended with code {process.returncode}; "
                f"{home.logs / 'superlink.log'} says why."
            )
        yield process
    finally:
        process.terminate()
        _ended(process)


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was told to end; one that does not is killed."""
    try:
        process.wait(_FAREWELL)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _answers(home: ServerHome) -> bool:
    try:
        with home.control() as control:
            control.runs()
    except ControlError:
        return False
    return True


def _until(
    there: Callable[[], bool], seconds: float, stop: threading.Event, otherwise: str
) -> None:
    last = time.monotonic() + seconds
    while not there():
        if time.monotonic() > last:
            raise ConsiliumError(otherwise)
        if stop.wait(0.1):
            raise KeyboardInterrupt
