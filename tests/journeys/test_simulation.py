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
from client.worker import worker as workers
from common.errors import ArgumentError, InputError, RoundError
from common.protocol.envelopes import Question, Reply
from common.simulation.run import evaluate, simulate
from tests import small


def _run(tmp_path: Path, **sections: Any) -> dict[str, Any]:
    sites = tmp_path / "sites"
    if not sites.exists():
        small.federation(sites)
    return simulate(
        small.study(tmp_path / "study.toml", **sections),
        sites,
        tmp_path / "run",
        device="cpu",
        quiet=True,
    )


def test_a_study_leaves_everything_that_the_contract_names(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites", sites=3)
    study = small.study(tmp_path / "study.toml")
    report = simulate(
        study,
        tmp_path / "sites",
        tmp_path / "run",
        compare=("local", "pooled"),
        device="cpu",
        quiet=True,
    )
    run = tmp_path / "run"
    assert {p.name for p in run.iterdir()} >= {
        "study.toml",
        "rounds.jsonl",
        "model",
        "report.json",
        "report.html",
    }
    assert (
        report["study"]["name"] == "small"
        and report["rounds"] == 2
        and report["status"] == "finished"
    )
    assert (
        report["sites"]["site0"]["train"]
        + report["sites"]["site0"]["validation"]
        + report["sites"]["site0"]["test"]
        == 8
    )
    for way in ("federated", "local", "pooled"):
        assert set(report["metrics"][way]["sites"]) == {"site0", "site1", "site2"}
        assert set(report["metrics"][way]["mean"]) >= {"dice", "hd95"}
    assert np.shape(report["cross"]["values"]) == (4, 3)
    assert (
        report["bytes"]["up"] > 0 and report["seconds"]["total"] > report["seconds"]["training"] > 0
    )
    lines = [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()]
    assert [line["round"] for line in lines] == [1, 2] and lines[0]["accepted"] == [
        "site0",
        "site1",
        "site2",
    ]
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
    assert own["metrics"]["mean"]["dice"] == pytest.approx(
        report["metrics"]["federated"]["mean"]["dice"]
    )
    small.hospital(tmp_path / "others" / "abroad", 5, seed=9)
    small.hospital(tmp_path / "others" / "one", 1, seed=9)
    scored = evaluate(
        tmp_path / "run" / "model", tmp_path / "others", split="all", device="cpu", quiet=True
    )
    assert (
        scored["images"] == {"abroad": 5, "one": 1}
        and not (tmp_path / "run" / "model" / ".state").exists()
    )


def test_classification_and_detection_run_through_the_same_door(tmp_path: Path) -> None:
    sites = small.federation(tmp_path / "sites")
    labels = _other(
        tmp_path,
        {"name": "classification", "target": ["finding"]},
        {"name": "cnn", "channels": [4, 8]},
    )
    report = simulate(labels, sites, tmp_path / "run", device="cpu", quiet=True)
    assert "auc" in report["metrics"]["federated"]["mean"]
    boxes = _other(
        tmp_path,
        {"name": "detection", "classes": ["disc"]},
        {"name": "retinanet", "widths": [8, 8, 8, 8], "pyramid_width": 8},
    )
    assert (
        "map_50"
        in simulate(boxes, sites, tmp_path / "run2", device="cpu", quiet=True)["metrics"][
            "federated"
        ]["mean"]
    )


def _other(tmp_path: Path, task: dict[str, Any], model: dict[str, Any]) -> Path:
    table = {**small.TABLE, "task": task, "model": model}
    path = tmp_path / f"{task['name']}.toml"
    path.write_text(small.toml.dumps(table))
    return path


@pytest.mark.parametrize(
    "strategy",
    [{"name": "fedprox", "mu": 0.1}, {"name": "fedopt", "optimizer": "adam", "server_rate": 0.01}],
)
def test_other_strategies_train(tmp_path: Path, strategy: dict[str, Any]) -> None:
    assert _run(tmp_path, strategy=strategy)["status"] == "finished"


def _spoil(monkeypatch: pytest.MonkeyPatch, site: str, change: Any) -> None:
    """Let one hospital answer to "train" with something else."""
    honest = workers.Worker.answer

    def answer(self: workers.Worker, question: Question) -> Reply:
        reply = honest(self, question)
        return change(reply) if question.kind == "train" and reply.site == site else reply

    monkeypatch.setattr(workers.Worker, "answer", answer)


def _die(reply: Reply) -> Reply:
    raise RuntimeError("patient P001 is on the screen")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: replace(r, delta=np.full_like(r.delta, np.nan)), "NaN"),
        (lambda r: replace(r, values={**r.values, "weight": 1e9}), "weight"),
        (lambda r: replace(r, delta=r.delta[:-1]), "another form"),
        (_die, "RuntimeError"),
    ],
    ids=["NaN", "absurd weight", "wrong shape", "dies"],
)
def test_one_bad_hospital_is_refused_by_name_and_the_round_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, reason: str
) -> None:
    _spoil(monkeypatch, "site1", change)
    report = _run(tmp_path)
    assert report["status"] == "finished" and [
        (r["round"], r["site"]) for r in report["refused"]
    ] == [(1, "site1"), (2, "site1")]
    assert reason in report["refused"][0]["reason"] and "P001" not in json.dumps(report)
    weights = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    assert all(np.isfinite(w).all() for w in weights.values())


