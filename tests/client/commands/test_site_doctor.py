"""A hospital's doctor over real files, sockets and processes.

Each planted fault is found, and nothing else.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from client.commands import site_doctor
from client.home import SiteHome
from client.isolation import ipc
from common.checks import CheckResult
from common.cli import main, packages
from common.trust import certificates
from tests import lane
from tests.client.isolation.test_preflight import CA, NOW, hospital


@pytest.fixture
def top(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path and the coordinator's certificate.

    This test environment's own packages are another test's matter.
    """
    monkeypatch.setattr(packages, "look", lambda small=False: [])
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        made = certificates.server(CA, "localhost", NOW, 10)
        for name, content in (
            ("server.crt", made.certificate),
            ("server.key", made.key),
            ("ca.crt", CA.certificate),
        ):
            (Path(folder) / name).write_bytes(content)
        yield Path(folder)


def answer(status: str, ahead: float = 0.0) -> lane.Serve:
    return lane.fixed(
        f"HTTP/1.1 {status}\r\nDate:"
        f" {format_datetime(datetime.now(UTC) + timedelta(seconds=ahead), usegmt=True)}\r\n"
        "Content-Length: 0"
    )


def states(results: list[CheckResult]) -> dict[str, str]:
    return {finding.name: finding.state for finding in results}


def test_a_hospital_that_is_well(top: Path) -> None:
    with lane.listening(answer("200 OK"), lane.tls(top, mutual=True)) as there:
        home = hospital(top / "home", port=there, device="cpu")
        (top / "data" / "scan").write_bytes(b"")
        (top / "data").chmod(0o500)
        results = site_doctor.examine(home.path)
    state_of = states(results)
    assert [name for name, state in state_of.items() if state == "wrong"] == []
    assert set(state_of) == {
        *(
            "folder",
            "ca.crt",
            "coordinator.crt",
            "roster.crt",
            "tls.crt",
            "identity.crt",
            "policy",
            "proxy",
            "name",
            "port",
            "TLS",
            "client certificate",
            "answer",
        ),
        *("clock", "disk", "data", "walls", "GPU", "worker", "gateway"),
    }
    assert (state_of["worker"], state_of["gateway"]) == ("warning", "warning")
    assert state_of["clock"] == "ok"
    assert sum(finding.name == "walls" for finding in results) == 3


@pytest.mark.parametrize(
    ("status", "ahead", "name", "words"),
    [
        ("403 Forbidden", 0, "client certificate", "does not accept this hospital (status 403)"),
        ("200 OK", 400, "clock", "behind the coordinator's"),
    ],
)
def test_a_coordinator_that_refuses_and_one_in_another_time(
    top: Path, status: str, ahead: float, name: str, words: str
) -> None:
    with lane.listening(answer(status, ahead), lane.tls(top, mutual=True)) as there:
        results = site_doctor.examine(hospital(top / "home", port=there).path, "gateway")
    [bad] = [finding for finding in results if finding.state == "wrong"]
    assert bad.name == name
    assert words in bad.text


