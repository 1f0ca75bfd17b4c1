"""The ``ray`` engine: Flower's own simulation runtime, for many cores and GPUs."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import warnings
from typing import Any

from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from common import environment
from common.errors import ArgumentError, ConsiliumError

_ATTEMPTS = 4
_QUIET = {**environment.FLOWER, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1"}


def start(server: ServerApp, client: ClientApp, nodes: int, gpus: float) -> None:
    """Run a ServerApp over virtual nodes in Ray's worker processes.

    Args:
        server: asks.
        client: answers for every node.
        nodes: number of virtual nodes.
        gpus: share of a GPU for each worker process; several hospitals share one.

    Raises:
        ArgumentError: Ray is not installed.
        ConsiliumError: its processes do not start.
    """
    os.environ.update(_QUIET)
    try:
        import ray  # noqa: PLC0415  # optional: large, needed by this engine only
        from flwr.simulation import run_simulation  # noqa: PLC0415
    except ImportError:
        raise ArgumentError(
            "--engine is 'ray', but Ray is not installed; install consilium[ray] or use --engine"
            " inline."
        ) from None
    cores = max(1, (os.cpu_count() or 1) // min(nodes, os.cpu_count() or 1))
    logging.getLogger("flwr").setLevel(logging.ERROR)
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="consilium-ray-") as own:
        warnings.simplefilter("ignore")
        _start_up(ray, own)
        backend = {"client_resources": {"num_cpus": cores, "num_gpus": gpus}}
        # It takes a Ray that runs already.
        run_simulation(server, client, nodes, backend_config=backend)  # type: ignore[arg-type]
        ray.shutdown()


def _start_up(ray: Any, folder: str) -> None:
    """Start Ray's processes, more than once where the machine is too busy for them.

    Raises:
        ConsiliumError: they did not start.
    """
    path = os.pathsep.join(filter(None, (*sys.path, os.environ.get("PYTHONPATH"))))
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            ray.init(
                include_dashboard=False,
                log_to_driver=False,
                _node_ip_address="127.0.0.1",
                _temp_dir=folder,
                runtime_env={"env_vars": {"PYTHONPATH": path}},
            )
        # Ray has no class of its own for it: 30 s are a constant of its node (ray 2.55, node.py).
        except Exception as error:
            ray.shutdown()
            if attempt == _ATTEMPTS:
                raise ConsiliumError(
                    f"Ray did not start in {_ATTEMPTS} attempts ({type(error).__name__}); give the"
                    " machine less to do, or use --engine inline."
                ) from error
        else:
            return