def test_the_details_of_a_failure_stay_in_the_hospitals_own_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch, "site1", _die)
    _run(tmp_path)
    assert "P001" in (tmp_path / "run" / "state" / "site1" / "site.log").read_text()


def test_too_few_accepted_updates_end_the_run_with_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch, "site1", _die)
    with pytest.raises(
        RoundError, match=r"Round 1 has 1 accepted updates; federation.min_sites asks for 2.*site1"
    ):
        _run(tmp_path, federation={"min_sites": 2})
    assert json.loads((tmp_path / "run" / "report.json").read_text())["status"] == "failed"


def test_an_interrupted_run_leaves_a_usable_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(reply: Reply) -> Reply:
        if reply.round == 2:
            raise KeyboardInterrupt
        return reply

    _spoil(monkeypatch, "site1", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _run(tmp_path)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["status"] == "interrupted" and report["rounds"] == 1
    assert evaluate(tmp_path / "run" / "model", tmp_path / "sites", device="cpu", quiet=True)[
        "metrics"
    ]["mean"]


def _empty(site: Path) -> None:
    for image in (site / "images").iterdir():
        image.unlink()


def _one_patient(site: Path) -> None:
    lines = (site / "labels.csv").read_text().splitlines()
    (site / "labels.csv").write_text(
        "\n".join([lines[0], *(",".join([*line.split(",")[:2], "P0"]) for line in lines[1:])])
    )


def _unreadable(site: Path) -> None:
    for image in (site / "images").iterdir():
        image.write_bytes(b"not an image")


@pytest.mark.parametrize(
    ("spoil", "words"), [(_empty, "no images"), (_one_patient, "patient"), (_unreadable, "decoded")]
)
def test_a_hospital_with_bad_data_is_excluded_with_one_sentence(
    tmp_path: Path, spoil: Any, words: str
) -> None:
    small.federation(tmp_path / "sites", sites=3)
    spoil(tmp_path / "sites" / "site1")
    report = _run(tmp_path)
    assert set(report["sites"]) == {"site0", "site2"} and words in report["excluded"]["site1"]
    assert (
        "image0" not in report["excluded"]["site1"]
        and str(tmp_path) not in report["excluded"]["site1"]
    )


def test_the_client_app_never_lets_an_exception_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "resident", lambda *_: (_ for _ in ()).throw(ValueError("secret")))
    with pytest.raises(InputError) as caught:
        _run(tmp_path)
    assert "secret" not in str(caught.value) and "ValueError" in str(caught.value)
    assert client.app.app is not None


ON = {"enabled": True}
TASKS: dict[str, dict[str, Any]] = {
    "segmentation": {},
    "classification": {
        "task": {"name": "classification", "target": ["finding"]},
        "model": {"name": "cnn", "channels": [4, 8]},
    },
    "detection": {
        "task": {"name": "detection", "classes": ["disc"]},
        "model": {"name": "retinanet", "widths": [8, 8, 8, 8], "pyramid_width": 8},
    },
}


def _apart(one: Path, other: Path) -> float:
    """Largest difference of two runs' weights.

    Without a convolution's bias before a normalisation: it changes nothing, its gradient is nought
    but rounding, and Adam makes steps of full length of that.
    """
    models = [load_file(run / "model" / "weights.safetensors") for run in (one, other)]
    assert models[0].keys() == models[1].keys()
    return max(
        float(np.abs(models[0][k] - models[1][k]).max(initial=0.0))
        for k in models[0]
        if not k.endswith("conv.bias")
    )