def test_nobody_listens(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        closed = door.getsockname()[1]
    home = hospital(top / "home", port=closed, device="cpu")
    assert (
        main.main(["site", "doctor", "--home", str(home.path), "--only", "gateway", "--json"]) == 1
    )
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert {entry["name"] for entry in report["findings"] if entry["state"] == "wrong"} == {"port"}
    assert main.main(["site", "doctor", "--home", str(home.path), "--only", "gateway"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("1 wrong, ")
    assert any(f"localhost:{closed} refuses connections" in line for line in lines)


def test_files_are_looked_at_first(top: Path) -> None:
    home = hospital(top / "home")
    home.tls_key.chmod(0o644)
    [result] = site_doctor.examine(home.path)
    assert result.state == "wrong"
    assert "chmod 0600" in result.text
    assert states(site_doctor.examine(home.path, "worker"))["folder"] == "ok"


def test_the_worker_needs_no_way_out(top: Path) -> None:
    state_of = states(site_doctor.examine(hospital(top / "home", device="cpu").path, "worker"))
    assert {"identity.crt", "data", "walls", "GPU", "worker"} <= set(state_of)
    assert not {"tls.crt", "port", "clock", "gateway"} & set(state_of)
    assert state_of["data"] == "warning"


def test_the_hospitals_own_rules(top: Path) -> None:
    home = hospital(top / "home", device="cpu")
    for rules, state, words in (
        ("", "ok", "under masks only, in sums over 3 hospitals or more"),
        ("plain_updates = true", "ok", "plain updates are allowed"),
        ("min_cohrt = 3", "wrong", "policy.min_cohrt is not a setting"),
        ("min_cohort = 2", "wrong", "policy.min_cohort"),
    ):
        home.policy_toml.write_text(rules)
        [result] = [
            finding
            for finding in site_doctor.examine(home.path, "worker")
            if finding.name == "policy"
        ]
        assert (result.state, words in result.text) == (state, True), result
    assert "policy" not in states(site_doctor.examine(home.path, "gateway"))


def test_a_roster_key_of_somebody_else(top: Path) -> None:
    home = hospital(top / "home", device="cpu")
    home.roster_crt.write_bytes(
        certificates.signer(
            certificates.authority("chest-4", NOW, 10), "roster", NOW, 10
        ).certificate
    )
    [result] = [
        finding
        for finding in site_doctor.examine(home.path, "worker")
        if finding.name == "roster.crt"
    ]
    assert (result.state, "not issued by this consortium" in result.text) == ("wrong", True)


def test_data_that_is_gone_and_a_gpu_that_is_not_there(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    home = hospital(top / "home", device="cuda")
    (top / "data").rmdir()
    text_of = {
        finding.name: finding.text
        for finding in site_doctor.examine(home.path, "worker")
        if finding.state == "wrong"
    }
    assert "does not exist" in text_of["data"]
    assert "torch sees no usable GPU" in text_of["GPU"]


def test_a_gpu_and_its_memory(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Grace")
    for free, state in ((3, "warning"), (40, "ok")):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda free=free: (free << 30, 80 << 30))
        [result] = [
            finding
            for finding in site_doctor.examine(hospital(top / str(free)).path, "worker")
            if finding.name == "GPU"
        ]
        assert result.state == state
        assert result.observation == f"Grace, {free}.0 of 80.0 GiB free"


def test_processes_that_run(top: Path) -> None:
    home, stop = hospital(top / "home", device="cpu"), threading.Event()
    words = ["site", "start", "--home", str(home.path), "--only", "gateway"]
    gateway = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", *words], stdin=subprocess.PIPE
    )
    worker = threading.Thread(
        target=ipc.serve,
        args=(home.socket, lambda text, vector: (text, None), stop, lambda line: None),
    )
    worker.start()
    try:
        for _ in range(100):
            state_of = states(
                [
                    *site_doctor.examine(home.path, "worker"),
                    *site_doctor.examine(home.path, "gateway"),
                ]
            )
            if state_of["worker"] == state_of["gateway"] == "ok":
                break
        assert (state_of["worker"], state_of["gateway"]) == ("ok", "ok")
    finally:
        stop.set()
        worker.join()
        gateway.communicate()


def test_walls_that_the_kernel_lacks(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = (
        "class SandboxError(Exception): ...\nSandboxError.__module__ = "
        "'client.isolation.kernel'\nraise SandboxError('This kernel offers no Landlock.')"
    )
    monkeypatch.setattr(site_doctor, "_WALLS", lacking)
    for walls, state in (("required", "wrong"), ("where possible", "warning")):
        home: SiteHome = hospital(top / state, walls=walls, device="cpu")
        [result] = [
            finding
            for finding in site_doctor.examine(home.path, "worker")
            if finding.name == "walls"
        ]
        assert (result.state, result.observation) == (state, "This kernel offers no Landlock")


def test_it_leaves_no_trace(top: Path) -> None:
    home = hospital(top / "home", device="cpu")
    before = sorted(str(path) for path in home.path.rglob("*"))
    site_doctor.examine(home.path)
    assert sorted(str(path) for path in home.path.rglob("*")) == before
    assert os.listdir(top / "data") == []
