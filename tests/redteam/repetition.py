"""Attacks by repetition.

Numbers used before, and a second sum about the same with one hospital less, which leaves that
hospital's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from client.secagg.participation import Participation
from client.secagg.revealed_sums import RevealedSums
from client.training import evaluation
from client.worker import worker as workers
from common import networks
from common.protocol import sum_specs
from common.secagg.messages import Advert
from common.study.schedule import rate_factor
from tests.redteam.attack import Attack, both, changed, replaced
from tests.redteam.drive import Sum, exact, without
from tests.redteam.stage import NAMES, PATIENTS, RUN, VICTIM, Stage

REST = tuple(without())
Vector = Any


def replayed(restart: bool) -> Callable[[Stage], bool]:
    """The same terms once more: two keys of one hospital under one signed number."""

    def play(stage: Stage) -> bool:
        held = Sum(stage).keys()
        if restart:
            held.deal().tally().open(NAMES)
            stage.restart()
        again = Advert.decode(held.agree(VICTIM, held.terms.encode())[0])
        return again != held.adverts[VICTIM]

    return play


def lower_number(stage: Stage) -> bool:
    """A number below one that was used."""
    Sum(stage, number=7).keys().deal().tally().open(NAMES)
    stage.restart()
    return bool(Sum(stage, number=6).keys().adverts)


def subtracted(restart: bool) -> Callable[[Stage], bool]:
    """The counts of four, then those of three."""

    def play(stage: Stage) -> bool:
        four = Sum(stage).keys().deal().tally().open(NAMES)
        if restart:
            stage.restart()
        three = Sum(stage, number=2, cohort=REST).keys().deal().tally().open(REST)
        return exact({lane: four[lane] - three[lane] for lane in four})

    return play


def at_once(stage: Stage) -> bool:
    """Both sums are masked before either is opened."""
    four = Sum(stage).keys().deal().tally()
    three = Sum(stage, number=2, cohort=REST).keys().deal().tally()
    both = four.open(NAMES), three.open(REST)
    return exact({lane: both[0][lane] - both[1][lane] for lane in both[0]})


def other_run(stage: Stage) -> bool:
    """The same study over three, under another name, signed with the coordinator's key."""
    four = Sum(stage).keys().deal().tally().open(NAMES)
    three = Sum(stage, cohort=REST, run="run-2").keys().deal().tally().open(REST)
    return exact({lane: four[lane] - three[lane] for lane in four})


def scored(
    held: Sum, names: Sequence[str], model: Vector, part: str = "all", number: int = 0, **more: Any
) -> dict[str, float]:
    """A model's scores over these hospitals, opened."""
    study = held.stage.study
    layout = networks.start_weights(study, held.stage.folder)[0].digest
    metrics = tuple(networks.task(study).higher_is_better)
    spec = sum_specs.specify(
        study,
        "evaluate",
        len(held.terms.cohort),
        number=number,
        part=part,
        model=model,
        layout=layout,
        metrics=metrics,
    )
    held.keys().deal()
    for name in names:
        held.vector(
            name, spec, model=model, round=number, layout=layout, settings={"part": part, **more}
        )
    return held.open(names)


def scores(stage: Stage, moved: float, restart: bool = False, number: int = 0) -> bool:
    """A model's scores over four, then over three; ``number``: the round of the second sum.

    The second model is the same, or differs in the last bit of one weight.
    """
    _, model, _ = networks.start_weights(stage.study, stage.folder)
    four = scored(Sum(stage), NAMES, model)
    if restart:
        stage.restart()
    other = model.copy()
    other[0] = np.nextafter(other[0], np.float32(moved)) if moved else other[0]
    three = scored(Sum(stage, number=2, cohort=REST), REST, other, number=number)
    own = own_scores(model)
    return all(abs(four[metric] - three[metric] - value) < 1e-4 for metric, value in own.items())


def own_scores(model: Vector) -> dict[str, float]:
    """The victim's own scores of a model, from its own worker, where nobody but a test may look."""
    [worker] = [w for w in workers._workers.values() if w._site.name == VICTIM]
    engine = worker._engine
    networks.unpack(engine.trainer.network, model)
    values = evaluation.score(
        engine.trainer.network,
        worker._data.task,
        worker._data.dataset.samples("all"),
        worker._study,
        engine.compute,
        False,
    )
    return {metric: value for metric, value in values["metrics"].items() if np.isfinite(value)}


