"""Bare Flower on the same machine: three SuperNodes, FedAvg, clients that add a constant.

The SuperLink has TLS and node authentication. Every tensor and every answer differs, because Flower
stores equal chunks once.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric import ec

from common.trust import certificates

_PYPROJECT = """[project]
name = "bare"
version = "1.0.0"
description = "empty rounds"
license = "Apache-2.0"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[tool.flwr.app]
publisher = "bench"
[tool.flwr.app.components]
serverapp = "bare.server_app:app"
clientapp = "bare.client_app:app"
[tool.flwr.app.config]
weights = 0
rounds = 0
result = ""
sites = 0
"""
_SERVER = """import json, time
import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
app = ServerApp()
class Timed(FedAvg):
    times = []
    def configure_train(self, *a, **k):
        self.times.append(time.monotonic())
        return super().configure_train(*a, **k)
@app.main()
def main(grid, context):
    c = context.run_config
    size = c["weights"] // 28
    n = c["sites"]
    s = Timed(fraction_evaluate=0.0, min_train_nodes=n, min_available_nodes=n)
    draws = (np.random.default_rng(i).normal(size=size) for i in range(28))
    model = ArrayRecord([values.astype(np.float32) for values in draws])
    s.start(grid, model, num_rounds=c["rounds"])
    s.times.append(time.monotonic())
    open(c["result"], "w").write(json.dumps(s.times))
"""
_CLIENT = """from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
app = ClientApp()
@app.train()
def train(message, context):
    own = context.node_id % 997 / 997
    arrays = [a + own for a in message.content["arrays"].to_numpy_ndarrays()]
    metrics = MetricRecord({"num-examples": 1})
    content = RecordDict({"arrays": ArrayRecord(arrays), "metrics": metrics})
    return Message(content, reply_to=message)
"""


def seconds_a_round(weights: int, sites: int, rounds: int) -> float:
    """Mean seconds of a round after the first, or of the first if there is one only."""
    with (
        tempfile.TemporaryDirectory(prefix="bare-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder, (port, *node_ports) = Path(name), free_ports(1 + sites)
        app = _write(folder, port)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        env = {
            **os.environ,
            "PATH": path,
            "FLWR_HOME": str(folder / "flwr"),
            "OMP_NUM_THREADS": "1",
        }
        env |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
        log = stack.enter_context((folder / "log").open("wb"))

        def start(command: str, *words: object) -> None:
            process = subprocess.Popen(
                [_program(command), *map(str, words)], env=env, stdout=log, stderr=log
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)

        tls = (
            "--ssl-ca-certfile",
            folder / "ca.crt",
            "--ssl-certfile",
            folder / "tls.crt",
            "--ssl-keyfile",
            folder / "tls.key",
        )
        start(
            "flower-superlink",
            *tls,
            "--enable-supernode-auth",
            "--disable-runtime-dependency-installation",
            "--port",
            port,
            "--database",
            folder / "db",
        )
        _wait(lambda: listens(port))
        for i in range(sites):
            _flwr(env, "supernode", "register", str(folder / f"node{i}.pub"), "bench")
            words = (
                "--root-certificates",
                folder / "ca.crt",
                "--superlink",
                f"127.0.0.1:{port}",
                "--port",
                node_ports[i],
            )
            start("flower-supernode", *words, "--auth-supernode-private-key", folder / f"node{i}")
        result = folder / "result.json"
        config = f'weights={weights} rounds={rounds} sites={sites} result="{result}"'
        _flwr(env, "run", str(app), "bench", "--run-config", config)
        _wait(result.exists, 280)
        times = json.loads(result.read_text("utf-8"))
        gaps = [after - before for before, after in itertools.pairwise(times)]
        return sum(gaps[1:] or gaps) / len(gaps[1:] or gaps)


def free_ports(number: int) -> list[int]:
    """Ports that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(closing(socket.socket())) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with closing(socket.socket()) as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


def _write(folder: Path, port: int) -> Path:
    now = datetime.now(UTC)
    ca = certificates.authority("bench", now, 2)
    tls = certificates.server(ca, "localhost", now, 2)
    (folder / "ca.crt").write_bytes(ca.certificate)
    (folder / "tls.crt").write_bytes(tls.certificate)
    (folder / "tls.key").write_bytes(tls.key)
    for i in range(8):
        key = ec.generate_private_key(ec.SECP384R1())
        secret = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.OpenSSH, pem.NoEncryption())
        (folder / f"node{i}").write_bytes(secret)
        (folder / f"node{i}.pub").write_bytes(
            key.public_key().public_bytes(pem.Encoding.OpenSSH, pem.PublicFormat.OpenSSH)
        )
    app = folder / "app"
    (app / "bare").mkdir(parents=True)
    for name, text in (
        ("pyproject.toml", _PYPROJECT),
        ("bare/__init__.py", ""),
        ("bare/server_app.py", _SERVER),
        ("bare/client_app.py", _CLIENT),
    ):
        (app / name).write_text(text, "utf-8")
    (folder / "flwr").mkdir()
    text = (
        '[superlink]\ndefault = "bench"\n'
        f'[superlink.bench]\naddress = "127.0.0.1:{port}"\n'
        f'root-certificates = "{folder / "ca.crt"}"\n'
    )
    (folder / "flwr" / "config.toml").write_text(text, "utf-8")
    return app


def _flwr(env: dict[str, str], *words: str) -> str | None:
    done = subprocess.run(
        [_program("flwr"), *words], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout if done.returncode == 0 else None


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _wait(there: Callable[[], bool], seconds: float = 60) -> None:
    last = time.monotonic() + seconds
    while not there():
        if time.monotonic() > last:
            raise TimeoutError("bare Flower did not answer in time")
        time.sleep(0.2)
