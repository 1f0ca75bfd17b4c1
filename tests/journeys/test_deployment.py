"""One coordinator and hospitals as real processes.

Trained to the report, and watched while they are.

The journey is walked once; what was seen on the way is kept, and each test looks at one part of it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
import traceback
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from flwr.proto.node_pb2 import Node

from client.gateway.fleet_api import _Client, node_key
from client.home import SiteHome
from common.simulation.phantoms import write
from common.simulation.run import simulate
from common.study import toml
from server import checkpoint
from server.host.server_home import ServerHome
from tests import kept
from tests.journeys.federation import Federation, federation, until
from tests.journeys.watching import Socket, Watch, members

TABLE: dict[str, Any] = {
    "name": "trial",
    "seed": 3,
    "task": {"name": "segmentation", "classes": ["lesion"]},
    "model": {"name": "unet", "channels": [8, 16], "strides": [2]},
    "data": {"prepare": [{"step": "resize", "size": [32, 32]}]},
    "training": {"local_steps": 2, "batch_size": 2, "precision": "float32"},
    "federation": {"rounds": 2, "min_sites": 3},
    "secure_aggregation": {"enabled": True},
    "evaluation": {"every": 0, "bootstrap": 0},
}
SITES = ("harbour", "north", "valley")
FOURTH = "university"
PHANTOMS = {"patients": 8, "size": 64, "seed": 1}
LOOPBACK = ("127.0.0.1", "::1")
OTHER_DOORS = (
    ("POST", "/v1/control/list-runs"),
    ("POST", "/v1/control/start-run"),
    ("POST", "/v1/control/list-nodes"),
    ("POST", "/v1/runtime/acquire-task"),
    ("POST", "/v1/runtime/pull-task-input"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/health"),
    ("GET", "/answers"),
    ("POST", "/questions"),
    ("POST", "/v1/fleet/../control/list-runs"),
    ("POST", "/v1/fleet/%2e%2e/control/list-runs"),
    ("POST", "/v1/fleet/..%2fcontrol/list-runs"),
    ("POST", "/v1/control/list-runs%23/../../fleet/x"),
    ("POST", "//v1/control/list-runs"),
)


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was seen; with several test processes the first walks and the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if base.name.startswith("popen-") else base) / "journey.json"
    with shared.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            try:
                observations = walk()
            except BaseException as error:
                shared.write_text(
                    json.dumps({"fault": "".join(traceback.format_exception(error))[-20000:]})
                )
                raise
            shared.write_text(json.dumps(observations))
    content: dict[str, Any] = json.loads(shared.read_text())
    assert "fault" not in content, content["fault"]
    return content


def walk() -> dict[str, Any]:
    """From ``provision`` to a stopped run and stopped processes."""
    with federation(probe=True) as made:
        write.write(made.data, hospitals=4, **PHANTOMS)
        (made.top / "s.toml").write_text(toml.dumps(TABLE))
        (made.top / "long.toml").write_text(
            toml.dumps({**TABLE, "federation": {**TABLE["federation"], "rounds": 500}})
        )
        made.provision(*SITES)
        made.start_server()
        with Watch(lambda: [group.pid for group in made.groups.values()], part) as watch:
            for site in SITES:
                made.enrol(site)
                made.start_site(site)
            observations = _first_and_second(made)
            _a_fourth_joins(made)
            made.wait_for("second")
            observations["weights"] = {
                name: digest(made.home / "runs" / name) for name in ("first", "second")
            }
            observations["stopped"] = _stopped(made)
        observations |= _readings(made) | _watched(made, watch)
        groups = [group.pid for group in made.groups.values()]
        observations["farewell"] = made.stop(*SITES, FOURTH) | made.stop("server")
        observations["left"] = members(groups)
    return observations


def _first_and_second(made: Federation) -> dict[str, Any]:
    made.submit(made.top / "s.toml", "first")
    made.submit(made.top / "s.toml", "second")
    run = made.wait_for("first", "running")
    beside = made.state("second")["state"]
    token = until(lambda: _token(made, run["run_id"]), "the task has no token")
    doors = {
        f"{method} {path} {site}": _knock(made, method, path, site)
        for method, path in OTHER_DOORS
        for site in (None, "north")
    }
    home = SiteHome(made.top / "north")
    with httpx.Client(verify=False) as inner:
        behind = [
            inner.get(f"https://127.0.0.1:{made.link}{path}").status_code
            for path in ("/docs", "/openapi.json")
        ]
    # A beat before the hospital's own gateway is there would take its place for two heartbeats.
    until(lambda: made.online() == set(SITES), "a hospital does not come")
    fleet = {
        "member": _beats(made, home, "north"),
        "without": _knock(made, "POST", "/v1/fleet/pull-messages", None),
    }
    secrets = {"task token": token, **{str(file): file.read_text() for file in _secret_files(made)}}
    made.wait_for("first")
    report = json.loads((made.home / "runs" / "first" / "report.json").read_text())
    about = {key: report[key] for key in ("status", "engine", "excluded")}
    return {
        "beside": beside,
        "doors": doors,
        "behind": behind,
        "fleet": fleet,
        "secrets": secrets,
        "report": about,
    }


def _a_fourth_joins(made: Federation) -> None:
    """While the second run goes on, which began without it.

    The third is the first run that it takes part in.
    """
    made.provision(*SITES, FOURTH)
    made.enrol(FOURTH)
    log = made.home / "logs" / f"run-{made.state('second')['run_id']}.log"
    until(
        lambda: log.exists() and "3 hospitals" in log.read_text(), "the second run does not begin"
    )
    made.start_site(FOURTH)
    until(lambda: FOURTH in made.online(), "the fourth hospital does not come")
    made.submit(made.top / "long.toml", "third")


def _stopped(made: Federation) -> dict[str, Any]:
    """A long run that is stopped after some rounds."""
    folder = made.home / "runs" / "third"
    until(
        lambda: (folder / "rounds.jsonl").exists() and len(_rounds(folder)) >= 2, "no round is done"
    )
    made.consilium("server", "stop", "third", "--home", made.home)
    until(
        lambda: (
            made.state("third")["state"] not in ("running", "interrupted")
            or (folder / "report.json").exists()
        ),
        "the run does not stop",
    )
    until(
        lambda: "ended with code" in made.output("server").rpartition("starts")[2],
        "its process does not end",
    )
    study, _, weights = checkpoint.load(folder / "model")
    return {
        "same server": made.groups["server"].poll() is None,
        "state": made.state("third")["state"],
        "rounds": [sorted(json.loads(line)["accepted"]) for line in _rounds(folder)],
        "model": json.loads((folder / "model" / "model.json").read_text())["rounds"],
        "finite": bool(np.isfinite(weights).all()) and study.name == "trial",
        "report": json.loads((folder / "report.json").read_text())["status"],
    }


def _readings(made: Federation) -> dict[str, Any]:
    """What both sides say about the runs, and who may read their files."""
    status = json.loads(made.consilium("server", "status", "--home", made.home, "--json"))
    studies = {
        site: json.loads(made.consilium("site", "studies", "--home", made.top / site, "--json"))[
            "studies"
        ]
        for site in SITES
    }
    logs = {site: SiteHome(made.top / site).gateway_log.read_text() for site in SITES}
    run_logs = {file.stem: file.read_text() for file in (made.home / "logs").glob("run-*.log")}
    private = [
        file
        for folder in ("co", *SITES, FOURTH)
        for file in (made.top / folder).rglob("*")
        if file.is_file() and not file.is_symlink()
    ]
    modes = {str(file.relative_to(made.top)): file.stat().st_mode & 0o777 for file in private}
    before = os.umask(0)
    os.umask(before)
    strange = [
        *kept.wrong("coordinator", made.home, before),
        *(one for site in SITES for one in kept.wrong("site", made.top / site, before)),
    ]
    return {
        "status": status,
        "studies": studies,
        "logs": logs,
        "run logs": run_logs,
        "server log": made.output("server"),
        "modes": modes,
        "strange": strange,
    }


def _watched(made: Federation, watch: Watch) -> dict[str, Any]:
    texts = {
        name: sorted({text.decode("utf-8", "replace") for text in seen})
        for name, seen in watch.texts.items()
    }
    calls = sorted(set((made.top / "probe.log").read_text().splitlines()))
    sockets = {name: sorted(held) for name, held in watch.sockets.items()}
    return {
        "texts": texts,
        "calls": calls,
        "sockets": sockets,
        "looks": watch.looks,
        "port": made.port,
        "link": made.link,
    }


def part(command: str) -> str:
    """Which process a command line belongs to."""
    signs = {
        "flower-superlink": "superlink",
        "nginx": "proxy",
        "server.host.run_process": "runner",
        "run_process.py": "runner",
        "--only worker": "worker",
    }
    signs |= {"--only gateway": "gateway", "site start": "site", "server start": "server"}
    return next((name for sign, name in signs.items() if sign in command), f"unknown: {command}")


def digest(run: Path) -> str:
    """SHA-256 of a run's weights."""
    return hashlib.sha256((run / "model" / "weights.safetensors").read_bytes()).hexdigest()


