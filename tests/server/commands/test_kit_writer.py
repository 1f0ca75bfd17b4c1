"""What a kit holds; that a hospital can use it is shown in tests/journeys/test_enrolment.py."""

from __future__ import annotations

import tomllib

from common.trust import consortium
from server.commands import kit_writer


def test_contents() -> None:
    settings = consortium.parse(
        {
            "name": "chest-4",
            "address": "10.0.0.7",
            "port": 8443,
            "sites": ["north"],
            "min_tls": "1.2",
        }
    )
    kit = kit_writer.contents(settings, "north", b"CA", b"CO", b"RO", "secret", "2026-03-15")
    assert tomllib.loads(kit["kit.toml"].decode()) == {
        "name": "north",
        "consortium": "chest-4",
        "address": "10.0.0.7",
        "port": 8443,
        "min_tls": "1.2",
    }
    assert (kit["ca.crt"], kit["coordinator.crt"], kit["roster.crt"], kit["token"]) == (
        b"CA",
        b"CO",
        b"RO",
        b"secret\n",
    )
    assert (
        b"TCP to 10.0.0.7 port 8443, HTTPS with TLS 1.2" in kit["README.md"]
        and b"2026-03-15" in kit["README.md"]
    )
    assert b"secret\n" not in kit["README.md"]
