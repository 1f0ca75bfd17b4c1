"""What nginx is told: who reaches what, and how much of everything one sender may take.

Strangers are counted by their address, an IPv6 network of 64 bits as one (RFC 4291 section 2.5.4
gives a single host all of it); members by their certificate, so that twenty hospitals behind one
address do not take each other's share. All strangers together get three quarters of what one of
nginx's processes has; the rest is for addresses from which members called lately.

nginx counts a request only when its header has been read whole (``ngx_http_limit_conn_module``).
Against headers that never end, connections are counted in front of that, where the stream module
takes them, and then handed over as they are, without a copy (``ngx_stream_pass_module``).
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

from common.trust.consortium import Consortium

SERIAL = "Consilium-Serial"
"""Header for the services behind: the serial number of the sender's certificate."""
SOURCE = "Consilium-Source"
"""Header for the services behind: the sender's address."""
_CONNECTIONS = 16384
"""Connections of one of nginx's processes; with the one to the service behind, two a call."""
_SPARE_FILES = 512
"""Files that one of nginx's processes needs besides."""
_IPV6 = Path("/proc/net/if_inet6")


@dataclass(frozen=True)
class SenderLimits:
    """What one sender may take.

    Attributes:
        connections: from one address at once; a gateway holds 8 at most.
        header_seconds: for a TLS handshake, and again for a request's whole header.
        stall_seconds: between two pieces of a body.
        strange_calls: calls a second of one address without a member's certificate, after ``burst``
            of them only so fast; as many again are refused (429, RFC 6585 section 4).
        enrolments: calls a second of one address for enrolment.
        burst: calls that may wait for their turn.
        member_connections: calls of one member at once.
        member_calls: calls a second of one member, far above a gateway's.
        uploads: vectors of one member at once.
    """

    connections: int = 256
    header_seconds: int = 10
    stall_seconds: int = 30
    strange_calls: int = 10
    enrolments: int = 5
    burst: int = 40
    member_connections: int = 32
    member_calls: int = 1000
    uploads: int = 4


LIMITS = SenderLimits()
_BY_SOURCE = r"""map $binary_remote_addr $source {
        default $binary_remote_addr; "~(?s)\A(.{8}).{8}\z" $1;
    }"""