def _rounds(folder: Path) -> list[str]:
    return (folder / "rounds.jsonl").read_text().splitlines()


def _knock(made: Federation, method: str, path: str, site: str | None) -> int:
    with made.http(site) as http:
        url = http.base_url.copy_with(raw_path=path.encode())
        return http.send(
            httpx.Request(method, url, content=b"" if method == "POST" else None)
        ).status_code


def _beats(made: Federation, home: SiteHome, site: str) -> bool:
    """Whether the SuperLink itself answers a member."""
    with ServerHome(made.home).control() as control:
        node = next(number for number, name in control.names().items() if name == site)
    with made.http(site) as http:
        client = _Client(str(http.base_url), http, node_key(home.node_key))
        answer: SendNodeHeartbeatResponse = client.SendNodeHeartbeat(
            SendNodeHeartbeatRequest(node=Node(node_id=node), heartbeat_interval=15)
        )
    return answer.success


def _token(made: Federation, run: int) -> str | None:
    """Flower's token of a run's task, out of the SuperLink's own database."""
    with sqlite3.connect(f"file:{made.home / 'state.db'}?mode=ro", uri=True) as base:
        signed = run - (1 << 64) if run >= 1 << 63 else run
        row = base.execute(
            "select token from task where run_id = ? and token is not null", [signed]
        ).fetchone()
    return row[0] if row else None


