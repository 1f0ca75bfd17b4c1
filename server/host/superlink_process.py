"""Flower's SuperLink as a process of the server host: started, waited for, ended.

And the log of every process that strangers and hospitals speak to.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from common import environment
from common.errors import ConsiliumError
from common.plain_text import printable
from server.host.server_home import ServerHome
from server.host.superlink_control import ControlError

STOP_TIMEOUT = 30.0
"""Seconds that a process has to end once it is told to."""
ENVIRONMENT = {
    **environment.FLOWER,
    "MALLOC_ARENA_MAX": "2",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Variables of every process that the server host starts: no telemetry, little idle memory."""
_LONGEST_LINE = 2000
_LARGEST_LOG = 32 << 20
"""Bytes of a log; then it becomes the older one (``.1``), of which there is one."""


@contextmanager
def running(
    home: ServerHome, stop: threading.Event, patience: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Flower's SuperLink on loopback.

    TLS, node authentication, database, process isolation, no run-time installation.
    """
    variables = {
        **os.environ,
        **ENVIRONMENT,
        "FLWR_HOME": str(home.path / "flower"),
        "HOME": str(home.path),
    }
    process = subprocess.Popen(
        _command(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=variables,
    )
    keep_log(process.stdout, home.logs / "superlink.log")
    try:
        until(
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
        ended(process)


def _command(home: ServerHome) -> list[str]:
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
    return command + [str(part) for option in options.items() for part in option]


def keep_log(output: IO[bytes] | None, path: Path) -> None:
    """Copy what a process writes to its log, in a thread that ends with it.

    The process repeats what callers sent it. A person looks at it on a terminal, so that each line
    comes without what a terminal obeys, and a caller who makes it write cannot fill the disk.
    """
    if output is not None:
        threading.Thread(
            target=_copy, args=(output, path), name=f"copies {path.name}", daemon=True
        ).start()


def _copy(output: IO[bytes], path: Path) -> None:
    with output:
        for line in iter(lambda: output.readline(4 * _LONGEST_LINE), b""):
            text = printable(line.decode("utf-8", "replace").rstrip("\r\n"), _LONGEST_LINE, "\t")
            # A full disk loses lines; a process that nobody reads from would stand still.
            with suppress(OSError):
                if path.exists() and path.stat().st_size > _LARGEST_LOG:
                    path.replace(path.with_name(f"{path.name}.1"))
                with path.open("ab") as log:
                    log.write(f"{text}\n".encode())


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was told to end; one that does not is killed."""
    try:
        process.wait(STOP_TIMEOUT)
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


def until(
    reached: Callable[[], bool], seconds: float, stop: threading.Event, sentence: str
) -> None:
    """Wait for something.

    Args:
        reached: whether it is there.
        seconds: how long to wait.
        stop: ends the wait early, as Ctrl-C does.
        sentence: of the error if it does not come in time.

    Raises:
        ConsiliumError: it has not come.
        KeyboardInterrupt: the server is to stop.
    """
    last = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > last:
            raise ConsiliumError(sentence)
        if stop.wait(0.1):
            raise KeyboardInterrupt