def trained(held: Sum, number: int, names: Sequence[str], model: Vector, total: int) -> np.ndarray:
    """A round's sum over these hospitals, opened: the changes' sum, float64."""
    study = held.stage.study
    layout = networks.start_weights(study, held.stage.folder)[0]
    spec = sum_specs.specify(
        study,
        "train",
        len(held.terms.cohort),
        number=number,
        model=model,
        layout=layout.digest,
        total=total,
        counters=layout.counters,
    )
    held.keys().deal()
    for name in names:
        held.vector(name, spec, round=number, model=model, layout=layout.digest)
    held.open(names)
    return held.body(names)


def same_round(second: int, run: str = RUN) -> Callable[[Stage], bool]:
    """A round over four, then one from the same model over three.

    What remains is the victim's change.
    """

    def play(stage: Stage) -> bool:
        stage.table["training"] = {**stage.table["training"], "batch_size": 64, "local_steps": 1}
        stage.table["data"] = {**stage.table["data"], "augment": []}
        _, model, _ = networks.start_weights(stage.study, stage.folder)
        four = trained(Sum(stage), 1, NAMES, model, sum(PATIENTS.values()))
        three = trained(
            Sum(stage, 2 if run == RUN else 1, REST, run=run),
            second,
            REST,
            model,
            sum(PATIENTS.values()),
        )
        faster = rate_factor(stage.study, 0) / rate_factor(
            stage.study, second - 1
        )  # the rounds' learning rates, which everybody knows
        return alike(four - three * faster, own_change(stage))

    return play


def own_change(stage: Stage) -> np.ndarray:
    """The victim's change of round 1, from its worker's memory, where only a test may look."""
    [worker] = [w for w in workers._workers.values() if w._site.name == VICTIM and w._run == RUN]
    assert worker._rounds.last is not None
    return worker._rounds.last[1].delta.astype(np.float64)


def alike(estimate: np.ndarray, truth: np.ndarray, least: float = 0.999) -> bool:
    """Whether two changes point the same way: their cosine."""
    cosine = float(estimate @ truth / (np.linalg.norm(estimate) * np.linalg.norm(truth)))
    return cosine > least


_ANY_NUMBER = changed(
    Participation,
    "_advertise",
    (
        "if terms.number <= max(self._revealed_sums.last(terms.run), self._sums_in_progress.last):",
        "if False:",
    ),
)
_NO_LEDGER = both(
    replaced(RevealedSums, "check", lambda *_: None),
    changed(
        RevealedSums,
        "_check_cohort",
        ('if any(line["survivors"] != over for line in self._same(spec)):', "if False:"),
    ),
)
_LIMIT = "sums over different hospitals differ by those hospitals; deploy/security.md says so"

ATTACKS = (
    Attack("replayed terms", replayed(restart=False), _ANY_NUMBER),
    Attack("replayed terms after a restart", replayed(restart=True), _ANY_NUMBER),
    Attack("a lower number after a restart", lower_number, _ANY_NUMBER),
    Attack("counts of four, then of three", subtracted(restart=False), _NO_LEDGER),
    Attack("counts of four, then of three, after a restart", subtracted(restart=True), _NO_LEDGER),
    Attack("counts of four and of three at once", at_once, _NO_LEDGER),
    Attack("a round over four, then over three", same_round(1), _NO_LEDGER),
    Attack(
        "scores of a model over four, then over three", lambda stage: scores(stage, 0.0), _NO_LEDGER
    ),
    Attack(
        "scores of a model, then of one that differs in one bit",
        lambda stage: scores(stage, 1.0),
        _NO_LEDGER,
    ),
    Attack(
        "scores of a model over four, over three in another round",
        lambda stage: scores(stage, 0.0, number=1),
        _NO_LEDGER,
    ),
    Attack(
        "limit: scores of one bit more over three in another round",
        lambda stage: scores(stage, 1.0, number=1),
        _NO_LEDGER,
        limit=_LIMIT,
    ),
    Attack("the counts again in another run", other_run, _NO_LEDGER),
    Attack("the round again in another run", same_round(1, "run-2"), _NO_LEDGER),
    Attack("limit: the next round from the same model", same_round(2), _NO_LEDGER, limit=_LIMIT),
)
