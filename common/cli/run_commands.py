"""``consilium simulate, evaluate, demo``: whole runs on this machine.

Simulation, and torch with it, is loaded by the command that needs it: ``--help`` answers at once.
"""

from __future__ import annotations

import contextlib
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common.cli import console
from common.errors import ArgumentError


def simulate(arguments: Namespace) -> int:
    """Run a study over hospital folders."""
    from common.simulation import run  # noqa: PLC0415

    out = arguments.out or Path("runs") / arguments.study.stem
    with console.work(), _note_on_what_is_kept(out, arguments.sites):
        _check_device(arguments.device)
        report = run.simulate(
            arguments.study,
            arguments.sites,
            out,
            engine=arguments.engine,
            compare=arguments.compare,
            rounds=arguments.rounds,
            seed=arguments.seed,
            device=arguments.device,
            threads=arguments.threads,
        )
    return _answer(report, arguments.json, report["metrics"], f"Report: {out / 'report.html'}")


def evaluate(arguments: Namespace) -> int:
    """Score a model on hospital folders."""
    from common.simulation import run  # noqa: PLC0415

    with console.work():
        _check_device(arguments.device)
        scored = run.evaluate(
            arguments.model, arguments.sites, split=arguments.split, device=arguments.device
        )
    rows = {
        **{site: {"mean": values} for site, values in scored["metrics"]["sites"].items()},
        "mean": scored["metrics"],
    }
    return _answer(scored, arguments.json, rows, "")


def demo(arguments: Namespace) -> int:
    """Make phantom hospitals and train over them."""
    from common.simulation import run  # noqa: PLC0415

    with console.work(), _note_on_what_is_kept(arguments.out, arguments.out / "hospitals"):
        report = run.demo(arguments.out)
    return _answer(
        report, arguments.json, report["metrics"], f"Report: {arguments.out / 'report.html'}"
    )


def _check_device(device: str) -> None:
    """Refuse a GPU that is not there before any hospital starts."""
    # torch takes seconds to import, so only a user who insists on a GPU waits for the answer here.
    if device != "cuda":
        return
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        raise ArgumentError(
            "--device is 'cuda', but torch sees no usable GPU here; give cpu or auto."
        )


@contextlib.contextmanager
def _note_on_what_is_kept(out: Path, sites: Path) -> Iterator[None]:
    """Add to the error that ends a run which of its rounds is on disk, and how to score it."""
    # The folder may hold the model of an earlier run, which is no result of this one.
    began = time.time()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if sentence := _kept(out / "model", sites, began):
            error.add_note(sentence)
        raise


def _kept(model: Path, sites: Path, began: float) -> str:
    import json  # noqa: PLC0415
    import shlex  # noqa: PLC0415

    try:
        if (model / "weights.safetensors").stat().st_mtime < began:  # of an earlier run
            return ""
        rounds = json.loads((model / "model.json").read_text("utf-8"))["rounds"]
    except (OSError, ValueError, KeyError):
        return ""
    command = shlex.join(["consilium", "evaluate", str(model), "--sites", str(sites)])
    return f"Rounds done: {rounds}; score their model with: {command}"


def _answer(result: dict[str, Any], as_json: bool, rows: dict[str, Any], last: str) -> int:
    """The result as JSON, or as a table with one line a row and its mean metrics."""
    if as_json:
        console.out_json(result)
        return 0
    width = max(map(len, rows), default=0)
    for name, row in rows.items():
        values = (
            f"{metric} {'undefined' if value is None else f'{value:.3f}'}"
            for metric, value in row["mean"].items()
        )
        console.out(f"{name.ljust(width)}  {'  '.join(values)}")
    if last:
        console.out(last)
    return 0
