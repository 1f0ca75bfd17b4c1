"""The containers keep the walls of the handbook; the gateway's image holds its imports."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HOUSE = Path(__file__).resolve().parents[2]
DEPLOY = HOUSE / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
GPU: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.gpu.yaml").read_text("utf-8"))
WORKER, GATEWAY, SERVER = (COMPOSE["services"][name] for name in ("worker", "gateway", "server"))
CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")


def mounts(service: dict[str, Any]) -> dict[str, bool]:
    """Source: whether it is mounted read-only."""
    plain = (re.sub(r"\$\{(\w+)[^}]*\}", r"$\1", volume) for volume in service["volumes"])
    return {volume.split(":")[0]: volume.endswith(":ro") for volume in plain}


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_container_is_closed(name: str) -> None:
    service = COMPOSE["services"][name]
    assert (
        service["read_only"] is True
        and service["cap_drop"] == ["ALL"]
        and service["security_opt"] == ["no-new-privileges:true"]
    )
    user, group = map(int, service["user"].split(":"))
    assert user > 0 and group > 0
    assert not {"privileged", "cap_add", "pid", "ipc", "devices", "env_file"} & set(service)


def test_the_worker_has_scans_and_no_network() -> None:
    assert WORKER["network_mode"] == "none" and not {"networks", "ports", "expose"} & set(WORKER)
    assert mounts(WORKER)["$CONSILIUM_DATA"] is True
    assert [source for source, closed in mounts(WORKER).items() if not closed] == [
        "$CONSILIUM_HOME/worker",
        "$CONSILIUM_HOME/logs/worker",
        "socket",
    ]


def test_the_gateway_has_a_network_and_no_scans() -> None:
    assert (
        "network_mode" not in GATEWAY
        and GATEWAY["networks"] == ["outside"]
        and "ports" not in GATEWAY
    )
    assert not any(
        "DATA" in source or source.endswith(("/worker", "$CONSILIUM_HOME"))
        for source in mounts(GATEWAY)
    )
    assert mounts(GATEWAY)["$CONSILIUM_HOME/gateway"] and mounts(GATEWAY)["socket"]


def test_the_two_share_the_socket_and_not_the_user() -> None:
    assert (
        WORKER["user"].split(":")[0] != GATEWAY["user"].split(":")[0]
        and WORKER["user"].split(":")[1] == GATEWAY["user"].split(":")[1]
    )
    assert set(mounts(WORKER)) & set(mounts(GATEWAY)) - {
        f"$CONSILIUM_HOME/{name}" for name in ("site.toml", "ca.crt", "coordinator.crt")
    } == {"socket"}
    assert (
        "socket" in COMPOSE["volumes"]
        and "install -d -m 2750 -o worker -g consilium /consilium/run" in CONTAINERFILE
    )


def test_the_gpu_goes_to_the_worker_alone() -> None:
    assert list(GPU["services"]) == ["worker"] and set(GPU["services"]["worker"]) == {"deploy"}
    [device] = GPU["services"]["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert "gpu" in device["capabilities"] and "deploy" not in GATEWAY


def test_profiles_and_commands() -> None:
    assert (WORKER["profiles"], GATEWAY["profiles"], SERVER["profiles"]) == (
        ["site"],
        ["site"],
        ["server"],
    )
    assert WORKER["command"] == ["site", "start", "--home", "/consilium", "--only", "worker"]
    assert GATEWAY["command"] == ["site", "start", "--home", "/consilium", "--only", "gateway"]
    assert (
        SERVER["command"] == ["server", "start", "--home", "/consilium"]
        and len(SERVER["ports"]) == 1
    )


def test_every_image_that_runs_is_built_and_starts_without_root() -> None:
    stages = dict(
        re.findall(
            r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM |\Z)", CONTAINERFILE, re.MULTILINE | re.DOTALL
        )
    )
    assert {service["build"]["target"] for service in COMPOSE["services"].values()} <= set(stages)
    for name, service in (("gateway", GATEWAY), ("full", WORKER), ("server", SERVER)):
        assert re.findall(r"^USER (\S+)$", stages[name], re.MULTILINE)[-1] == service["user"]
    assert all(
        "--constraint /wheels/constraints.txt" in line
        for line in CONTAINERFILE.splitlines()
        if "pip install" in line
    )


GATEWAY_NEEDS = """
import importlib.metadata as metadata, re, sys
def closure(names):
    visited = set()
    while names:
        name = re.sub(r"[-_.]+", "-", names.pop()).lower()
        if name not in visited:
            visited.add(name)
            try:
                lines = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                continue
            plain = [text for text in lines if "extra ==" not in text]
            names += [re.match(r"[A-Za-z0-9._-]+", text)[0] for text in plain]
    return visited
import client.gateway.relay, client.isolation.file_access, common.cli.main
provided = closure(sys.argv[1:]) | {"consilium", "setuptools"}
owners = metadata.packages_distributions()
for top in sorted({name.split(".")[0] for name in sys.modules}):
    names = {re.sub(r"[-_.]+", "-", name).lower() for name in owners.get(top, [])}
    if names and not names & provided:
        print(top)
"""


def test_the_gateway_s_image_has_what_the_gateway_imports_and_no_torch() -> None:
    [line] = [line for line in CONTAINERFILE.splitlines() if "constraints.txt flwr" in line]
    packages = line.partition("constraints.txt ")[2].removesuffix("; \\").split()
    assert "torch" not in packages and "numpy" in packages

    def missing(names: list[str]) -> list[str]:
        command = [sys.executable, "-c", GATEWAY_NEEDS, *names]
        return subprocess.run(
            command, cwd=HOUSE, capture_output=True, text=True, check=True
        ).stdout.split()

    assert missing(packages) == []
    assert "grpc" in missing(
        [name for name in packages if name not in ("grpcio", "flwr")]
    )  # the control