def _secure(
    tmp_path: Path, name: str, task: str = "segmentation", **sections: Any
) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
    """Report, rounds and folder of a run.

    Sections ``task`` and ``model`` are those of the task alone.
    """
    table = {**small.TABLE, **TASKS[task]}
    table |= {key: {**table.get(key, {}), **section} for key, section in sections.items()}
    study = tmp_path / f"{name}.toml"
    run = tmp_path / name
    study.write_text(small.toml.dumps(table))
    report = simulate(study, tmp_path / "sites", run, device="cpu", quiet=True)
    return (
        report,
        [json.loads(line) for line in (run / "rounds.jsonl").read_text().splitlines()],
        run,
    )


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("weight", ["images", "equal"])
def test_under_masks_the_same_comes_out_as_without(tmp_path: Path, task: str, weight: str) -> None:
    small.federation(tmp_path / "sites", sites=3)
    small.hospital(tmp_path / "sites" / "site3", 14, seed=3)
    both = [
        _secure(
            tmp_path,
            f"{on}",
            task,
            secure_aggregation={"enabled": on},
            federation={"weight": weight, "min_sites": 3},
        )
        for on in (False, True)
    ]
    (plain, plain_lines, plain_run), (secure, lines, run) = both
    assert _apart(plain_run, run) < 1e-5
    for one, other in zip(plain_lines, lines, strict=True):
        assert (
            other["mean_loss"] == pytest.approx(one["mean_loss"], abs=1e-6)
            and other["accepted"] == one["accepted"]
        )
        assert (
            one["secure"] is None
            and other["secure"]["survivors"] == 4
            and other["secure"]["attempts"] == 1
            and other["void"] == ""
        )
    assert [line["secure"]["exchanges"] for line in lines] == [3, 3]  # the count was the first sum
    assert plain["rounds"] == secure["rounds"] == 2 and secure["status"] == "finished"


@pytest.mark.parametrize("ring_bits", [32, 64])
def test_both_rings_train_alike(tmp_path: Path, ring_bits: int) -> None:
    small.federation(tmp_path / "sites", sites=3)
    sgd = {"optimizer": "sgd", "learning_rate": 0.01}
    _, _, run = _secure(
        tmp_path, "masked", secure_aggregation={**ON, "ring_bits": ring_bits}, training=sgd
    )
    _, _, plain = _secure(tmp_path, "plain", training=sgd)
    models = [load_file(folder / "model" / "weights.safetensors") for folder in (run, plain)]
    assert (
        max(float(np.abs(models[0][k] - models[1][k]).max(initial=0.0)) for k in models[0]) < 1e-6
    )  # also the biases


def _numbers(tree: Any) -> list[Any]:
    if isinstance(tree, dict):
        return [number for value in tree.values() for number in _numbers(value)]
    return (
        [number for value in tree for number in _numbers(value)]
        if isinstance(tree, list)
        else [tree]
    )


def test_with_nothing_shared_the_run_folder_has_means_and_no_hospital_s_number(
    tmp_path: Path,
) -> None:
    images = {"alder": 61, "beech": 67, "cedar": 71, "rowan": 73}
    for seed, (name, count) in enumerate(images.items()):
        for part in ("open", "strict"):
            small.hospital(tmp_path / part / "sites" / name, count, seed=seed)
        (tmp_path / "strict" / "sites" / name / "policy.toml").write_text("")
    shared, shared_lines, seen = _secure(tmp_path / "open", "run", secure_aggregation=ON)
    report, lines, run = _secure(tmp_path / "strict", "run", secure_aggregation=ON)
    assert set(report["sites"]) == set(images) and not any(report["sites"].values())
    assert report["totals"]["patients"] == sum(images.values())
    federated = report["metrics"]["federated"]
    assert federated["sites"] == federated["intervals"] == {} and federated["hospitals"] == 4
    for metric, value in shared["metrics"]["federated"]["mean"].items():
        assert federated["mean"][metric] == (
            None if value is None else pytest.approx(value, abs=1e-5)
        )
    for line, other in zip(lines, shared_lines, strict=True):
        assert line["loss"] == line["weights"] == {} and line["mean_loss"] == pytest.approx(
            other["mean_loss"], abs=1e-5
        )
        assert line["validation"] == {} and line["validation_hospitals"] == 4
        for metric, value in other["validation_mean"].items():
            assert line["validation_mean"][metric] == (
                None if value is None else pytest.approx(value, abs=1e-5)
            )
    own = [line["loss"][name] for line in shared_lines for name in images]
    own += [
        value
        for scores in shared["metrics"]["federated"]["sites"].values()
        for value in scores.values()
        if value not in (None, 0, 1)
    ]
    own += [
        value
        for line in shared_lines
        for scores in line["validation"].values()
        for value in scores.values()
        if value not in (None, 0, 1)
    ]
    assert len(own) >= 16
    written = [
        json.dumps(json.loads(text))
        for file in ("report.json", "rounds.jsonl")
        for text in _texts(run / file)
    ]
    page = (run / "report.html").read_text()
    open_text = (seen / "report.json").read_text() + (seen / "rounds.jsonl").read_text()
    assert sum(f"{value:.6f}"[:7] in open_text for value in own) > 0.8 * len(
        own
    )  # the search finds what is there
    for value in own:
        assert not any(f"{value:.6f}"[:7] in text for text in (*written, page)), value
    counts = {
        count
        for table in shared["sites"].values()
        for count in _numbers(table)
        if isinstance(count, int) and count > 40
    }
    assert counts >= set(images.values())
    assert not counts & {
        number
        for text in written
        for number in _numbers(json.loads(text))
        if isinstance(number, int)
    }


