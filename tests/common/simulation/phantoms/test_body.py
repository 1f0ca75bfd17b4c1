"""Bodies are drawn from a seed; lesions lie within the liver and apart from each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from common.simulation.phantoms.body import (
    EXTENT,
    Body,
    cavity,
    liver,
    random_body,
    random_lesion,
    trunk_distance,
)
from common.simulation.phantoms.profiles import PORTAL


def body(seed: int) -> Body:
    return random_body(np.random.default_rng(seed), PORTAL, fat=0.07, meal=15)


def test_a_seed_is_a_body() -> None:
    one, same, other = body(1), body(1), body(2)
    assert one.jitter == same.jitter and np.array_equal(one.vessels, same.vessels)
    assert one.jitter != other.jitter


def test_lesions_lie_within_the_liver_and_apart() -> None:
    rng = np.random.default_rng(3)
    patient = body(3)
    for z in (0.3, 0.45, 0.6):
        lesion = random_lesion(rng, patient, z, 0.08, cyst=False, difference=-38)
        assert lesion is not None
        u, v = (np.array([c], np.float32) for c in lesion.centre[:2])
        assert liver(patient, u, v, z, cavity(patient, u, v))[0] < 0
        for other in patient.lesions:
            apart = np.subtract(lesion.centre, other.centre) * (1, 1, EXTENT)
            flat = float(np.hypot(*apart[:2]))
            assert flat > lesion.radius + other.radius
        patient = replace(patient, lesions=(*patient.lesions, lesion))


def test_a_lesion_larger_than_the_liver_has_no_place() -> None:
    rng = np.random.default_rng(4)
    assert random_lesion(rng, body(4), 0.5, 2.0, cyst=False, difference=-38) is None


def test_the_cavity_lies_within_the_skin() -> None:
    u, v = np.meshgrid(*[np.linspace(-1.2, 1.2, 41, dtype=np.float32)] * 2)
    inside = cavity(body(5), u, v) < 0
    assert inside.any() and np.all(trunk_distance(u, v)[inside] < 0)