def _secret_files(made: Federation) -> list[Path]:
    patterns = (
        "co/*.key",
        "co/superexec.secret",
        "co/kits/*/token",
        "*/gateway/*.key",
        "*/worker/identity.key",
    )
    return sorted(file for pattern in patterns for file in made.top.glob(pattern))


def _parts_of_secrets(secrets: dict[str, str]) -> set[str]:
    """Each line that is secret: of a PEM file, what lies between head and foot."""
    return {
        line
        for text in secrets.values()
        for line in text.split("\n")
        if len(line) >= 16 and not line.startswith("-----")
    }


def test_it_trains_to_the_report(seen: dict[str, Any]) -> None:
    assert seen["report"] == {"status": "finished", "engine": "deployed", "excluded": {}}
    assert [run["state"] for run in seen["status"]["runs"]][:2] == ["finished", "finished"]


@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_the_final_weights_are_those_of_a_simulation(
    seen: dict[str, Any], tmp_path: Path, engine: str
) -> None:
    write.write(tmp_path / "hosp", hospitals=3, **PHANTOMS)
    (tmp_path / "s.toml").write_text(toml.dumps(TABLE))
    simulate(
        tmp_path / "s.toml",
        tmp_path / "hosp",
        tmp_path / "out",
        engine=engine,
        device="cpu",
        quiet=True,
        threads=1,
    )
    assert seen["weights"]["first"] == digest(tmp_path / "out")


def test_a_study_waits_for_the_one_before(seen: dict[str, Any]) -> None:
    assert seen["beside"] == "pending"
    assert seen["weights"]["second"] == seen["weights"]["first"]  # the same study again
    order = [line.split()[2] for line in seen["server log"].splitlines() if line.startswith("run ")]
    assert order == ["starts", "ended"] * 3


def test_from_outside_there_is_the_fleet_api_only(seen: dict[str, Any]) -> None:
    assert set(seen["doors"].values()) <= {403, 404}, seen["doors"]
    assert seen["behind"] == [200, 200]  # the SuperLink itself offers them
    assert seen["fleet"] == {"member": True, "without": 403}


def test_every_socket_is_a_configured_one(seen: dict[str, Any]) -> None:
    port = seen["port"]
    link = seen["link"]
    allowed = {
        "server": {("to", link)},
        "superlink": {("at", link), ("from", link)},
        "proxy": {("at", port), ("from", port), ("to", link)},
        "runner": {("to", link)},
        "gateway": {("to", port)},
        "site": set(),
        "worker": set(),
    }
    assert set(seen["sockets"]) == set(allowed) and seen["looks"] > 20
    roles_of = {
        name: {_role(Socket(*entry), port, link) for entry in held}
        for name, held in seen["sockets"].items()
    }
    assert {
        name: roles - allowed[name]
        for name, roles in roles_of.items()
        if not roles <= allowed[name]
    } == {}
    for name in (
        "superlink",
        "proxy",
        "runner",
        "gateway",
        "server",
    ):  # the control: the watch sees what there is
        assert roles_of[name], name