_COUNTED = """stream {{
    {by_source}
    # Addresses from which a member called lately are not counted among all others.
    geo $familiar {{ default 0; include "{run}/addresses.map"; }}
    map $familiar $unfamiliar {{ default all; 1 ""; }}
    limit_conn_zone $source zone=doors:4m;
    limit_conn_zone $unfamiliar zone=unfamiliar:1m;
    # Every one that is turned away as a line of its own would fill the disk.
    limit_conn_log_level info;
    server {{
{listen}        limit_conn doors {connections};
        limit_conn unfamiliar {unfamiliar};
        pass "unix:{run}/door.sock";
    }}
}}
"""
_CONFIGURATION = """# Written by consilium server start; changes are lost.
{load}{user}daemon off;
worker_processes auto;
worker_rlimit_nofile {files};
pid "{run}/nginx.pid";
lock_file "{run}/nginx.lock";
error_log stderr warn;
events {{ worker_connections {all_connections}; }}
{counted}http {{
    access_log off;
    server_tokens off;
    client_max_body_size 32m;
    client_body_buffer_size 1m;
    output_buffers 2 1m;
    client_header_timeout {header_seconds}s;
    client_body_timeout {stall_seconds}s;
    send_timeout {stall_seconds}s;
    reset_timedout_connection on;
    client_body_temp_path "{run}/body";
    proxy_temp_path "{run}/proxy";
    fastcgi_temp_path "{run}/fastcgi";
    uwsgi_temp_path "{run}/uwsgi";
    scgi_temp_path "{run}/scgi";
    keepalive_timeout 120s;
    keepalive_requests 1000000;
    map_hash_bucket_size 512;
    # Serial number of a hospital's certificate -> the node key that was enrolled with it.
    map $ssl_client_serial $member {{ default ""; include "{run}/members.map"; }}
    {by_source}
    # Whom a zone has no name for, it does not count: members by address, strangers by certificate.
    map $member $stranger {{ default ""; "" $source; }}
    map $member $insider {{ default $ssl_client_serial; "" ""; }}
    limit_req_zone $source zone=enrolment:4m rate={enrolments}r/s;
    limit_req_zone $stranger zone=strangers:4m rate={strange_calls}r/s;
    limit_req_zone $insider zone=calls:1m rate={member_calls}r/s;
    limit_conn_zone $source zone=enrolling:4m;
    limit_conn_zone $insider zone=members:1m;
    limit_conn_zone $insider zone=uploads:1m;
    limit_req_status 429;
    limit_conn_status 429;
    limit_req_log_level info;
    limit_conn_log_level info;
    upstream superlink {{
        server 127.0.0.1:{link_port}; keepalive 64; keepalive_requests 1000000;
    }}
    upstream enrolment {{ server "unix:{run}/enrol.sock"; }}
    upstream freight {{ server "unix:{run}/freight.sock"; }}
    upstream bell {{ server "unix:{run}/bell.sock"; }}
    server {{
{door}        ssl_certificate "{home}/server.crt";
        ssl_certificate_key "{home}/server.key";
        ssl_protocols {protocols};
        ssl_session_cache shared:tls:4m;
        ssl_client_certificate "{home}/ca.crt";
        ssl_verify_client optional;
        ssl_verify_depth 1;
        limit_conn members {member_connections};
        limit_req zone=calls burst={member_calls} nodelay;
        error_page 403 = @stranger;
        error_page 404 = @nowhere;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host localhost;
        # In place of whatever the sender wrote there.
        proxy_set_header {serial} $ssl_client_serial;
        proxy_set_header {source} $remote_addr;
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
            client_max_body_size 1k;
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
            limit_conn members {member_connections};
            limit_conn uploads {uploads};
            client_max_body_size 4g;
            proxy_request_buffering off;
            proxy_pass http://freight;
        }}
        location = /v1/enrol {{
            # Handed on when it is whole, so that a slow sender holds no thread of the service.
            client_max_body_size 64k;
            client_body_buffer_size 64k;
            limit_conn enrolling {burst};
            limit_req zone=enrolment burst={burst};
            proxy_pass http://enrolment;
        }}
        location / {{ return 404; }}
        # The same answers, after their turn.
        location @stranger {{
            limit_req zone=strangers burst={burst};
            deny all;
        }}
        location @nowhere {{
            limit_req zone=strangers burst={burst};
            try_files /- =404;
        }}
    }}
}}
"""


def configuration(home: Path, consortium: Consortium, module: str | None = "") -> str:
    """The text of nginx.conf.

    Args:
        module: of nginx, that counts connections (``stream_module`` in ``server/host/proxy.py``).
    """
    counted = module is not None
    run = home / "run"
    addresses = [str(consortium.port), *([f"[::]:{consortium.port}"] if _IPV6.exists() else [])]
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most_files == resource.RLIM_INFINITY or most_files > 4 * _CONNECTIONS:
        most_files = 4 * _CONNECTIONS
    connections = max(min(_CONNECTIONS, most_files - _SPARE_FILES), _SPARE_FILES)
    listen = "".join(f"        listen {address};\n" for address in addresses)
    secure = "".join(f"        listen {address} ssl;\n" for address in addresses)
    return _CONFIGURATION.format(
        home=home,
        run=run,
        link_port=consortium.link_port,
        protocols="TLSv1.3" if consortium.min_tls == "1.3" else "TLSv1.2 TLSv1.3",
        user="user root;\n" if os.geteuid() == 0 else "",
        load=f'load_module "{module}";\n' if module else "",
        files=most_files,
        all_connections=connections,
        serial=SERIAL,
        source=SOURCE,
        by_source=_BY_SOURCE,
        counted=_COUNTED.format(
            run=run,
            listen=listen,
            by_source=_BY_SOURCE,
            unfamiliar=connections * 3 // 4,
            **vars(LIMITS),
        )
        if counted
        else "",
        door=f'        listen "unix:{run}/door.sock" ssl;\n' if counted else secure,
        **vars(LIMITS),
    )
