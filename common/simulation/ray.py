"""The ``ray`` engine: Flower's own simulation runtime, for many cores and GPUs."""

from __future__ import annotations

import os
import warnings

from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from common.errors import ArgumentError

_QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "1"}


def start(server: ServerApp, client: ClientApp, nodes: int, gpus: float) -> None:
    """Run a ServerApp over virtual nodes in Ray's worker processes.

    Args:
        nodes: number of virtual nodes.
        gpus: share of a GPU for each worker process; several hospitals share one.

    Raises:
        ArgumentError: Ray is not installed.
    """
    os.environ.update(_QUIET)
    try:
        import ray  # noqa: F401, PLC0415  # optional: large, needed by this engine only
        from flwr.simulation import run_simulation  # noqa: PLC0415
    except ImportError:
        raise ArgumentError("--engine is 'ray', but Ray is not installed; install consilium[ray] or use --engine inline.") from None
    cores = max(1, (os.cpu_count() or 1) // min(nodes, os.cpu_count() or 1))
    backend = {"client_resources": {"num_cpus": cores, "num_gpus": gpus}, "init_args": {"include_dashboard": False, "log_to_driver": False}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_simulation(server, client, nodes, backend_config=backend)  # type: ignore[arg-type]
