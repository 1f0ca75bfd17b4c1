"""A whole study on one machine: what a researcher does, and what goes wrong on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import client.app
from client import worker as workers
from common.errors import ArgumentError, ConsiliumError, InputError, RoundError, StudyError
from common.simulation.run import evaluate, simulate
from common.wire import Plan, Reply
from tests import small


def _run(tmp_path: Path, **sections: Any) -> dict[str, Any]:
    sites = tmp_path / "sites"
    if not sites.exists():
        small.federation(sites)
    return simulate(small.study(tmp_path / "study.toml", **sections), sites, tmp_path / "run", device="cpu", quiet=True)


def test_a_study_leaves_everything_that_the_contract_names(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites", sites=3)
    study = small.study(tmp_path / "study.toml")
    report = simulate(study, tmp_path / "sites", tmp_path / "run", compare=("local", "pooled"), device="cpu", quiet=True)
    run = tmp_path / "run"
    assert {p.name for p in run.iterdir()} >= {"study.toml", "rounds.jsonl", "model", "report.json", "report.html"}
    assert report["study"]["name"] == "small" and report["rounds"] == 2 and report["status"] == "finished"
    assert report["sites"]["site0"]["train"] + report["sites"]["site0"]["validation"] + report["sites"]["site0"]["test"] == 8
    for way in ("federated", "local", "pooled"):
        assert set(report["metrics"][way]["sites"]) == {"site0", "site1", "site2"}
        assert set(report["metrics"][way]["mean"]) >= {"dice", "hd95"}
    assert np.shape(report["cross"]["values"]) == (4, 3)
    assert report["bytes"]["up"] > 0 and report["seconds"]["total"] > report["seconds"]["training"] > 0
    lines = [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines] == [1, 2] and lines[0]["accepted"] == ["site0", "site1", "site2"]
    assert "validation" in lines[0]


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites")
    study = small.study(tmp_path / "study.toml")
    models = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(study, tmp_path / "sites", tmp_path / name, seed=seed, device="cpu", quiet=True)
        models.append((tmp_path / name / "model" / "weights.safetensors").read_bytes())
    assert models[0] == models[1] != models[2]


def test_a_saved_model_is_scored_on_a_hospital_that_was_never_trained_on(tmp_path: Path) -> None:
    report = _run(tmp_path)
    own = evaluate(tmp_path / "run" / "model", tmp_path / "sites", device="cpu", quiet=True)
    assert own["metrics"]["mean"]["dice"] == pytest.approx(report["metrics"]["federated"]["mean"]["dice"])
    small.hospital(tmp_path / "others" / "abroad", 5, seed=9)
    small.hospital(tmp_path / "others" / "one", 1, seed=9)
    scored = evaluate(tmp_path / "run" / "model", tmp_path / "others", split="all", device="cpu", quiet=True)
    assert scored["images"] == {"abroad": 5, "one": 1} and not (tmp_path / "run" / "model" / ".state").exists()


def test_classification_and_detection_run_through_the_same_door(tmp_path: Path) -> None:
    sites = small.federation(tmp_path / "sites")
    labels = _other(tmp_path, {"name": "classification", "target": ["finding"]}, {"name": "cnn", "channels": [4, 8]})
    report = simulate(labels, sites, tmp_path / "run", device="cpu", quiet=True)
    assert "auc" in report["metrics"]["federated"]["mean"]
    boxes = _other(tmp_path, {"name": "detection", "classes": ["disc"]}, {"name": "retinanet", "widths": [8, 8, 8, 8], "pyramid_width": 8})
    assert "map_50" in simulate(boxes, sites, tmp_path / "run2", device="cpu", quiet=True)["metrics"]["federated"]["mean"]


def _other(tmp_path: Path, task: dict[str, Any], model: dict[str, Any]) -> Path:
    table = {**small.TABLE, "task": task, "model": model}
    path = tmp_path / f"{task['name']}.toml"
    path.write_text(small.toml.dumps(table))
    return path


@pytest.mark.parametrize("strategy", [{"name": "fedprox", "mu": 0.1}, {"name": "fedopt", "optimizer": "adam", "server_rate": 0.01}])
def test_other_strategies_train(tmp_path: Path, strategy: dict[str, Any]) -> None:
    assert _run(tmp_path, strategy=strategy)["status"] == "finished"


def _spoil(monkeypatch: pytest.MonkeyPatch, site: str, change: Any) -> None:
    """Let one hospital answer to "train" with something else."""
    honest = workers.Worker.answer

    def answer(self: workers.Worker, plan: Plan) -> Reply:
        reply = honest(self, plan)
        return change(reply) if plan.kind == "train" and reply.site == site else reply

    monkeypatch.setattr(workers.Worker, "answer", answer)


def _die(reply: Reply) -> Reply:
    raise RuntimeError("patient P001 is on the screen")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: replace(r, delta=np.full_like(r.delta, np.nan)), "NaN"),
        (lambda r: replace(r, values={**r.values, "weight": 1e9}), "weight"),
        (lambda r: replace(r, delta=r.delta[:-1]), "float32"),
        (_die, "RuntimeError"),
    ],
    ids=["NaN", "absurd weight", "wrong shape", "dies"],
)
def test_one_bad_hospital_is_refused_by_name_and_the_round_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, reason: str) -> None:
    _spoil(monkeypatch, "site1", change)
    report = _run(tmp_path)
    assert report["status"] == "finished" and [(r["round"], r["site"]) for r in report["refused"]] == [(1, "site1"), (2, "site1")]
    assert reason in report["refused"][0]["reason"] and "P001" not in json.dumps(report)
    weights = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    assert all(np.isfinite(w).all() for w in weights.values())


def test_the_details_of_a_failure_stay_in_the_hospitals_own_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _spoil(monkeypatch, "site1", _die)
    _run(tmp_path)
    assert "P001" in (tmp_path / "run" / "state" / "site1" / "site.log").read_text()


def test_too_few_accepted_updates_end_the_run_with_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _spoil(monkeypatch, "site1", _die)
    with pytest.raises(RoundError, match=r"Round 1 has 1 accepted updates; federation.min_sites asks for 2.*site1"):
        _run(tmp_path, federation={"min_sites": 2})
    assert json.loads((tmp_path / "run" / "report.json").read_text())["status"] == "failed"


def test_an_interrupted_run_leaves_a_usable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(reply: Reply) -> Reply:
        if reply.round == 2:
            raise KeyboardInterrupt
        return reply

    _spoil(monkeypatch, "site1", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["status"] == "interrupted" and report["rounds"] == 1
    assert evaluate(tmp_path / "run" / "model", tmp_path / "sites", device="cpu", quiet=True)["metrics"]["mean"]


def _empty(site: Path) -> None:
    for image in (site / "images").iterdir():
        image.unlink()


def _one_patient(site: Path) -> None:
    lines = (site / "labels.csv").read_text().splitlines()
    (site / "labels.csv").write_text("\n".join([lines[0], *(",".join([*line.split(",")[:2], "P0"]) for line in lines[1:])]))


def _unreadable(site: Path) -> None:
    for image in (site / "images").iterdir():
        image.write_bytes(b"not an image")


@pytest.mark.parametrize(("spoil", "words"), [(_empty, "no images"), (_one_patient, "patient"), (_unreadable, "decoded")])
def test_a_hospital_with_bad_data_is_excluded_with_one_sentence(tmp_path: Path, spoil: Any, words: str) -> None:
    small.federation(tmp_path / "sites", sites=3)
    spoil(tmp_path / "sites" / "site1")
    report = _run(tmp_path)
    assert set(report["sites"]) == {"site0", "site2"} and words in report["excluded"]["site1"]
    assert "image0" not in report["excluded"]["site1"] and str(tmp_path) not in report["excluded"]["site1"]


def test_wrong_arguments_are_refused(tmp_path: Path) -> None:
    study = small.study(tmp_path / "study.toml")
    (tmp_path / "nobody").mkdir()
    cases: list[tuple[type[ConsiliumError], str, dict[str, Any]]] = [
        (InputError, "not a folder", {"sites": tmp_path / "absent"}),
        (InputError, "no sub-folder", {"sites": tmp_path / "nobody"}),
        (StudyError, "cannot be read", {"study": tmp_path / "absent.toml"}),
        (ArgumentError, "--engine", {"engine": "dask"}),
        (ArgumentError, "--compare", {"compare": ("everything",)}),
        (ArgumentError, "--rounds", {"rounds": 0}),
    ]
    small.federation(tmp_path / "sites")
    for kind, words, change in cases:
        arguments = {"study": study, "sites": tmp_path / "sites", "out": tmp_path / "run", "device": "cpu", "quiet": True, **change}
        with pytest.raises(kind, match=words):
            simulate(**arguments)


def test_the_client_app_never_lets_an_exception_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "resident", lambda site, plan: (_ for _ in ()).throw(ValueError("secret")))
    with pytest.raises(InputError) as caught:
        _run(tmp_path)
    assert "secret" not in str(caught.value) and "ValueError" in str(caught.value)
    assert client.app.app is not None
