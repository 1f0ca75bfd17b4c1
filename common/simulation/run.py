"""Simulate a federation on one machine with the two apps that are deployed.

The apps come in by name, as Flower names them.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from common.errors import ArgumentError, InputError
from common.simulation import virtual_consortium
from common.simulation.folders import hospital_folders
from common.study import study as studies

SERVER = "server.app:app"
CLIENT = "client.app:app"
_ENGINES = ("inline", "ray")
_COMPARISONS = ("local", "pooled")
_MODEL = ("weights.safetensors", "model.json")
_LEFT_BY_A_RUN = (
    "study.toml",
    "rounds.jsonl",
    "model",
    "checkpoints",
    "audit",
    "report.json",
    "report.html",
    "state",
    "order.json",
    "hospitals",
)


def simulate(
    study: Path,
    sites: Path,
    out: Path,
    engine: str = "inline",
    compare: tuple[str, ...] = (),
    rounds: int | None = None,
    seed: int | None = None,
    device: str = "auto",
    quiet: bool = False,
    threads: int | None = None,
) -> dict[str, Any]:
    """Federate a study over the hospital folders in ``sites`` and return the report.

    Args:
        threads: processor threads with which each hospital computes; None: as many as torch takes
            here (the cores that this process may use), or with the ray engine its share of them. On
            one machine the weights are the same to the bit for the same number.

    Raises:
        ConsiliumError: the study, a folder or an argument is wrong, or a round cannot finish.
    """
    folders = hospital_folders(sites)
    for name in compare:
        if name not in _COMPARISONS:
            raise ArgumentError(f"--compare names {name!r}; allowed: {', '.join(_COMPARISONS)}.")
    if engine not in _ENGINES:
        raise ArgumentError(f"--engine is {engine!r}; allowed: {', '.join(_ENGINES)}.")
    if rounds is not None and rounds < 1:
        raise ArgumentError(f"--rounds is {rounds}; 1 or more is allowed.")
    secure = studies.read(study).secure_aggregation.enabled
    run_folder(out, sites)
    request: dict[str, Any] = {
        "study": str(study.absolute()),
        "out": str(out.absolute()),
        "compare": compare,
        "rounds": rounds,
        "seed": seed,
        "quiet": quiet,
    }
    nodes = len(folders) + (1 if "pooled" in compare else 0)
    with _environment(sites, out / "state", device, engine), _threads(engine, threads):
        if secure:
            names = [folder.name for folder in folders]
            request |= _consortium(out / "state" / ".consortium", names)
        with _requested(out / "order.json", {**request, "engine": engine}):
            _start(engine, nodes, device)
    report: dict[str, Any] = json.loads((out / "report.json").read_text("utf-8"))
    return report


def evaluate(
    model: Path, sites: Path, split: str = "test", device: str = "auto", quiet: bool = False
) -> dict[str, Any]:
    """Score a saved model on every hospital folder in ``sites``, also ones never trained on.

    Returns:
        ``{"study", "model", "split", "metrics": {"sites", "mean", "intervals"}, "images",
        "faults"}``.
    """
    folders = hospital_folders(sites)
    scoring = importlib.import_module("server.evaluate")
    inline = importlib.import_module("common.simulation.inline")
    with (
        tempfile.TemporaryDirectory(prefix="consilium-") as state,
        _environment(sites, Path(state), device, "inline"),
    ):
        transport = importlib.import_module("server.transport").Transport(
            inline.InlineGrid(_app(CLIENT), len(folders))
        )
        scored: dict[str, Any] = scoring.score_model(transport, model, split, quiet)
    return scored


def demo(out: Path, quiet: bool = False) -> dict[str, Any]:
    """Write four phantom hospitals as DICOM, federate a U-Net over them and return the report."""
    phantoms = importlib.import_module("common.simulation.phantoms.write")
    hospitals = out / "hospitals"
    run_folder(out, hospitals)
    if hospitals.exists():
        if not all((f / "PHANTOM").is_file() for f in hospitals.iterdir()):
            raise InputError(
                f"{hospitals} exists and is not the demo's; nothing was changed. Give another"
                " folder with --out."
            )
        shutil.rmtree(hospitals)
    phantoms.write(hospitals)
    # On pictures so small, threads wait for each other longer than they compute: two take 1.5
    # times as long as one.
    return simulate(demo_study(), hospitals, out, compare=_COMPARISONS, quiet=quiet, threads=1)


@contextmanager
def _threads(engine: str, count: int | None) -> Iterator[None]:
    """One number of threads from start to end, here and in every process that is started meanwhile.

    Ray shares the cores out by itself.
    """
    if engine == "ray" and count is None:
        yield
        return
    torch = importlib.import_module("torch")
    before: int = torch.get_num_threads()
    with _variables(dict.fromkeys(("OMP_NUM_THREADS", "CONSILIUM_THREADS"), str(count or before))):
        torch.set_num_threads(count or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def demo_study() -> Path:
    """The study of the demo, which is installed with the package."""
    return Path(__file__).with_name("demo.toml")


def run_folder(out: Path, sites: Path) -> None:
    """Make the run folder, or make sure that it may be used.

    It is empty or an earlier run's, and no hospital's data is in it.

    Raises:
        InputError: it cannot be used; nothing was changed.
    """
    folder = out.resolve()
    data = sites.resolve()
    if folder == data or data in folder.parents:
        raise InputError(
            f"--out is {str(out)!r}, which lies in the hospitals' folder; give a folder outside"
            f" {str(sites)!r}."
        )
    # The state folder is removed at every start, and whatever lies in it.
    if (folder / "state").resolve() in (data, *data.parents):
        raise InputError(
            f"--sites is {str(sites)!r}, which lies in the state folder of the run; move the"
            " hospitals elsewhere."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        _check_model(out)
        foreign = sorted(
            f.name
            for f in out.iterdir()
            if f.name not in _LEFT_BY_A_RUN and not f.name.startswith(".")
        )
        if foreign and not (out / "order.json").is_file():
            raise InputError(
                f"--out is {str(out)!r}, which holds {foreign[0]!r} and is not an earlier run;"
                " give a new folder."
            )
        (out / "order.json").touch()
    except OSError as error:
        raise InputError(
            f"--out is {str(out)!r}, which cannot be written ({error.strerror}); give another"
            " folder."
        ) from None


def _check_model(out: Path) -> None:
    """Whether the model's folder holds only what a run writes.

    It is replaced whole, and nothing of anybody else's may go with it.
    """
    folder = out / "model"
    strange = sorted({f.name for f in folder.iterdir()} - set(_MODEL)) if folder.is_dir() else []
    if strange:
        raise InputError(
            f"--out is {str(out)!r}, whose folder model holds {strange[0]!r}, which is not of a"
            " run; move it elsewhere."
        )


def _start(engine: str, nodes: int, device: str) -> None:
    module = importlib.import_module(f"common.simulation.{engine}")
    if engine == "inline":
        module.start(_app(SERVER), _app(CLIENT), nodes)
        return
    importlib.import_module("server.app")
    module.start(_app(SERVER), _app(CLIENT), nodes, _gpu_share(nodes, device))


def _gpu_share(nodes: int, device: str) -> float:
    torch = importlib.import_module("torch")
    cards = torch.cuda.device_count() if device != "cpu" else 0
    return min(1.0, cards / nodes) if cards else 0.0


def _app(reference: str) -> Any:
    module, name = reference.split(":")
    return getattr(importlib.import_module(module), name)


def _consortium(folder: Path, names: list[str]) -> dict[str, Any]:
    """A make-believe consortium, and what the server gets to know of it."""
    virtual_consortium.make(folder, names, datetime.now(UTC))
    public = {
        name: (folder / f"{file}.crt").read_text("ascii")
        for name, file in (("roster_key", "roster"), ("authority", "ca"))
    }
    return {
        "run": virtual_consortium.NAME,
        "roster": {"signed": json.loads((folder / "roster.json").read_bytes()), **public},
    }


@contextmanager
def _requested(path: Path, request: dict[str, Any]) -> Iterator[None]:
    """Write down what is to run, where the ServerApp finds it."""
    path.write_text(json.dumps(request), "utf-8")
    with _variables({"CONSILIUM_ORDER": str(path.absolute())}):
        yield


@contextmanager
def _environment(sites: Path, state: Path, device: str, engine: str) -> Iterator[None]:
    """What the two apps find in their environment while a simulation runs.

    What hospitals kept from an earlier run is removed.
    """
    if state.exists():
        shutil.rmtree(state)
    names = {
        "CONSILIUM_SITES": str(sites.absolute()),
        "CONSILIUM_STATE": str(state.absolute()),
        "CONSILIUM_DEVICE": device,
        # Ray's workers come and go, and with them what a hospital would keep in memory.
        "CONSILIUM_RESIDENT": "1" if engine == "inline" else "0",
    }
    try:
        with _variables(names):
            yield
    finally:
        importlib.import_module("client.worker.worker").forget()


@contextmanager
def _variables(names: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