def _role(held: Socket, port: int, link: int) -> tuple[str, int] | Socket:
    """What a socket is for; itself, if that is nothing that was configured."""
    if held.listens and (held.near_port, held.near) in (
        (port, "0.0.0.0"),
        (port, "::"),
        (link, "127.0.0.1"),
    ):
        return "at", held.near_port
    if held.table.startswith("tcp") and held.near in LOOPBACK and held.far in LOOPBACK:
        if held.far_port in (port, link):
            return "to", held.far_port
        if held.near_port in (port, link):
            return "from", held.near_port
    return held


def test_every_call_to_the_network_is_a_configured_one(seen: dict[str, Any]) -> None:
    """Looks cannot miss what Python itself notes: also what lasted a moment, or failed."""
    port = seen["port"]
    link = seen["link"]
    door = f"('127.0.0.1', {port}"
    inner = f"('127.0.0.1', {link}"
    wide = f"('0.0.0.0', {port}"
    allowed = {
        "superlink": {("socket.bind", inner), ("socket.getaddrinfo", inner)},
        "runner": {("socket.connect", inner), ("socket.getaddrinfo", inner)},
        "server": {
            ("socket.connect", inner),
            ("socket.getaddrinfo", inner),
            ("socket.bind", inner),
            ("socket.bind", wide),
        },
        "gateway": {
            ("socket.connect", door),
            ("socket.connect", f"('::1', {port}"),
            ("socket.getaddrinfo", f"('localhost', {port}"),
        },
    }
    kinds = set()
    wrong = []
    for line in seen["calls"]:
        command, event, about = line.split("\t")
        name = part(command)
        if about.lstrip("(b'").startswith("/"):
            continue  # a Unix socket of ours
        if (event, about) == ("socket.bind", "(('::1', 0),)"):
            continue  # urllib3 asks while it is imported whether there is IPv6; nothing listens
        kinds.add(name)
        if not any(
            event == kind and about.lstrip("(").startswith(place.lstrip("("))
            for kind, place in allowed.get(name, set())
        ):
            wrong.append(line)
    assert wrong == []
    assert kinds == set(allowed)


def test_no_secret_is_on_a_command_line_or_in_an_environment(seen: dict[str, Any]) -> None:
    parts = _parts_of_secrets(seen["secrets"])
    assert len(seen["secrets"]) == 1 + 4 + 3 + 9 and len(parts) >= len(seen["secrets"])
    texts = {name: "\n".join(pieces) for name, pieces in seen["texts"].items()}
    assert (
        "superexec.secret" in texts["superlink"] and "PYTHONPATH" in texts["worker"]
    )  # the control: both kinds were read
    assert {
        name for name, text in texts.items() if any(secret in text for secret in parts)
    } == set()


def test_both_sides_name_the_same_run(seen: dict[str, Any]) -> None:
    runs = {run["run"]: run["run_id"] for run in seen["status"]["runs"]}
    assert list(runs) == ["first", "second", "third"]
    assert set(seen["run logs"]) == {f"run-{number}" for number in runs.values()}
    for site in SITES:
        assert seen["status"]["sites"][site]["online"] is True
        studies = {study["run"]: study for study in seen["studies"][site]}
        assert (
            set(studies) == set(runs)
            and studies["first"]["rounds"] == 2
            and studies["first"]["study"] == "trial"
        )
        assert all(f"run {number} message" in seen["logs"][site] for number in runs.values())
    for number in runs.values():
        assert f"run {number} starts" in seen["server log"]


def test_a_run_is_stopped_and_its_last_model_stays(seen: dict[str, Any]) -> None:
    stopped = seen["stopped"]
    assert (
        stopped["report"] == "interrupted"
        and stopped["state"] in ("interrupted", "stopped")
        and stopped["finite"]
    )
    assert 2 <= stopped["model"] < 500 and len(stopped["rounds"]) == stopped["model"]


def test_a_hospital_joins_a_server_that_runs(seen: dict[str, Any]) -> None:
    assert seen["stopped"]["same server"]
    assert all(accepted == sorted([*SITES, FOURTH]) for accepted in seen["stopped"]["rounds"])


def test_nobody_else_may_read_a_secret(seen: dict[str, Any]) -> None:
    modes = seen["modes"]
    secret = [name for name in modes if name.endswith((".key", ".secret", "/token"))]
    assert len(secret) == 5 + 3 * 4 + 4
    assert {name: oct(modes[name]) for name in secret if modes[name] != 0o600} == {}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o002} == {}


def test_everything_ends_when_told(seen: dict[str, Any]) -> None:
    assert "server stopped" in seen["farewell"]["server"]
    assert all("site stopped" in seen["farewell"][site] for site in (*SITES, FOURTH))
    assert seen["left"] == []


def test_both_sides_keep_what_the_table_says(seen: dict[str, Any]) -> None:
    assert seen["strange"] == []
