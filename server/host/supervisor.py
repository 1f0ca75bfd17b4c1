"""The server host.

Starts and watches SuperLink, reverse proxy, enrolment, notifications and the store of vectors, and
gives each study that waits its process.

hospitals -> nginx (public port, mutual TLS) -> SuperLink (loopback)  <- a process for each study
                                             -> enrolment, notifications, vectors (Unix sockets
                                             of this process)
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from common.errors import ConsiliumError, InputError
from common.storage import files
from common.trust import certificates
from server.host import enrolment, notify, proxy, superlink_process, vector_intake
from server.host.server_home import ServerHome
from server.host.site_registry import Registry
from server.host.superlink import Address, Queue, RunTask
from server.host.superlink_control import Control
from server.host.superlink_process import ended, until
from server.host.superlink_retry import PATIENCE
from server.host.vector_intake import LEAST_DISK

Log = Callable[[str], None]
_TICK = 0.25
"""Seconds between two looks at everything."""
_ENROLMENT_TIMEOUT = 5.0
"""Seconds that a hospital that is being enrolled when the server stops may take."""

_UNCOUNTED = (
    "this nginx cannot count connections by address, so that one host may crowd out all others; "
    "install the one of 'consilium[server]', or nginx 1.25.5 or newer with its stream module"
)


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
            superlink = stack.enter_context(
                superlink_process.running(self.home, self.stop, self.patience)
            )
            control = stack.enter_context(self.home.control())
            reverse_proxy = proxy.Proxy(self.home.path, settings)
            seen = reverse_proxy.addresses.note
            bell = notify.serve(notify.Notifier(), self.home.run / "bell.sock", seen)
            stack.enter_context(bell)
            stack.enter_context(
                vector_intake.serve(self.home.path, self.home.run / "freight.sock", self.log)
            )
            stack.enter_context(self._enrolment(control))
            reverse_proxy.start(self._members(control))
            stack.callback(reverse_proxy.stop)
            if not reverse_proxy.counts_connections:
                self.log(_UNCOUNTED)
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
            self._watch(control, queue, reverse_proxy, superlink, settings.parallel_studies)

    def _watch(
        self,
        control: Control,
        queue: Queue,
        reverse_proxy: proxy.Proxy,
        superlink: subprocess.Popen[bytes],
        parallel: int,
    ) -> None:
        registry = self.home.path / "sites.json"
        last_change = 0
        while not self.stop.wait(_TICK):
            if superlink.poll() is not None:
                raise ConsiliumError(
                    f"The SuperLink ended with code {superlink.returncode}; "
                    f"{self.home.logs / 'superlink.log'} says why."
                )
            if not reverse_proxy.alive():
                raise ConsiliumError(f"nginx ended; {self.home.logs / 'proxy.log'} says why.")
            if (change := registry.stat().st_mtime_ns) != last_change:
                last_change = change
                if reverse_proxy.update(self._members(control)):
                    self.log("the list of hospitals that may enter has changed")
            reverse_proxy.learn()
            self._reap()
            if len(self.running) < parallel and (task := queue.take()) is not None:
                self._start(task)

    def _start(self, task: RunTask) -> None:
        """A process for a run; what it must know goes through a pipe."""
        settings = {
            "superlink": self.home.superlink,
            "authority": str(self.home.authority),
            "token": task.token,
            "home": str(self.home.path),
            "patience": self.patience,
        }
        with (self.home.logs / f"run-{task.run_id}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self.runner],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={**os.environ, **superlink_process.ENVIRONMENT},
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
            ended(process)

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
        sentence = "The enrolment service does not start."
        until(
            lambda: socket_path.exists() or not thread.is_alive(),
            self.patience,
            self.stop,
            sentence,
        )
        if not thread.is_alive():
            raise ConsiliumError(sentence)
        yield
        self.stop.set()
        thread.join(_ENROLMENT_TIMEOUT)


def check(home: ServerHome, now: datetime) -> None:
    """Look at what would stop the server later.

    Raises:
        InputError: a port is in use, a certificate has expired, the disk is full.
    """
    settings = home.settings
    for port, host, place in (
        # Only asked whether it is free.
        (settings.port, "0.0.0.0", "consortium.port"),  # noqa: S104
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
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            server.bind((host, port))
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
