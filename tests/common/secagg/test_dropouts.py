"""Hospitals that leave at any stage.

The sum of those who are left, to the last count, or a clean refusal; nothing in between.

A stage's outcome depends on who is there and on nothing else, and states are frozen values, so that
patterns of leaving that begin alike share their beginning. The exhaustive test thereby covers every
one of the 6^n ways in which n hospitals leave at one of five stages or stay, each opening computed
by itself; the random one draws trees of patterns.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import pytest

from common.secagg import primitives
from common.secagg.coordinator_state import TooFewError
from common.secagg.terms import Limits
from tests.common.secagg.world import Moment, World

STAGES = ("shares", "vectors", "confirmations", "revelations", "opened")
"""The step that follows each stage: keys, shares, vectors, confirmations, revelations."""
Chosen = tuple[str, ...]
Choose = Callable[[Chosen, int], Iterator[Chosen]]


@pytest.fixture(autouse=True)
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature is not worked out again for the same bytes: it depends on them alone."""
    monkeypatch.setattr(primitives, "verify", lru_cache(1 << 16)(primitives.verify))


def explore(
    world: World, choose: Choose, now: Moment | None = None, there: Chosen = (), stage: int = 0
) -> Iterator[tuple[str, Chosen, int]]:
    """``(outcome, survivors, stage)`` for each pattern.

    Who is there at each stage is a subset of who was there before.
    """
    if now is None:
        now = world.keys()
        there = world.names
    for left in choose(there, stage):
        try:
            after = getattr(world, STAGES[stage])(now, left)
        except TooFewError:
            assert len(left) < needed(world, stage), (
                f"{left} are enough to go on to {STAGES[stage]}"
            )
            yield "too few", left, stage
            continue
        assert len(left) >= needed(world, stage), f"{left} are too few to go on to {STAGES[stage]}"
        if STAGES[stage] == "opened":
            world.check(after, after.survivors)
            assert set(after.survivors) == set(now.server.survivors) and set(left) <= set(
                after.survivors
            )
            yield "opened", after.survivors, stage
        else:
            yield from explore(world, choose, after, left, stage + 1)


def needed(world: World, stage: int) -> int:
    """By hand: survivors until they are signed, then as many as it takes to open."""
    return world.least if stage <= 2 else world.terms.threshold


def subsets(there: Chosen, _: int) -> Iterator[Chosen]:
    """Every subset, in order of names."""
    return itertools.chain.from_iterable(
        itertools.combinations(there, count) for count in range(len(there) + 1)
    )


def alike(outcome: str, left: Sequence[str], stage: int) -> int:
    """How many of the 6^n assignments one outcome stands for.

    What hospitals do after a sum has ended makes no difference.
    """
    return (len(STAGES) - stage) ** len(left) if outcome == "too few" else 1


def openings(count: int, least: int, t: int) -> int:
    """How many assignments open a sum, counted one by one from the rule alone.

    A hospital's number is the stage at which it leaves (0 to 4), or 5 if it stays.
    """
    limits = (least, least, least, t, t)
    return sum(
        all(
            sum(leaves > stage for leaves in pattern) >= limit for stage, limit in enumerate(limits)
        )
        for pattern in itertools.product(range(6), repeat=count)
    )


CASES = [(3, -1), (4, -1), (5, -1), (6, -1), (4, 0), (5, 0)]


@pytest.mark.parametrize(("count", "colluders"), CASES)
def test_every_way_of_leaving(count: int, colluders: int) -> None:
    world = World(count, size=3, limits=Limits(colluders=colluders))
    outcomes = Counter[str]()
    for outcome, left, stage in explore(world, subsets):
        outcomes[outcome] += alike(outcome, left, stage)
    assert outcomes.total() == 6**count
    assert outcomes["opened"] == openings(count, world.least, world.terms.threshold) > 0


def test_every_way_of_leaving_with_64_bit_words() -> None:
    outcomes = Counter(
        outcome for outcome, _, _ in explore(World(4, size=3, ring_bits=64), subsets)
    )
    assert outcomes["opened"] == openings(4, 3, 3)


def drawn(rng: random.Random, branches: Sequence[int], most: float) -> Choose:
    """At each stage so many random subsets.

    A hospital leaves with a chance between 0 and ``most`` that is drawn for all.
    """

    def choose(there: Chosen, stage: int) -> Iterator[Chosen]:
        for _ in range(branches[stage]):
            chance = rng.choice((0.0, most / 4, most / 2, most))
            yield tuple(name for name in there if rng.random() >= chance)

    return choose


def patterns(count: int, branches: Sequence[int], number: int, most: float = 0.25) -> Counter[str]:
    """Outcomes of so many random patterns."""
    world = World(count, size=3)
    rng = random.Random(count)
    outcomes = Counter[str]()
    while outcomes.total() < number:
        for outcome, _, _ in itertools.islice(
            explore(world, drawn(rng, branches, most)), number - outcomes.total()
        ):
            outcomes[outcome] += 1
    return outcomes


@pytest.mark.parametrize(
    ("count", "branches", "number"),
    [(10, (3, 3, 3, 3, 15), 1000), (20, (2, 2, 3, 2, 100), 1000), (50, (1, 1, 3, 3, 12), 100)],
)
def test_random_ways_of_leaving(count: int, branches: Sequence[int], number: int) -> None:
    outcomes = patterns(count, branches, number)
    assert outcomes.total() == number and outcomes["opened"] >= number // 3


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_random_ways_of_leaving_of_fifty() -> None:
    outcomes = patterns(50, (2, 2, 3, 3, 30), 1000)
    assert outcomes.total() == 1000 and outcomes["opened"] >= 300


@pytest.mark.parametrize("count", [3, 4, 5, 6, 10])
def test_a_hospital_that_left_is_not_in_the_sum(count: int) -> None:
    """A mean with it would differ: the check above can fail."""
    world = World(count)
    with pytest.raises(AssertionError):
        world.check(world.run(), world.names[1:])


def test_nobody_is_left_out_who_stayed() -> None:
    world = World(7, limits=Limits(colluders=0))
    now = world.confirmations(world.run("vectors"), world.names[1:])
    opened = world.opened(world.revelations(now, world.names[2:]), world.names[3:])
    world.check(opened, world.names[1:])
