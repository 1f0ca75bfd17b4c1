"""The systemd units keep the walls of the handbook, and systemd understands every line."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
NAMES = ("worker", "gateway", "server")


def service(name: str) -> dict[str, str]:
    """The lines of [Service].

    A directive that is given again adds to what was there, as systemd has it for lists.
    """
    text = (UNITS / f"consilium-{name}.service").read_text("utf-8")
    values: dict[str, str] = {}
    for line in text.partition("[Service]")[2].partition("\n[")[0].splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values[key] = f"{values[key]} {value}" if key in values else value
    return values


@pytest.mark.parametrize("name", NAMES)
def test_every_service_is_closed(name: str) -> None:
    lines = service(name)
    for key, value in {
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "PrivateTmp": "yes",
        "RestrictNamespaces": "yes",
        "RestrictSUIDSGID": "yes",
        "ProtectKernelModules": "yes",
        "ProtectProc": "invisible",
        "SystemCallArchitectures": "native",
        "UMask": "0077",
        "Restart": "always",
        "Type": "exec",
    }.items():
        assert lines[key] == value, key
    assert lines["User"] == f"consilium-{name}" and lines["SystemCallFilter"].startswith(
        "@system-service"
    )
    assert lines["CapabilityBoundingSet"] == ("CAP_NET_BIND_SERVICE" if name == "server" else "")


def test_the_worker_has_scans_and_no_network() -> None:
    lines = service("worker")
    assert (
        lines["PrivateNetwork"] == "yes"
        and lines["RestrictAddressFamilies"] == "AF_UNIX"
        and lines["IPAddressDeny"] == "any"
    )
    assert lines["ReadOnlyPaths"] == "/srv/consilium/data"
    assert not any(
        Path("/srv/consilium/data").is_relative_to(path) for path in lines["ReadWritePaths"].split()
    )
    assert (
        "-/var/lib/consilium/gateway" in lines["InaccessiblePaths"].split()
        and lines["DevicePolicy"] == "closed"
    )


def test_the_gateway_has_a_network_and_no_scans() -> None:
    lines = service("gateway")
    assert lines["InaccessiblePaths"].split() == [
        "-/srv/consilium/data",
        "-/var/lib/consilium/worker",
    ]
    assert (
        lines["PrivateDevices"] == "yes"
        and lines["ReadWritePaths"] == "/var/lib/consilium/logs/gateway"
        and "PrivateNetwork" not in lines
    )
    assert (
        lines["RestrictAddressFamilies"] == "AF_UNIX AF_INET AF_INET6"
        and lines["SocketBindDeny"] == "any"
    )


def test_the_two_share_a_group_and_not_the_user() -> None:
    assert service("worker")["Group"] == service("gateway")["Group"] == "consilium"
    assert service("worker")["User"] != service("gateway")["User"]


def test_the_walls_that_processes_raise_themselves_are_let_through() -> None:
    for name in ("worker", "gateway"):
        assert {
            "landlock_create_ruleset",
            "landlock_add_rule",
            "landlock_restrict_self",
            "seccomp",
        } <= set(service(name)["SystemCallFilter"].split())


def test_commands() -> None:
    program = "/opt/consilium/bin/consilium"
    assert (
        service("worker")["ExecStart"]
        == f"{program} site start --home /var/lib/consilium --only worker"
    )
    assert (
        service("gateway")["ExecStart"]
        == f"{program} site start --home /var/lib/consilium --only gateway"
    )
    assert (
        service("server")["ExecStart"] == f"{program} server start --home /var/lib/consilium-server"
    )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    files = []
    for name in NAMES:
        text = (UNITS / f"consilium-{name}.service").read_text("utf-8")
        files.append(tmp_path / f"consilium-{name}.service")
        files[-1].write_text(
            text.replace("/opt/consilium/bin/consilium", "/bin/true")
        )  # which is there

    def verified(*paths: Path) -> str:
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *map(str, paths)],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stderr

    if "consilium-" in verified(*files):
        pytest.fail(verified(*files))
    broken = tmp_path / "consilium-broken.service"
    broken.write_text(files[0].read_text().replace("PrivateNetwork", "PrivateNetwerk"))
    assert "PrivateNetwerk" in verified(broken)  # the control