def _texts(path: Path) -> list[str]:
    text = path.read_text()
    return text.splitlines() if path.suffix == ".jsonl" else [text]


def test_two_hospitals_are_one_clear_sentence(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites", sites=2)
    with pytest.raises(
        InputError,
        match=r"^Secure aggregation needs 3 hospitals that train; 2 joined\. "
        r"Let more hospitals join\.",
    ):
        _secure(tmp_path, "run", secure_aggregation=ON)
    small.hospital(tmp_path / "sites" / "site2", 8, seed=2)
    with pytest.raises(InputError, match="needs 4 hospitals that train; 3 joined"):
        _secure(tmp_path, "again", secure_aggregation={**ON, "min_cohort": 4})


def test_a_share_of_the_hospitals_is_drawn_for_each_sum(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites", sites=6, images=6)
    shares = {"fraction": 0.5, "min_sites": 3, "rounds": 4}
    report, lines, run = _secure(
        tmp_path, "masked", secure_aggregation=ON, federation=shares, evaluation={"every": 0}
    )
    assert report["status"] == "finished" and [len(line["accepted"]) for line in lines] == [3] * 4
    assert not any(line["refused"] for line in lines) and {
        line["secure"]["attempts"] for line in lines
    } == {1}
    _, plain, plain_run = _secure(tmp_path, "plain", federation=shares, evaluation={"every": 0})
    assert [line["accepted"] for line in plain] == [line["accepted"] for line in lines]
    assert _apart(plain_run, run) < 1e-5


def test_a_hospital_that_fails_in_a_masked_round_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.federation(tmp_path / "sites", sites=4)
    _spoil(monkeypatch, "site1", _die)
    report, lines, _ = _secure(tmp_path, "run", secure_aggregation=ON)
    assert (
        report["status"] == "finished"
        and [line["accepted"] for line in lines] == [["site0", "site2", "site3"]] * 2
    )
    assert all(line["secure"]["survivors"] == 3 for line in lines) and "P001" not in json.dumps(
        report
    )


def test_hospitals_that_keep_their_counts_cannot_be_compared_alone(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites", sites=3)
    (tmp_path / "sites" / "site1" / "policy.toml").write_text("")
    study = small.study(tmp_path / "study.toml", secure_aggregation=ON)
    with pytest.raises(
        ArgumentError,
        match=r"--compare needs every hospital's counts and metrics; "
        r"the policy of site1 keeps them",
    ):
        simulate(
            study,
            tmp_path / "sites",
            tmp_path / "run",
            compare=("local",),
            device="cpu",
            quiet=True,
        )


def test_a_policy_that_was_written_between_two_runs_holds(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites", sites=3)
    _secure(tmp_path, "before", secure_aggregation=ON)
    (tmp_path / "sites" / "site1" / "policy.toml").write_text("")
    report, _, _ = _secure(tmp_path, "after", secure_aggregation=ON)
    assert not report["sites"]["site1"] and report["sites"]["site0"]


def test_a_policy_that_cannot_be_read_stops_its_hospital_only(tmp_path: Path) -> None:
    small.federation(tmp_path / "sites", sites=4)
    (tmp_path / "sites" / "site1" / "policy.toml").write_text("share_everything = true")
    report, _, _ = _secure(tmp_path, "run", secure_aggregation=ON)
    assert set(report["sites"]) == {"site0", "site2", "site3"} and report["excluded"]
